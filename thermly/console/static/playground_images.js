// Pictures: sizes and qualities follow the model; seconds are counted while it draws.

import { ask, idOf } from "./playground_api.js";
import { showCode } from "./playground_code.js";
import { announce, find, findAll, h } from "./playground_dom.js";
import { facts } from "./playground_facts.js";
import { Desk } from "./playground_run.js";

const PATH = "v1/images/generations";

export function images() {
  const form = find("#form");
  const model = find("#model");
  model.addEventListener("change", () => offer(model));
  offer(model);
  return new Desk((signal) => draw(form, signal));
}

function offer(model) {
  for (const select of findAll("select[data-of]")) {
    const before = select.value;
    const words = (model.selectedOptions[0]?.dataset[select.dataset.of] ?? "").split(" ").filter(Boolean);
    select.replaceChildren(h("option", { value: "" }, "the model’s own"), ...words.map((w) => h("option", { value: w }, w)));
    select.value = words.includes(before) ? before : "";
  }
}

async function draw(form, signal) {
  const { model, size, quality, n, prompt } = form.elements;
  const body = {
    model: model.value,
    prompt: prompt.value,
    n: Number(n.value),
    ...(size.value ? { size: size.value } : {}),
    ...(quality.value ? { quality: quality.value } : {}),
  };
  showCode({ path: PATH, prefix: "/v1", body, call: "images.generate",
    python: "for image in answer.data:\n    print(image.url)",
    script: "for (const image of answer.data) console.log(image.url);" });
  const began = performance.now();
  const place = waiting(began, body.model);
  try {
    const response = await ask(PATH, body, { signal });
    const { data } = await response.json();
    const told = { wholeMs: performance.now() - began };
    place.replaceChildren(...data.map((image) => shown(image, body.prompt)), facts(told, idOf(response)));
    place.removeAttribute("aria-busy");
    announce(data.length === 1 ? "The picture is here." : `${data.length} pictures are here.`);
  } catch (error) {
    place.remove();
    find("#empty").hidden = find("#pictures").children.length > 0;
    throw error;
  } finally {
    clearInterval(place.clock);
  }
}

function waiting(began, model) {
  const seconds = h("span", {}, "0");
  const place = h("article", { class: "card drawn", "aria-busy": "true" },
    h("p", {}, `${model} is drawing … `, seconds, " s"), h("progress", { "aria-label": "Drawing" }));
  place.clock = setInterval(() => { seconds.textContent = String(Math.round((performance.now() - began) / 1000)); }, 500);
  find("#empty").hidden = true;
  find("#pictures").prepend(place);
  place.scrollIntoView({ block: "nearest" });
  return place;
}

// The server gives the address by which others reach it; this page may be open under another one of its own.
function shown(image, prompt) {
  const source = image.b64_json ? `data:image/png;base64,${image.b64_json}` : new URL(image.url, location.href).pathname;
  const revised = image.revised_prompt && image.revised_prompt !== prompt ? image.revised_prompt : null;
  return h("figure", {},
    h("img", { src: source, alt: revised ?? prompt }),
    h("figcaption", {}, h("a", { href: source, download: "" }, "Download"), revised ? ` ${revised}` : null));
}
