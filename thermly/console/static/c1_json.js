// Reads JSON that may end anywhere: what has come so far, with everything that is open closed.

const DEEPEST = 60;
const ATOM = /true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \n\r\t]*/y;

// Undefined where nothing can be read. Objects have no prototype: a key is never more than a key.
export function partial(text) {
  return new Reader(text).value(0);
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  value(depth) {
    const mark = this.mark();
    if (mark === undefined || depth > DEEPEST) return this.stop();
    if (mark === '"') return this.string();
    if (mark === "[") return this.list(depth);
    if (mark === "{") return this.object(depth);
    ATOM.lastIndex = this.at;
    const found = ATOM.exec(this.text);
    if (!found) return this.stop();
    this.at = ATOM.lastIndex;
    return JSON.parse(found[0]);
  }

  mark() {
    if (this.at >= this.text.length) return undefined;
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    this.at = SPACE.lastIndex;
    return this.text[this.at];
  }

  stop() {
    this.at = this.text.length;
    return undefined;
  }

  string() {
    const start = ++this.at;
    while (this.at < this.text.length && this.text[this.at] !== '"') this.at += this.text[this.at] === "\\" ? 2 : 1;
    const raw = this.text.slice(start, this.at);
    const isWhole = this.at < this.text.length;
    this.at++;
    try {
      return JSON.parse(`"${isWhole ? raw : raw.replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, "")}"`);
    } catch {
      return this.stop();
    }
  }

  list(depth) {
    const found = [];
    this.at++;
    while (this.mark() !== undefined && this.mark() !== "]") {
      const entry = this.value(depth + 1);
      if (entry === undefined) return found;
      found.push(entry);
      if (this.mark() === ",") this.at++;
    }
    this.at++;
    return found;
  }

  object(depth) {
    const found = Object.create(null);
    this.at++;
    while (this.mark() === '"') {
      const name = this.string();
      if (name === undefined || this.mark() !== ":") return found;
      this.at++;
      const entry = this.value(depth + 1);
      if (entry === undefined) return found;
      found[name] = entry;
      if (this.mark() === ",") this.at++;
    }
    this.at++;
    return found;
  }
}
