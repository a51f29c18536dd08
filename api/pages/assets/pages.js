// What pages do beyond HTML: times in the viewer's zone, keys in lists, and rest while a person types.
"use strict";

const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function since(at) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
  return unit === "second" ? (seconds < 0 ? "just now" : "in a moment") : relative.format(Math.trunc(seconds / size), unit);
}

function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = time.classList.contains("ago") ? since(at) : zone.format(at);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  showTimes(document);
  document.querySelector(".places [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  setInterval(() => showTimes(document), 30000);
});
document.addEventListener("htmx:afterSwap", () => showTimes(document));

// A part that updates itself rests while a person is about to send something from it, or looks elsewhere.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.target;
  if (!part.classList.contains("live")) return;
  const typing = part.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), textarea, select, summary");
  const chosen = part.querySelector("input[type=checkbox]:checked, details[open], .row.at");
  if (document.hidden || typing || chosen) event.preventDefault();
});

// A form is sent once, however often its button is pressed; again after a while, or when the person comes back to it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "true";
  setTimeout(() => delete form.dataset.sent, 5000);
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Keys in a list: j and k move, x ticks, Enter opens, a and r decide what is ticked, or else the row.
const rows = () => [...document.querySelectorAll("[data-keys] [data-row]")];

function moveTo(row) {
  for (const one of rows()) one.classList.toggle("at", one === row);
  row.querySelector("[data-open]").focus();
  row.scrollIntoView({ block: "nearest" });
}

function decide(row, outcome) {
  const form = document.getElementById("decide");
  if (!form) return;
  if (!form.querySelector("input[name=ids]:checked")) {
    const tick = row && row.querySelector("input[name=ids]");
    if (!tick) return row && row.querySelector("[data-open]").click();
    tick.checked = true;
  }
  const button = form.querySelector(`button[value=${outcome}]`);
  // The person confirms with Enter on the button, so that one key alone decides nothing.
  if (button) button.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const form = document.querySelector("form[data-decide]");
  const button = form && form.querySelector({ a: "button.good", r: "button.bad" }[event.key] || "nothing");
  if (button) {
    // As in a list: the person confirms with Enter.
    button.focus();
    event.preventDefault();
    return;
  }
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const moves = { j: Math.min(at + 1, all.length - 1), k: Math.max(at - 1, 0) };
  if (event.key in moves) moveTo(all[moves[event.key]]);
  else if (event.key === "x" && at >= 0) all[at].querySelector("input[name=ids]")?.click();
  else if (event.key === "a") decide(all[at], "approved");
  else if (event.key === "r") decide(all[at], "rejected");
  else if (event.key === "Escape") all.forEach((row) => row.classList.remove("at"));
  else return;
  event.preventDefault();
});
