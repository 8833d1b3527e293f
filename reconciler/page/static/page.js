// Reading works without this file. With it the page follows its fleet, and commands can be copied.
"use strict";

const live = () => document.getElementById("live");
let stream = null;

function say(state, words) {
  const place = live();
  if (place) {
    place.dataset.state = state;
    place.textContent = words;
  }
}

function follow() {
  if (stream || document.hidden) {
    return;
  }
  stream = new EventSource("/events");
  stream.addEventListener("open", () => say("live", "live"));
  stream.addEventListener("error", () => say("lost", "no connection"));
  stream.addEventListener("changed", () => htmx.trigger("#content", "changed"));
}

function leave() {
  // A browser has few connections to one server: a page that is not seen takes none.
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    leave();
  } else {
    htmx.trigger("#content", "changed");
    follow();
  }
});

let opened = [];

document.addEventListener("htmx:beforeSwap", () => {
  opened = [...document.querySelectorAll("details[open][id]")].map((item) => item.id);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const id of opened) {
    document.getElementById(id)?.setAttribute("open", "");
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Only pages of HTTPS and of this machine may write to the clipboard.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  const typing = event.target.closest("input, textarea, [contenteditable]");
  if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.documentElement.classList.add("scripted");
follow();
