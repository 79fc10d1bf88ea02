// Chat and generated interfaces: turns, the answer as it is written, and what is known of it in the end.

import { ask, chunks, idOf } from "./playground_api.js";
import { showCode } from "./playground_code.js";
import { announce, find, findAll, h } from "./playground_dom.js";
import { facts } from "./playground_facts.js";
import { Desk, settingsFold } from "./playground_run.js";

const PAINT_EVERY_MS = 60;
const NEAR_THE_END_PX = 120;
const PYTHON_STREAM = `for chunk in answer:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`;
const SCRIPT_STREAM = `for await (const chunk of answer) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`;
const WHOLE = ["print(answer.choices[0].message.content)", "console.log(answer.choices[0].message.content);"];

// `kind`: {path, prefix, body(form, messages), headers(form), painter(place, say)}; a painter is
// {paint(text, done), words(text), lock(is)}.
export class Conversation {
  constructor(kind) {
    this.kind = kind;
    this.messages = [];
    this.painters = [];
    this.form = find("#form");
    this.text = find("#text");
    this.list = find("#turns");
    this.anew = find("[data-new]");
    this.desk = new Desk((signal) => this.typed(signal), (is) => this.busy(is));
    this.anew.addEventListener("click", () => this.begin());
    for (const button of findAll("[data-example]")) {
      button.addEventListener("click", () => { this.text.value = button.dataset.example; this.text.focus(); });
    }
    settingsFold();
    this.text.focus({ preventScroll: true });
  }

  begin() {
    this.messages = [];
    this.painters = [];
    this.list.replaceChildren();
    find("#problem").replaceChildren();
    find("#code").hidden = true;
    this.busy(false);
    this.text.focus();
  }

  busy(is) {
    const begun = this.list.children.length > 0;
    find("#empty").hidden = begun;
    this.anew.hidden = is || !begun;
    this.painters.forEach((painter, at) => painter.lock(is || at < this.painters.length - 1));
  }

  async typed(signal) {
    const words = this.text.value;
    this.text.value = "";
    this.text.focus();
    try {
      await this.say(words, signal);
    } finally {
      if (this.isTakenBack && !this.text.value) this.text.value = words;
    }
  }

  // What a button or a form of an answer says next.
  act(words) {
    this.desk.run(async (signal) => {
      this.list.lastElementChild.focus();
      await this.say(words, signal);
    });
  }

  async say(words, signal) {
    const asked = h("li", { class: "turn mine" }, h("h2", {}, "You"), h("p", { class: "said" }, words));
    const place = h("div", { class: "answer" });
    const answered = h("li", { class: "turn", tabindex: "-1", "aria-busy": "true" }, h("h2", {}, "Answer"), place);
    this.list.append(asked, answered);
    this.busy(true);
    const run = new Run(this.kind, find("#model").value, place, (next) => this.act(next));
    this.painters.push(run.painter);
    this.messages.push({ role: "user", content: words });
    if (!answered.contains(document.activeElement) && document.activeElement !== this.text) answered.focus();
    this.follow(true);
    try {
      const body = this.kind.body(this.form, this.messages);
      const headers = this.kind.headers(this.form);
      const { path, prefix } = this.kind;
      const [python, script] = body.stream ? [PYTHON_STREAM, SCRIPT_STREAM] : WHOLE;
      showCode({ path, prefix, body, headers, call: "chat.completions.create", python, script });
      await run.read(await ask(path, body, { signal, headers }), body.stream, () => this.follow());
    } finally {
      this.end(run, asked, answered);
    }
  }

  // An answer that was stopped or broke off is kept as far as it came; a question without any is taken back.
  end(run, asked, answered) {
    answered.removeAttribute("aria-busy");
    this.isTakenBack = !(run.text || run.thoughts || run.ended);
    if (run.text) this.messages.push({ role: "assistant", content: run.text });
    else this.messages.pop();
    if (this.isTakenBack) {
      this.painters.pop();
      asked.remove();
      answered.remove();
    } else {
      run.finish();
    }
    this.follow();
  }

  // Keeps the end in sight for whoever is there, and leaves those alone who have scrolled away.
  follow(always = false) {
    const below = this.form.getBoundingClientRect().bottom - innerHeight;
    if (always || (below > 0 && below < NEAR_THE_END_PX)) this.form.scrollIntoView({ block: "end" });
  }
}

// One answer on its way.
class Run {
  constructor(kind, model, place, act) {
    this.place = place;
    this.body = h("div", { class: "body" });
    this.painter = kind.painter(this.body, act);
    this.text = this.thoughts = "";
    this.told = { model: null };
    this.began = performance.now();
    this.ended = false;
    this.waiting = h("p", { class: "muted waiting" }, `${model} …`);
    place.append(this.waiting, this.body);
  }

  async read(response, isStream, onpaint) {
    this.id = idOf(response);
    this.isStream = isStream;
    this.onpaint = onpaint;
    if (isStream) {
      for await (const chunk of chunks(response)) this.take(chunk, chunk.choices[0]?.delta ?? {});
    } else {
      const reply = await response.json();
      this.take(reply, reply.choices[0].message);
    }
    this.ended = true;
  }

  take(chunk, delta) {
    const { usage, x_thermostat: thermostat, choices: [choice] } = chunk;
    if (usage) this.told.usage = usage;
    if (thermostat) {
      Object.assign(this.told, { model: thermostat.actual_model, level: thermostat.complexity_level, cached: thermostat.cached });
    }
    if (choice?.finish_reason) this.told.reason = choice.finish_reason;
    const said = delta.content || delta.refusal || "";
    if (!said && !delta.reasoning_content) return;
    if (this.isStream) this.told.firstMs ??= performance.now() - this.began;
    this.waiting.remove();
    if (delta.reasoning_content) this.think(delta.reasoning_content);
    this.text += said;
    this.later ??= setTimeout(() => this.paint(false), PAINT_EVERY_MS);
  }

  think(text) {
    this.thoughts += text;
    if (!this.thinking) {
      this.thinking = h("pre", { class: "thoughts" });
      this.body.before(h("details", { class: "more" }, h("summary", {}, "Thoughts"), this.thinking));
    }
    this.thinking.append(text);
  }

  paint(done) {
    clearTimeout(this.later);
    this.later = null;
    this.painter.paint(this.text, done);
    this.onpaint?.();
  }

  finish() {
    this.waiting.remove();
    this.paint(true);
    if (!this.ended) this.place.append(h("p", { class: "small muted" }, "The answer is not complete."));
    if (this.ended && !this.text) this.body.append(h("p", { class: "muted" }, "The answer is empty."));
    this.told.wholeMs = performance.now() - this.began;
    this.place.append(facts(this.told, this.id));
    announce(`Answer: ${this.painter.words(this.text)}`);
  }
}
