// Texts as vectors, and how far they are from one another.

import { Refused, ask, idOf } from "./playground_api.js";
import { showCode } from "./playground_code.js";
import { announce, find, findAll, h } from "./playground_dom.js";
import { facts } from "./playground_facts.js";
import { Desk } from "./playground_run.js";

const PATH = "v1/embeddings";
const MOST = 12;
const STEPS = 5;

export function embeddings() {
  find("[data-more]").addEventListener("click", more);
  return new Desk(compare);
}

function more() {
  const number = findAll("input", find("#texts")).length + 1;
  const id = `text-${number}`;
  const input = h("input", { id, name: "text", autocomplete: "off" });
  find("#texts").append(h("div", { class: "field" }, h("label", { for: id }, `Text ${number}`), input));
  find("[data-more]").hidden = number >= MOST;
  input.focus();
}

async function compare(signal) {
  const texts = findAll("input", find("#texts")).map((input) => input.value.trim()).filter(Boolean);
  if (texts.length < 2) throw new Refused("Two texts are the least that can be compared.");
  const body = { model: find("#model").value, input: texts, encoding_format: "float" };
  showCode({ path: PATH, prefix: "/v1", body, call: "embeddings.create",
    python: "for row in answer.data:\n    print(len(row.embedding), row.embedding[:3])",
    script: "for (const row of answer.data) console.log(row.embedding.length, row.embedding.slice(0, 3));" });
  const began = performance.now();
  const response = await ask(PATH, body, { signal });
  const { data, usage } = await response.json();
  const vectors = data.map((row) => row.embedding);
  const told = { wholeMs: performance.now() - began, usage: { prompt_tokens: usage.prompt_tokens } };
  find("#empty").hidden = true;
  find("#distances").replaceChildren(
    matrix(texts, vectors), h("p", { class: "small muted" }, `${vectors[0].length} numbers for each text.`),
    facts(told, idOf(response)));
  announce(nearest(texts, vectors));
}

function distance(a, b) {
  let dot = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  const both = Math.sqrt(aa * bb);
  return both ? Math.min(2, Math.max(0, 1 - dot / both)) : 1;
}

function matrix(texts, vectors) {
  const short = (text) => (text.length > 40 ? text.slice(0, 39) + "…" : text);
  const step = (d) => `near-${Math.min(STEPS - 1, Math.floor(d * STEPS))}`;
  const cell = (d) => h("td", { class: `num ${step(d)}` }, d.toFixed(3));
  return h("div", { class: "table", role: "region", "aria-label": "Cosine distances", tabindex: "0" },
    h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Text"),
        texts.map((_, i) => h("th", { scope: "col", class: "num" }, `to ${i + 1}`)))),
      h("tbody", {}, texts.map((text, i) =>
        h("tr", {}, h("th", { scope: "row" }, `${i + 1}. ${short(text)}`), vectors.map((v) => cell(distance(vectors[i], v))))))));
}

function nearest(texts, vectors) {
  let best = [Infinity, 0, 0];
  for (let i = 0; i < vectors.length; i++) {
    for (let k = i + 1; k < vectors.length; k++) {
      const d = distance(vectors[i], vectors[k]);
      if (d < best[0]) best = [d, i, k];
    }
  }
  return `The nearest are text ${best[1] + 1} and text ${best[2] + 1}, at a distance of ${best[0].toFixed(3)}.`;
}
