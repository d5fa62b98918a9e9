// What a page does beyond plain HTML: it follows what changes, takes keys, and remembers a theme.
// All of the pages work without it.
"use strict";

const byId = (id) => document.getElementById(id);

// ---- What changes, by server-sent events: elements by their ids ----------------------------------------

const pulse = byId("pulse");
const waiting = new Map(); // what must not be changed now, since the keyboard is in it

function showPulse(state, text) {
  pulse.hidden = false;
  if (pulse.dataset.state === state) return;
  pulse.dataset.state = state;
  pulse.textContent = text;
}

function put(fresh) {
  const old = byId(fresh.id);
  if (!old) return;
  if (old.contains(document.activeElement) && document.activeElement !== document.body) {
    waiting.set(fresh.id, fresh);
    return;
  }
  waiting.delete(fresh.id);
  const word = old.querySelector("h1")?.textContent;
  old.className = fresh.className;
  old.innerHTML = fresh.innerHTML;
  const now = old.querySelector("h1")?.textContent;
  if (now !== word && byId("said")) {
    byId("said").textContent = `${now}: ${old.querySelector(".why")?.textContent ?? ""}`;
    document.title = `${now} · Forefetch`;
  }
}

// The story of a task goes on when its state is another; only then, for a page that asks again and again would
// keep a session alive at which nobody sits.
function tellOn(fresh, before) {
  const story = byId("story");
  if (story?.dataset.task !== fresh.id.replace("state-", "") || before === fresh.querySelector(".chip")?.textContent) return;
  htmx.ajax("GET", location.pathname, { target: "#story", select: "#story", swap: "outerHTML" });
}

// What was told last is not how it is, once nobody tells any more.
function forget() {
  const verdict = byId("verdict");
  if (!verdict) return;
  verdict.className = "verdict warn";
  verdict.querySelector("h1").textContent = "Not known";
  verdict.querySelector(".why").textContent = "Forefetch does not answer. What stands here is how it was last.";
  verdict.querySelector(".notes")?.remove();
  document.title = "Not known · Forefetch";
}

// What ended while nobody listened is asked for once.
function catchUp(told) {
  const ended = (state) => state.querySelector(".chip.move") && !told.querySelector(`[id="${state.id}"]`);
  if (![...document.querySelectorAll(".state")].some(ended)) return;
  const id = ["story", "list"].find(byId);
  if (id) htmx.ajax("GET", location.href, { target: `#${id}`, select: `#${id}`, swap: "outerHTML" });
}

const SILENT = 40; // seconds; a line comes every 15
const AGAIN = 8; // seconds, since a stream ends now and then and begins anew
let source;
let alarm;

function hear(seconds, state, text) {
  showPulse(state, text);
  clearTimeout(alarm);
  alarm = setTimeout(() => {
    forget();
    source.close();
    follow();
    hear(SILENT, "waiting", "Connecting…");
  }, 1000 * seconds);
}

function follow() {
  let first = true;
  source = new EventSource("/live");
  source.onopen = () => {
    first = true;
    hear(SILENT, "live", "Live");
  };
  source.addEventListener("beat", () => hear(SILENT, "live", "Live"));
  source.onmessage = (event) => {
    hear(SILENT, "live", "Live");
    const template = document.createElement("template");
    template.innerHTML = event.data;
    for (const fresh of template.content.querySelectorAll("[id]")) {
      if (fresh.parentNode !== template.content) continue;
      const before = byId(fresh.id)?.querySelector(".chip")?.textContent;
      put(fresh);
      if (fresh.id.startsWith("state-")) tellOn(fresh, before);
    }
    if (!first || !template.content.querySelector("#counts")) return;
    first = false;
    catchUp(template.content);
  };
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) {
      if (pulse.dataset.state !== "waiting") hear(AGAIN, "waiting", "Connecting…");
      return;
    }
    clearTimeout(alarm);
    forget();
    showPulse("ended", "Not live: load again");
  };
}

window.addEventListener("pagehide", () => source?.close());
window.addEventListener("pageshow", (event) => {
  if (event.persisted && source) follow(); // by the back button
});

