// One thing at a time: sending by button and keys, stopping, and what went wrong.

import { find, findAll, h } from "./playground_dom.js";

export class Desk {
  // `work(signal)` does what the form asks for; `onbusy` is told when it begins and ends.
  constructor(work, onbusy = () => {}) {
    this.form = find("#form");
    this.send = find("[data-send]", this.form);
    this.stop = find("[data-stop]", this.form);
    this.onbusy = onbusy;
    this.asking = null;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.isComplete()) this.run(work);
    });
    find("#playground").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.form !== this.form) return;
      event.preventDefault();
      if (!this.asking) this.form.requestSubmit(this.send);
    });
    this.stop.addEventListener("click", () => this.asking?.abort());
    addEventListener("pagehide", () => this.asking?.abort());
    this.busy(false);
  }

  // A field in folded settings cannot say what is wrong with it.
  isComplete() {
    for (const field of this.form.elements) {
      if (field.willValidate && !field.validity.valid) field.closest("details")?.setAttribute("open", "");
    }
    return this.form.reportValidity();
  }

  async run(work) {
    if (this.asking) return;
    this.asking = new AbortController();
    find("#problem").replaceChildren();
    this.busy(true);
    try {
      await work(this.asking.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error);
    } finally {
      this.asking = null;
      this.busy(false);
    }
  }

  busy(is) {
    this.send.disabled = is;
    if (is) this.send.setAttribute("aria-busy", "true");
    else this.send.removeAttribute("aria-busy");
    this.stop.hidden = !is;
    this.onbusy(is);
  }

  fail(error) {
    find("#problem").replaceChildren(h("div", { class: "notice bad" },
      h("p", {}, error.message),
      error.requestId ? h("p", { class: "small" }, "Request ", h("code", {}, error.requestId)) : null));
    find("#problem").scrollIntoView({ block: "nearest" });
  }
}

export function settingsFold() {
  const small = matchMedia("(max-width: 64rem)");
  for (const details of findAll("details.with")) details.open = !small.matches;
}
