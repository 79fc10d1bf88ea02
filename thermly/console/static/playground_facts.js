// What is known of an answer beside its words: who gave it, why, how fast, at what price.

import { booked } from "./playground_api.js";
import { find, h } from "./playground_dom.js";

const count = new Intl.NumberFormat();
const millis = (ms) => (ms < 10_000 ? `${count.format(Math.round(ms))} ms` : `${count.format(Math.round(ms / 100) / 10)} s`);

// `told`: {model, level, cached, usage, firstMs, wholeMs, reason}, each as far as it is known. One line, which
// unfolds; the books are read a moment later, when they have the request.
export function facts(told, requestId) {
  const place = h("details", { class: "about small" });
  const show = (found) => place.replaceChildren(summary(told, found), list(told, found, requestId));
  show(null);
  if (requestId) booked(requestId).then((found) => { if (found) { show(found); find("#balance").textContent = found.balance; } });
  return place;
}

function summary(told, found) {
  const { usage } = told;
  const parts = [
    told.model ?? found?.model,
    usage && `${count.format(usage.prompt_tokens + (usage.completion_tokens ?? 0))} tokens`,
    millis(told.wholeMs),
    told.cached ? "from the cache" : found?.cost,
    told.reason === "length" && "cut off at its limit",
  ];
  return h("summary", {}, parts.filter(Boolean).join(" · "));
}

function list(told, found, requestId) {
  const request = requestId && h("code", {}, requestId);
  return h("dl", { class: "facts" },
    row("Answered by", told.model ?? found?.model),
    row("Difficulty", told.level && `${told.level} of 5`),
    row("Why this model", found?.reasons.length && h("ul", {}, found.reasons.map((reason) => h("li", {}, reason)))),
    row("Cache", told.cached && "answered from the cache, free of charge"),
    row("Ended", { length: "at its limit of tokens", content_filter: "by the provider’s filter" }[told.reason]),
    row("Tokens", told.usage && tokens(told.usage)),
    row("First token", told.firstMs && `after ${millis(told.firstMs)}`),
    row("Whole answer", `after ${millis(told.wholeMs)}`),
    row("Cost", found && found.cost + (found.estimated ? ", from estimated tokens" : "")),
    row("Saved", found?.saved && `${found.saved} against the best model`),
    row("Request", found ? h("a", { href: found.log }, request) : request));
}

const row = (name, words) => (words ? [h("dt", {}, name), h("dd", {}, words)] : null);

function tokens(usage) {
  const thought = usage.completion_tokens_details?.reasoning_tokens;
  const out = usage.completion_tokens === undefined ? "" : `, ${count.format(usage.completion_tokens)} out`;
  return `${count.format(usage.prompt_tokens)} in${out}${thought ? ` (${count.format(thought)} of them thoughts)` : ""}`;
}
