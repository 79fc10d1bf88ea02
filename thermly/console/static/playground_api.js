// Asks the API through the console, which adds the key; reads its streams; says in words what went wrong.

import { find } from "./playground_dom.js";

const page = () => find("#playground").dataset;
const token = () => find("meta[name=csrf-token]").content;
const WAITS_MS = [150, 300, 600, 1200, 2400];

export class Refused extends Error {
  constructor(message, requestId = null, status = 0) {
    super(message);
    this.requestId = requestId;
    this.status = status;
  }
}

// `headers` are those that the API knows besides its own.
export async function ask(path, body, { signal, headers = {} }) {
  let response;
  try {
    response = await fetch(page().api + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token(), "X-Requested-With": "fetch", ...headers },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused("The server cannot be reached. Is it running?");
  }
  if (response.ok) return response;
  throw new Refused(await message(response), idOf(response), response.status);
}

async function message(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered ${response.status} without saying why.`;
  }
}

export const idOf = (response) => response.headers.get("x-request-id");

// The chunks of a stream; ends well only with its last word.
export async function* chunks(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const id = idOf(response);
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await read(reader, id);
      if (done) throw new Refused("The connection ended before the answer did.", id);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        if (!block.startsWith("data: ")) continue;
        if (block === "data: [DONE]") return;
        const event = JSON.parse(block.slice(6));
        if (event.error) throw new Refused(event.error.message, id);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader, id) {
  try {
    return await reader.read();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused("The connection broke off.", id);
  }
}

// What the books say of a request; they are written just after its end. Null where they say nothing.
export async function booked(requestId) {
  const address = page().runs + encodeURIComponent(requestId.replace(/^req_/, ""));
  for (const wait of WAITS_MS) {
    await new Promise((go) => setTimeout(go, wait));
    const response = await fetch(address, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
    if (response?.status === 200) return response.json();
    if (response?.status !== 202) return null;
  }
  return null;
}
