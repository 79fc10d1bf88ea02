// Components as DOM nodes. What they say is text, addresses are of the web or nothing, and a name that is not in the
// table is not shown.

import { chart, pie } from "./c1_charts.js";
import { form } from "./c1_forms.js";
import { code, h, picture, table, tabs, webAddress } from "./playground_dom.js";
import { markdown } from "./playground_markdown.js";

const MOST_ROWS = 500;
const DEEPEST = 20;
const TONES = new Map([["error", "bad"], ["warning", "warn"], ["success", "ok"]]);

const list = (value) => (Array.isArray(value) ? value : []);
const words = (value) => (value === null || value === undefined || typeof value === "object" ? "" : String(value));
const props = (item) => item?.props ?? item ?? {};

// `act(words)` says something in the reader's name.
export function render(node, { act }, depth = 0) {
  const draw = SHAPES.get(node?.component);
  if (!draw || depth > DEEPEST) {
    return h("p", { class: "small muted" }, `“${words(node?.component)}” cannot be shown here.`);
  }
  const inner = (nodes) => list(nodes).map((one) => render(one, { act }, depth + 1));
  return draw(props(node), { act, inner });
}

function header(title, subtitle) {
  return h("header", {}, title ? h("h3", {}, words(title)) : null, subtitle ? h("p", { class: "muted" }, words(subtitle)) : null);
}

function entries({ items, variant }) {
  const rows = list(items).map((item) => {
    const { title, subtitle } = props(item);
    return h("li", {}, words(title), subtitle ? h("span", { class: "small muted" }, ` ${words(subtitle)}`) : null);
  });
  return h(variant === "number" ? "ol" : "ul", { class: "made-list" }, rows);
}

function callout({ variant, title, description }) {
  return h("div", { class: `notice ${TONES.get(variant) ?? ""}` },
    h("p", {}, h("strong", {}, words(title))), description ? h("p", {}, words(description)) : null);
}

function facts({ columns, rows }) {
  const kinds = list(columns).map(props);
  const cell = (value, at) => ({ text: value === null ? "–" : words(value), number: kinds[at]?.type === "number" });
  const shown = list(rows).slice(0, MOST_ROWS);
  return h("div", {},
    table("Table", kinds.map(({ label }, at) => cell(label ?? "", at)), shown.map((row) => list(row).map(cell))),
    list(rows).length > shown.length ? h("p", { class: "small muted" }, `and ${rows.length - shown.length} rows more`) : null);
}

// Inside a form every button sends it; elsewhere it says its words.
function buttons({ buttons: some, direction }, act, isForm = false) {
  return h("div", { class: direction === "column" ? "actions column" : "actions" },
    list(some).map((one) => button(props(one), act, isForm)));
}

function button({ label, action, variant }, act, isForm) {
  const kind = variant === "primary" ? "primary" : variant === "tertiary" ? "quiet" : "";
  if (action?.type === "open_url") {
    const href = webAddress(action.url);
    return href ? h("a", { class: `button ${kind}`, href, rel: "noopener noreferrer", target: "_blank" }, words(label))
      : h("span", { class: "muted" }, words(label));
  }
  const context = words(action?.context);
  const say = () => act([words(label), context].filter(Boolean).join("\n"));
  return h("button", { type: isForm ? "submit" : "button", class: kind, "data-acts": true, "data-context": context || null,
    onclick: isForm ? null : say }, words(label));
}

function views({ items }, inner) {
  return tabs("Views", list(items).map(props).map(({ trigger, content }) => ({ title: words(trigger), content: inner(content) })));
}

function sections({ sections: some, isFoldable }, inner) {
  return h("div", {}, list(some).map(props).map(({ trigger, content }, at) =>
    isFoldable === false
      ? h("section", {}, h("h4", {}, words(trigger)), inner(content))
      : h("details", { open: at === 0, class: "made-section" }, h("summary", {}, words(trigger)), inner(content))));
}

function steps({ items }) {
  return h("ol", { class: "made-list" }, list(items).map(props).map(({ title, details }) =>
    h("li", {}, h("strong", {}, words(title)), details ? markdown(words(details), 4) : null)));
}

function next({ items }, act) {
  return h("div", { class: "actions" }, list(items).map(props).map(({ text }) =>
    h("button", { type: "button", class: "small", "data-acts": true, onclick: () => act(words(text)) }, words(text))));
}

const SHAPES = new Map(Object.entries({
  Card: ({ children }, { inner }) => h("div", {}, inner(children)),
  Header: ({ title, subtitle }) => header(title, subtitle),
  CardHeader: ({ title, subtitle }) => header(title, subtitle),
  InlineHeader: ({ heading, description }) => header(heading, description),
  TextContent: ({ text, textMarkdown }) => markdown(words(text ?? textMarkdown), 4),
  List: entries,
  ListBlock: entries,
  Callout: callout,
  CalloutV2: callout,
  Image: ({ src, alt }) => h("p", {}, picture(words(src), words(alt))),
  ImageBlock: ({ src, alt }) => h("p", {}, picture(words(src), words(alt))),
  CodeBlock: ({ language, codeString }) => code(words(codeString), language ? `Code in ${words(language)}` : "Code"),
  Table: facts,
  BarChart: (told) => chart("bar", told),
  LineChart: (told) => chart("line", told),
  AreaChart: (told) => chart("area", told),
  PieChart: pie,
  Form: (told, { act }) => form(told, (inner) => buttons(inner, act, true), act),
  Buttons: (told, { act }) => buttons(told, act),
  Tabs: (told, { inner }) => views(told, inner),
  SectionBlock: (told, { inner }) => sections(told, inner),
  Steps: steps,
  FollowUpBlock: (told, { act }) => next(told, act),
}));
