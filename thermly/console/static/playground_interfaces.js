// Answers in components: painted child by child as they come, so that a form keeps what was typed into it.

import { read } from "./c1_read.js";
import { render } from "./c1_render.js";
import { Conversation } from "./playground_conversation.js";
import { findAll, h } from "./playground_dom.js";

export function interfaces() {
  return new Conversation({
    path: "v1/embed/chat/completions",
    prefix: "/v1/embed",
    body,
    headers: () => ({}),
    painter: (place, act) => new Painter(place, act),
  });
}

function body(form, messages) {
  const wish = form.elements.system.value.trim();
  return {
    model: form.elements.model.value,
    messages: [...(wish ? [{ role: "system", content: wish }] : []), ...messages],
    stream: true,
    stream_options: { include_usage: true },
  };
}

class Painter {
  constructor(place, act) {
    this.place = h("div", { class: "card made" });
    place.append(this.place);
    this.act = act;
    this.signs = [];
    this.locked = true;
  }

  // A child that is as it was stays the element that it is.
  paint(text, done) {
    const children = read(text, done);
    children.forEach((child, at) => {
      const sign = JSON.stringify(child);
      if (this.signs[at] === sign) return;
      this.signs[at] = sign;
      const node = render(child, { act: this.act });
      if (this.place.children[at]) this.place.children[at].replaceWith(node);
      else this.place.append(node);
    });
    while (this.place.children.length > children.length) this.place.lastElementChild.remove();
    this.signs.length = children.length;
    this.lock(this.locked);
  }

  words() {
    return this.place.textContent;
  }

  lock(is) {
    this.locked = is;
    for (const field of findAll("[data-acts], .made-form :is(input, select, textarea)", this.place)) field.disabled = is;
  }
}
