// Forms that answers make: their fields, and what was filled in as words for the next turn.

import { freshId, h } from "./playground_dom.js";

const list = (value) => (Array.isArray(value) ? value : []);
const words = (value) => (value === null || value === undefined || typeof value === "object" ? "" : String(value));
const props = (item) => item?.props ?? item ?? {};
// No password fields: browsers would offer the one of this console, and models would be sent it.
const KINDS = new Map([["email", "email"], ["number", "number"], ["url", "url"]]);
const BOUNDS = { min: "min", max: "max", minLength: "minlength", maxLength: "maxlength" };

// `buttons(props)` draws those; `act(words)` says what was filled in.
export function form({ name, fields, buttons }, drawn, act) {
  const controls = list(fields).map((one) => control(props(one)));
  const element = h("form", { class: "made-form", method: "dialog", "aria-label": words(name) || "Form",
    onsubmit: (event) => {
      event.preventDefault();
      act([said(event.submitter), ...controls.map(({ told }) => told()).filter(Boolean)].join("\n"));
    } },
    controls.map(({ field }) => field), drawn(props(buttons)));
  return element;
}

function said(button) {
  return [button?.textContent || "Send", button?.dataset.context].filter(Boolean).join("\n");
}

function control({ label, input, hint }) {
  const title = words(label) || words(props(input).name);
  const { fields, told, group } = (MAKERS.get(input?.component) ?? line)(props(input));
  const help = hint ? h("p", { class: "hint" }, words(hint)) : null;
  const answer = () => (told() ? `${title}: ${told()}` : "");
  if (group) return { field: h("fieldset", { class: "field" }, h("legend", {}, title), fields, help), told: answer };
  return { field: h("div", { class: "field" }, h("label", { for: fields.id }, title), fields, help), told: answer };
}

function bounds(rules) {
  const found = { required: rules?.required === true };
  for (const [name, attribute] of Object.entries(BOUNDS)) {
    if (Number.isFinite(rules?.[name])) found[attribute] = rules[name];
  }
  return found;
}

function line({ placeholder, type, rules }) {
  const wanted = rules?.email ? "email" : rules?.url ? "url" : rules?.numeric ? "number" : type;
  const input = h("input", { id: freshId("made"), type: KINDS.get(wanted) ?? "text", placeholder: words(placeholder),
    autocomplete: "off", step: "any", ...bounds(rules) });
  return { fields: input, told: () => input.value };
}

function area({ placeholder, rows, rules }) {
  const input = h("textarea", { id: freshId("made"), placeholder: words(placeholder),
    rows: Math.min(20, Math.max(2, Number(rows) || 3)), ...bounds(rules) });
  return { fields: input, told: () => input.value };
}

function select({ items, placeholder, rules }) {
  const options = list(items).map((item) => h("option", { value: words(props(item).value) }, words(props(item).label)));
  const input = h("select", { id: freshId("made"), required: rules?.required === true },
    h("option", { value: "" }, words(placeholder) || "Choose…"), options);
  return { fields: input, told: () => (input.value ? input.selectedOptions[0].textContent : "") };
}

function dates({ mode, rules }) {
  const day = (label) => h("input", { id: freshId("made"), type: "date", required: rules?.required === true, "aria-label": label });
  if (mode !== "range") {
    const input = day(null);
    return { fields: input, told: () => input.value };
  }
  const both = [day("From"), day("To")];
  return { group: true, fields: h("div", { class: "inline" }, both), told: () => both.map((d) => d.value).filter(Boolean).join(" to ") };
}

function boxes({ items }) {
  const made = list(items).map((item) => {
    const { label, description, defaultChecked } = props(item);
    const box = h("input", { type: "checkbox", checked: defaultChecked === true });
    const hint = description ? h("p", { class: "hint" }, words(description)) : null;
    return { box, title: words(label), field: [h("label", { class: "check" }, box, ` ${words(label)}`), hint] };
  });
  return { group: true, fields: made.map(({ field }) => field),
    told: () => made.filter(({ box }) => box.checked).map(({ title }) => title).join(", ") };
}

const MAKERS = new Map([["TextArea", area], ["Select", select], ["DatePicker", dates], ["CheckBoxGroup", boxes]]);
