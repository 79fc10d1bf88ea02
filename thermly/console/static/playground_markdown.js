// A small part of Markdown as DOM nodes: paragraphs, headings, lists, quotations, tables, code, emphasis, links.
// What it does not know stays the text that it is. There is no HTML in it: angle brackets are text.

import { code, h, link, picture, table } from "./playground_dom.js";

const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^#{1,6}\s/;
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^\s{0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^\s{0,3}>\s?/;
const ROW = /^\s*\|.*\|\s*$/;
const UNDER_HEAD = /^\s*\|(?:\s*:?-+:?\s*\|)+\s*$/;
const DEEPEST = 8;
const LOWEST_HEADING = 6;

// `level`: of the highest heading in it.
export function markdown(text, level = 4) {
  return h("div", { class: "prose" }, blocks(text.replaceAll("\r", "").split("\n"), level, 0));
}

function blocks(lines, level, depth) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    const [node, next] = block(lines, at, level, depth);
    if (node) found.push(node);
    at = next;
  }
  return found;
}

function block(lines, at, level, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence);
  if (HEADING.test(line)) {
    const marks = line.indexOf(" ") < 0 ? 1 : line.search(/[^#]/);
    return [h(`h${Math.min(level + marks - 1, LOWEST_HEADING)}`, {}, inline(line.slice(marks).trim())), at + 1];
  }
  if (RULE.test(line)) return [h("hr"), at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quotation(lines, at, level, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, level, depth);
  if (ROW.test(line) && UNDER_HEAD.test(lines[at + 1] ?? "")) return rows(lines, at);
  return paragraph(lines, at);
}

function fenced(lines, at, [, marks, language]) {
  const end = lines.findIndex((line, i) => i > at && line.trim().startsWith(marks));
  const to = end < 0 ? lines.length : end;
  return [code(lines.slice(at + 1, to).join("\n"), language ? `Code in ${language}` : "Code"), to + 1];
}

function quotation(lines, at, level, depth) {
  let to = at;
  while (to < lines.length && QUOTE.test(lines[to])) to++;
  const inner = lines.slice(at, to).map((line) => line.replace(QUOTE, ""));
  return [h("blockquote", {}, blocks(inner, level, depth + 1)), to];
}

// An item has what is indented below it.
function list(lines, at, level, depth) {
  const [, margin, number] = ITEM.exec(lines[at]);
  const items = [];
  let to = at;
  while (to < lines.length) {
    const found = ITEM.exec(lines[to]);
    if (found && found[1].length <= margin.length && (found[2] === undefined) === (number === undefined)) {
      items.push([found[3]]);
    } else if (items.length && belongs(lines, to, margin.length)) {
      items.at(-1).push(lines[to].slice(margin.length + 2));
    } else break;
    to++;
  }
  const entries = items.map((item) => h("li", {}, item.length > 1 ? loose(item, level, depth) : inline(item[0])));
  return [h(number === undefined ? "ul" : "ol", { start: number > 1 ? number : null }, entries), to];
}

function belongs(lines, at, margin) {
  const next = lines[at].trim() ? lines[at] : lines[at + 1] ?? "";
  return next.trim() !== "" && next.search(/\S/) > margin;
}

function loose(item, level, depth) {
  const found = blocks(item, level, depth + 1);
  if (found[0]?.tagName === "P") found[0] = [...found[0].childNodes];
  return found;
}

function rows(lines, at) {
  let to = at + 2;
  while (to < lines.length && ROW.test(lines[to])) to++;
  const cells = (line) => line.trim().slice(1, -1).split("|").map((text) => ({ text: inline(text.trim()) }));
  return [table("Table", cells(lines[at]), lines.slice(at + 2, to).map(cells)), to];
}

function paragraph(lines, at) {
  let to = at + 1;
  while (to < lines.length && lines[to].trim() && !begins(lines[to])) to++;
  const text = lines.slice(at, to);
  return [h("p", {}, text.map((line, i) => [i ? h("br") : null, inline(line.trim())])), to];
}

const begins = (line) =>
  FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || ITEM.test(line) || RULE.test(line) || ROW.test(line);

// Each pattern ends at its line's end or sooner, and none tries twice: hostile text costs no more than other text.
const MARK = new RegExp(
  [
    "`([^`\\n]+)`",
    "\\*\\*(?! )([^*\\n]+)\\*\\*",
    "\\*(?![\\s*])([^*\\n]+)\\*",
    "(!?)\\[([^\\[\\]\\n]*)\\]\\(([^()\\s]*)\\)",
  ].join("|"), "g");

function inline(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(MARK)) {
    const [whole, exact, strong, emphasis, isPicture, words, address] = match;
    found.push(text.slice(at, match.index));
    if (exact !== undefined) found.push(h("code", {}, exact));
    else if (strong !== undefined) found.push(h("strong", {}, inline(strong)));
    else if (emphasis !== undefined) found.push(h("em", {}, inline(emphasis)));
    else found.push(isPicture ? picture(address, words) : link(address, inline(words)));
    at = match.index + whole.length;
  }
  found.push(text.slice(at));
  return found.filter((part) => part !== "");
}
