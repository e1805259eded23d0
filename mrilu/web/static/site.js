// Keys, the monospace switch, and pages that renew themselves. Without it all is there as plain links.
"use strict";
const kept = {
  get: name => { try { return localStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* private mode */ } },
};
const root = document.documentElement;

for (const button of document.querySelectorAll("[data-mono]")) {
  button.hidden = false;
  const show = () => { root.classList.toggle("mono", kept.get("mono") === "1"); button.setAttribute("aria-pressed", kept.get("mono") === "1"); };
  button.addEventListener("click", () => { kept.set("mono", kept.get("mono") === "1" ? "0" : "1"); show(); });
  show();
}

// Single keys can be switched off (WCAG 2.1.4).
const off = () => kept.get("keys") === "off";
for (const button of document.querySelectorAll("[data-keys]")) {
  button.hidden = false;
  const show = () => { button.textContent = off() ? "Switch keys on" : "Switch keys off"; };
  button.addEventListener("click", () => { kept.set("keys", off() ? "on" : "off"); show(); });
  show();
}
const step = by => {
  const items = [...document.querySelectorAll("[data-item]")];
  const here = items.findIndex(one => one.contains(document.activeElement));
  const next = items[Math.min(items.length - 1, Math.max(0, here + by))];
  const target = next && (next.querySelector("a") || next);
  if (target === next) next.tabIndex = -1;  // a withheld message has no link
  if (target) { target.focus({ preventScroll: true }); next.scrollIntoView({ block: "start" }); }
};
const follow = rel => { const link = document.querySelector(`.pages a[rel=${rel}]`); if (link) link.click(); };
const keys = {
  j: () => step(1), k: () => step(-1), n: () => follow("next"), p: () => follow("prev"),
  "/": () => document.querySelector("input[type=search]").focus(),
  "?": () => document.querySelector(".keys").scrollIntoView(),
};
document.addEventListener("keydown", event => {
  if (off() || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

// What is delivered is on an open page within a second: the page is asked for by its ETag while it is looked at.
const live = document.querySelector("[data-live]");
if (live && !location.search.includes("before=") && !location.search.includes("after=")) {
  const renew = page => {  // what a reader has unfolded stays so
    const unfolded = [...live.querySelectorAll("details[open]")].map(one => one.textContent);
    live.replaceChildren(...page.childNodes);
    for (const one of live.querySelectorAll("details")) one.open = unfolded.includes(one.textContent);
  };
  let tag = null, pause = 900, quiet = 0;
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname + location.search, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        pause = answer.status === 503 || answer.status === 429 ? 30000 : 900 * (1 + Math.min(9, Math.floor(++quiet / 300)));
        if (answer.status === 200 || answer.status === 503) {  // an error that has a live part tells what is down
          const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
          if (page && page.textContent !== live.textContent && !live.contains(document.activeElement)) { renew(page); quiet = 0; }
          tag = answer.headers.get("ETag");
        }
      } catch { pause = 10000; }
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

// The threads nearest in meaning, at the end of a thread; without this a link leads to them.
const similar = document.querySelector("a[data-similar]");
if (similar) fetch(similar.href).then(answer => answer.ok ? answer.text() : "").then(text => {
  const found = new DOMParser().parseFromString(text, "text/html").querySelector("[data-asked]");
  if (found) { found.firstElementChild.outerHTML = "<h2>Asked before?</h2>"; similar.parentNode.after(found); similar.remove(); }
}).catch(() => {});
