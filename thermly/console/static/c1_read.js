// An answer's text as a list of components: content elements of both formats, and the words beside them.

import { partial } from "./c1_json.js";
import { program } from "./c1_openui.js";

const ELEMENT = /<(content|custommarkdown)((?:\s[^<>]*)?)>([^<]*)(?:<\/\1>)?/g;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
const BROKEN = { component: "Callout", props: { variant: "error", title: "Something went wrong" } };

// `done`: nothing more comes, so half a tag at the end is text.
export function read(text, done) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(ELEMENT)) {
    found.push(...prose(text.slice(at, match.index)), ...element(match));
    at = match.index + match[0].length;
  }
  const rest = text.slice(at);
  const tag = rest.lastIndexOf("<");
  return [...found, ...prose(done || tag <= rest.lastIndexOf(">") ? rest : rest.slice(0, tag))];
}

const prose = (text) => (text.trim() ? [{ component: "TextContent", props: { text } }] : []);

function element([, name, attributes, inner]) {
  const payload = unescaped(inner.replace(/&#?\w{0,5}$/, ""));
  if (name === "custommarkdown") return prose(payload);
  return /\bversion="2"/.test(attributes) ? children(program(payload)) : tree(partial(payload));
}

function tree(found) {
  const shown = children(found?.component);
  return found?.error ? [...shown, BROKEN] : shown;
}

function children(card) {
  if (!card || typeof card !== "object") return [];
  const inner = card.props?.children;
  return card.component === "Card" && Array.isArray(inner) ? inner : [];
}

// The ampersand is one of them, so each entity is looked at once.
const unescaped = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name]);
