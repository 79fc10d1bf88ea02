// Reads openui-lang as the server writes it: one `name = value` a line. Names may be told later than they are used;
// until then there is a gap.

import { ORDER } from "./c1_library.js";

const DEEPEST = 60;
// One name in two places is two components: ten names, each twice the one before, would be a thousand.
const MOST_NODES = 5000;
const HEAD = /^\s*([A-Za-z_]\w*)\s*=(?!=)/;
const TOKEN = /[ \t]*(?:([A-Za-z_]\w*)|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([()[\]{},:]))/y;
const WORDS = new Map([["true", true], ["false", false], ["null", null]]);

class Call {
  constructor(name, args) { this.name = name; this.args = args; }
}

class Name {
  constructor(word) { this.word = word; }
}

// The root as {component, props}, or null.
export function program(text) {
  const told = new Map();
  for (const line of text.split("\n")) {
    const head = HEAD.exec(line);
    if (!head) continue;
    try {
      told.set(head[1], new Reader(line, head[0].length).whole());
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return told.has("root") ? new Resolver(told).value(new Name("root")) ?? null : null;
}

class Reader {
  constructor(text, at) {
    this.text = text;
    this.at = at;
    this.next();
  }

  whole() {
    const value = this.value(0);
    if (this.kind !== "end") throw new SyntaxError("more follows");
    return value;
  }

  next() {
    const rest = this.text.slice(this.at).trimStart();
    if (!rest) {
      this.kind = "end";
      return;
    }
    if (rest[0] === '"') {
      this.string(this.text.length - rest.length);
      return;
    }
    TOKEN.lastIndex = this.at;
    const found = TOKEN.exec(this.text);
    if (!found) throw new SyntaxError("cannot be read");
    this.at = TOKEN.lastIndex;
    this.kind = found[1] !== undefined ? "name" : found[2] !== undefined ? "number" : "mark";
    this.word = found[1] ?? found[2] ?? found[3];
  }

  string(start) {
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== '"') end += this.text[end] === "\\" ? 2 : 1;
    this.kind = "string";
    this.word = JSON.parse(this.text.slice(start, end + 1));
    this.at = end + 1;
  }

  value(depth) {
    if (depth > DEEPEST) throw new SyntaxError("too deep");
    const { kind, word } = this;
    if (kind === "end") throw new SyntaxError("ends too early");
    this.next();
    if (kind === "string") return word;
    if (kind === "number") return Number(word);
    if (kind === "name") {
      if (this.is("(")) { this.next(); return new Call(word, this.list(")", depth)); }
      return WORDS.has(word) ? WORDS.get(word) : new Name(word);
    }
    if (word === "[") return this.list("]", depth);
    if (word === "{") return this.object(depth);
    throw new SyntaxError(`${word} cannot stand here`);
  }

  is(mark) {
    return this.kind === "mark" && this.word === mark;
  }

  list(closing, depth) {
    const found = [];
    while (!this.is(closing)) {
      found.push(this.value(depth + 1));
      this.separate(closing);
    }
    this.next();
    return found;
  }

  object(depth) {
    const found = Object.create(null);
    while (!this.is("}")) {
      const name = this.word;
      this.next();
      if (!this.is(":")) throw new SyntaxError("a : is missing");
      this.next();
      found[name] = this.value(depth + 1);
      this.separate("}");
    }
    this.next();
    return found;
  }

  separate(closing) {
    if (this.is(",")) this.next();
    else if (!this.is(closing)) throw new SyntaxError(`${closing} is missing`);
  }
}

class Resolver {
  constructor(told) {
    this.told = told;
    this.open = new Set();
    this.nodes = 0;
  }

  value(value) {
    if (++this.nodes > MOST_NODES) return undefined;
    if (value instanceof Name) return this.named(value.word);
    if (value instanceof Call) return this.element(value);
    if (Array.isArray(value)) return value.map((entry) => this.value(entry)).filter((entry) => entry !== undefined);
    if (value === null || typeof value !== "object") return value;
    const found = Object.create(null);
    for (const [name, entry] of Object.entries(value)) found[name] = this.value(entry);
    return found;
  }

  named(word) {
    if (!this.told.has(word) || this.open.has(word)) return undefined;
    this.open.add(word);
    const found = this.value(this.told.get(word));
    this.open.delete(word);
    return found;
  }

  element({ name, args }) {
    const order = Object.hasOwn(ORDER, name) ? ORDER[name] : [];
    const props = Object.create(null);
    args.slice(0, order.length).forEach((arg, at) => { props[order[at]] = this.value(arg); });
    return { component: name, props };
  }
}
