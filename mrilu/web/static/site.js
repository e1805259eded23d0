// Keys, the monospace switch, and pages that renew themselves. Without it all is there as plain links.
"use strict";
const kept = {
  get: name => { try { return localStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* private mode */ } },
};
const root = document.documentElement;

const button = (name, act) => {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: name });
  made.addEventListener("click", act);
  return made;
};

for (const place of document.querySelectorAll("[data-mono]")) {
  const show = () => { root.classList.toggle("mono", kept.get("mono") === "1"); made.setAttribute("aria-pressed", kept.get("mono") === "1"); };
  const made = button("Monospace", () => { kept.set("mono", kept.get("mono") === "1" ? "0" : "1"); show(); });
  place.append(made);
  show();
}

// Single keys can be switched off (WCAG 2.1.4).
const off = () => kept.get("keys") === "off";
const keyLine = document.createElement("p");
keyLine.className = "meta keys";
keyLine.innerHTML = "Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous message, <kbd>n</kbd> <kbd>p</kbd> next and previous page, <kbd>/</kbd> search, <kbd>?</kbd> this line. ";
const switched = () => off() ? "Switch keys on" : "Switch keys off";
const turn = button(switched(), () => { kept.set("keys", off() ? "on" : "off"); turn.textContent = switched(); });
keyLine.append(turn);
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
  "?": () => { keyLine.scrollIntoView(); turn.focus(); },
};
document.addEventListener("keydown", event => {
  if (off() || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

// What is delivered is on an open page within a second: the page is asked for by its ETag while it is looked at.
const live = document.querySelector("[data-live]");
if (live && !location.search.includes("before=") && !location.search.includes("after=")) {
  const named = one => one.id || one.textContent;
  const marked = one => [one.localName, one.id, one.getAttribute("href"), one.getAttribute("aria-label"), one.parentElement.id || one.textContent].join(" ");
  const renew = page => {  // what a reader has unfolded, or stands on, stays so
    const here = live.contains(document.activeElement) ? marked(document.activeElement) : "";
    const open = new Map([...live.querySelectorAll("details")].map(one => [named(one), one.open]));
    live.replaceChildren(...page.childNodes);
    for (const one of live.querySelectorAll("details")) one.open = open.get(named(one)) ?? one.open;
    const there = here && [...live.querySelectorAll("a, button, summary, [tabindex]")].find(one => marked(one) === here);
    if (there) there.focus({ preventScroll: true });
  };
  const reads = () => live.contains(getSelection().anchorNode) && !getSelection().isCollapsed;
  let tag = null, pause = 900, quiet = 0;
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname + location.search, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        pause = answer.status === 503 || answer.status === 429 ? 30000 : 900 * (1 + Math.min(9, Math.floor(++quiet / 2000)));
        if (answer.status === 200 || answer.status === 503) {  // an error that has a live part tells what is down
          const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
          const differs = page && page.textContent !== live.textContent;
          if (!differs || !reads()) tag = answer.headers.get("ETag");
          if (differs && !reads()) { renew(page); quiet = 0; }
        }
      } catch { pause = 10000; }
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

// The threads nearest in meaning, at the end of a thread; without this a link leads to them. The footer is empty until
// they are there: nothing that is seen is pushed down.
const similar = document.querySelector("a[data-similar]");
const asked = !similar ? Promise.resolve() : fetch(similar.href).then(answer => answer.ok ? answer.text() : "").then(text => {
  const found = new DOMParser().parseFromString(text, "text/html").querySelector("[data-asked]");
  if (found) { found.firstElementChild.outerHTML = "<h2>Asked before?</h2>"; similar.parentNode.after(found); similar.remove(); }
}).catch(() => {});
asked.then(() => document.querySelector("footer.site").append(keyLine));

// Where there is room for all parts of a page they are seen, and said to be open.
if (matchMedia("(min-width: 34.01rem)").matches) for (const one of document.querySelectorAll("details.part")) one.open = true;
