// Chat with any model.

import { Conversation } from "./playground_conversation.js";
import { markdown } from "./playground_markdown.js";

export function chat() {
  return new Conversation({
    path: "v1/chat/completions",
    prefix: "/v1",
    body,
    headers: (form) => (form.elements.fresh.checked ? { "x-no-cache": "true" } : {}),
    painter: (place) => ({
      paint: (text) => place.replaceChildren(markdown(text)),
      words: (text) => text,
      lock() {},
    }),
  });
}

function body(form, messages) {
  const { model, system, temperature, max_tokens: most, stream } = form.elements;
  const wish = system.value.trim();
  return {
    model: model.value,
    messages: [...(wish ? [{ role: "system", content: wish }] : []), ...messages],
    ...(temperature.value === "" ? {} : { temperature: Number(temperature.value) }),
    ...(most.value === "" ? {} : { max_tokens: Number(most.value) }),
    ...(stream.checked ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}