document.addEventListener("focusout", () => {
  queueMicrotask(() => {
    for (const fresh of [...waiting.values()]) put(fresh);
  });
});

if (document.querySelector("[data-live]")) follow();

// ---- Theme ---------------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const themeButton = byId("theme");

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function nameTheme() {
  themeButton.querySelector(".label").textContent = `Theme: ${theme()}`;
}

themeButton.hidden = false;
nameTheme();
themeButton.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  nameTheme();
});

// ---- Keys ----------------------------------------------------------------------------------------------

const help = byId("keys");
const helpButton = byId("help");
const keysOn = byId("keys-on");
let afterG = 0; // until when a letter after g counts

helpButton.hidden = false;
helpButton.addEventListener("click", () => help.showModal());
keysOn.checked = localStorage.getItem("keys") !== "off";
keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));

function isTyping(target) {
  return target.isContentEditable || /^(textarea|select)$/i.test(target.tagName) ||
    (target.tagName === "INPUT" && !/^(checkbox|radio)$/.test(target.type));
}

document.addEventListener("keydown", (event) => {
  if (!keysOn.checked || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target) || help.open) return;
  if (event.key === "?") {
    event.preventDefault();
    help.showModal();
  } else if (event.key === "/") {
    const first = document.querySelector("[data-first]");
    if (!first) return;
    event.preventDefault();
    first.closest("details")?.setAttribute("open", "");
    first.focus();
    first.select?.();
  } else if (event.key === "g") {
    afterG = Date.now() + 1500;
  } else if (Date.now() < afterG) {
    afterG = 0;
    document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
});

// ---- Marking tasks -------------------------------------------------------------------------------------

function boxes() {
  return [...document.querySelectorAll('td.box input[name="task"]')];
}

function countMarked() {
  const marked = boxes().filter((box) => box.checked).length;
  for (const label of document.querySelectorAll("[data-marked]")) {
    label.textContent = marked ? `With the ${marked} marked:` : "With those marked:";
  }
  document.querySelector(".actions:not(.bare)")?.classList.toggle("idle", !marked);
  const all = document.querySelector("[data-all]");
  if (!all) return;
  all.hidden = false;
  all.checked = marked > 0 && marked === boxes().length;
  all.indeterminate = marked > 0 && !all.checked;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.matches("td.box input")) countMarked();
});
document.addEventListener("htmx:afterSettle", countMarked);
countMarked();

// ---- What goes wrong with a request of htmx is told above what was there --------------------------------

function complain(content) {
  document.querySelector("[data-complaint]")?.remove();
  const note = document.createElement("div");
  note.dataset.complaint = "";
  note.setAttribute("role", "alert");
  note.append(content);
  byId("main").prepend(note);
  note.scrollIntoView({ block: "nearest" });
}

function asNote(text) {
  const note = document.createElement("p");
  note.className = "note bad";
  note.textContent = text;
  return note;
}

// A page, or a problem as programs are told of it.
function sentenceOf(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return new DOMParser().parseFromString(text, "text/html").querySelector("main .why")?.textContent ?? text;
  }
}

document.addEventListener("htmx:responseError", (event) => {
  const { responseText, status } = event.detail.xhr;
  complain(asNote(sentenceOf(responseText) || `Forefetch answers ${status}.`));
});
document.addEventListener("htmx:sendError", () => complain(asNote("Forefetch does not answer: does it run?")));
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status < 400) document.querySelector("[data-complaint]")?.remove();
});

// ---- On a phone a filter that filters nothing makes room -----------------------------------------------

for (const fold of document.querySelectorAll("[data-fold]")) {
  if (matchMedia("(max-width: 48rem)").matches && !location.search) fold.open = false;
}

// ---- A filter as an address: what is empty is left out -------------------------------------------------

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") return;
  for (const name of [...event.detail.formData.keys()]) {
    if (event.detail.formData.getAll(name).every((value) => value === "")) event.detail.formData.delete(name);
  }
});
