// What the pages do beyond HTML: copying, the reader's own time, busy buttons, questions before something is gone.
// Every page works without it.
"use strict";

document.documentElement.classList.remove("no-script");

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = `Here: ${local.format(new Date(time.dateTime))}`;
}

const menu = document.querySelector(".menu-button");
menu?.addEventListener("click", () => {
  const open = menu.closest(".side").classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  const text = from.value ?? from.textContent;
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied");
  } catch {
    getSelection().selectAllChildren(from);
    say(button, "Press Ctrl-C");
  }
});

function say(button, words) {
  const before = button.dataset.words ??= button.textContent;
  button.textContent = words;
  setTimeout(() => { button.textContent = before; }, 1500);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (form.method.toLowerCase() === "post" && event.submitter && !form.dataset.stays) {
    event.submitter.setAttribute("aria-busy", "true");
    setTimeout(() => { event.submitter.disabled = true; });
  }
});

addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
});

for (const select of document.querySelectorAll("select[data-submits]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
