// The same request as curl, Python and JavaScript, to be copied. The key is the reader's own, in THERMLY_KEY.

import { code, find, tabs } from "./playground_dom.js";

// `call`: how the SDK names the method; `python` and `script`: what is done with its answer.
export function showCode({ path, prefix, body, headers = {}, call, python, script }) {
  const base = find("#playground").dataset.base;
  const root = base + prefix;
  const samples = [
    ["curl", curl(base + "/" + path, body, headers)],
    ["Python", inPython(root, body, headers, call, python)],
    ["JavaScript", inScript(root, body, headers, call, script)],
  ];
  find("#samples").replaceChildren(
    tabs("Language", samples.map(([title, text]) => ({ title, content: code(text, `The request in ${title}`) }))));
  find("#code").hidden = false;
}

function curl(address, body, headers) {
  const told = Object.entries(headers).map(([name, value]) => ` \\\n  -H ${quoted(`${name}: ${value}`)}`).join("");
  return `curl${body.stream ? " -N" : ""} ${quoted(address)} \\
  -H "Authorization: Bearer $THERMLY_KEY" -H "Content-Type: application/json"${told} \\
  -d ${quoted(JSON.stringify(body, null, 2))}
`;
}

const quoted = (text) => (/^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function inPython(root, body, headers, call, then) {
  const more = Object.keys(headers).length ? `    extra_headers=${literal(headers, "    ")},\n` : "";
  const told = Object.entries(body).map(([name, value]) => `    ${name}=${literal(value, "    ")},\n`).join("");
  return `import os

from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(root)}, api_key=os.environ["THERMLY_KEY"])
answer = client.${call}(
${told}${more})
${then}
`;
}

// Python reads JSON's strings and numbers as they are; its words differ.
function literal(value, indent) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = indent + "    ";
  const isList = Array.isArray(value);
  const rows = isList
    ? value.map((entry) => literal(entry, inner))
    : Object.entries(value).map(([name, entry]) => `${JSON.stringify(name)}: ${literal(entry, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  const short = open + rows.join(", ") + close;
  return short.length <= 80 && !short.includes("\n")
    ? short : `${open}\n${rows.map((row) => `${inner}${row},\n`).join("")}${indent}${close}`;
}

function inScript(root, body, headers, call, then) {
  const more = Object.keys(headers).length ? `, { headers: ${JSON.stringify(headers)} }` : "";
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${JSON.stringify(root)}, apiKey: process.env.THERMLY_KEY });
const answer = await client.${call}(${JSON.stringify(body, null, 2)}${more});
${then}
`;
}
