// Builds what the playground shows. A string only ever becomes a text node, and the names of attributes are written
// here and never come from an answer: what models write is not trusted.

const SVG = "http://www.w3.org/2000/svg";
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/;
let made = 0;

export const freshId = (word) => `${word}-${++made}`;
export const find = (selector, within = document) => within.querySelector(selector);
export const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

// Attributes that are null, undefined or false are left out; those that begin with "on" are listeners.
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// The address where it is one of the web, else null.
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

export function link(address, ...words) {
  const href = webAddress(address);
  return href ? h("a", { href, rel: "noopener noreferrer", target: "_blank" }, words) : h("span", {}, words);
}

// Pictures from elsewhere are links: looking at an answer asks nothing of servers that the answer names.
export function picture(source, words) {
  if (PICTURE.test(source)) return h("img", { src: source, alt: words });
  return link(source, words ? `Picture: ${words}` : "Picture");
}

export function code(text, label) {
  const id = freshId("code");
  return h("div", { class: "code" },
    h("pre", { id, tabindex: "0", role: "region", "aria-label": label }, text),
    h("button", { type: "button", class: "small", "data-copy": id }, "Copy"));
}

export function table(label, head, rows) {
  const cell = (tag, { text, number }) =>
    h(tag, { scope: tag === "th" ? "col" : null, class: number ? "num" : null }, text);
  return h("div", { class: "table", role: "region", "aria-label": label, tabindex: "0" },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((column) => cell("th", column)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((entry) => cell("td", entry)))))));
}

// Tabs as the ARIA practices describe them: one stop for the Tab key, arrows go between.
export function tabs(label, items) {
  const panels = items.map(({ content }) => h("div", { role: "tabpanel", id: freshId("panel"), tabindex: "0" }, content));
  const heads = items.map(({ title }, at) =>
    h("button", { type: "button", role: "tab", id: freshId("tab"), "aria-controls": panels[at].id,
      onclick: () => show(at), onkeydown: (event) => turn(event, at) }, title));
  panels.forEach((panel, at) => panel.setAttribute("aria-labelledby", heads[at].id));

  function show(chosen) {
    heads.forEach((head, at) => {
      head.setAttribute("aria-selected", String(at === chosen));
      head.tabIndex = at === chosen ? 0 : -1;
      panels[at].hidden = at !== chosen;
    });
  }

  function turn(event, at) {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: heads.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + heads.length) % heads.length;
    show(next);
    heads[next].focus();
  }

  if (heads.length) show(0);
  return h("div", { class: "tabbed" }, h("div", { role: "tablist", "aria-label": label }, heads), panels);
}

// Said once to those who listen, and not piece by piece.
export function announce(text) {
  find("#says").textContent = text.length > 1500 ? text.slice(0, 1500) + "…" : text;
}
