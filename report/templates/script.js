"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const live = document.getElementById("live");
  const system = matchMedia("(prefers-color-scheme: dark)");

  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.setAttribute("aria-pressed", String((theme || (system.matches ? "dark" : "light")) === "dark"));
  };
  const bind = (theme) => {
    show(theme);
    button.hidden = false;
    button.addEventListener("click", () => {
      const next = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
      show(next);
      try { localStorage.setItem("theme", next); } catch { /* then it holds for this page only */ }
    });
    system.addEventListener("change", () => show(root.dataset.theme));
  };
  bind(kept());

  // What is folded would be missing on paper.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.localName === "details") at.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  const every = Number(document.body.dataset.poll);
  if (!every) return;
  let tag = null;

  // An element again in another text of its section: by its id, else as the n-th of those that can have the focus.
  const FOCUSABLE = "a[href], button, summary, [tabindex]";
  const place = (part, element) => element.id
    ? (other) => other.querySelector("#" + CSS.escape(element.id))
    : ((n) => (other) => other.querySelectorAll(FOCUSABLE)[n])([...part.querySelectorAll(FOCUSABLE)].indexOf(element));

  const exchange = (part, next) => {
    const open = new Map([...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    const scrolls = [...part.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    const again = focus && (focus.localName === "summary" && focus.parentElement.id
      ? ((id) => (other) => other.querySelector("#" + CSS.escape(id) + " > summary"))(focus.parentElement.id)
      : place(part, focus));
    part.replaceChildren(...next.childNodes);
    part.dataset.digest = next.dataset.digest;
    open.forEach((was, id) => { const each = part.querySelector("#" + CSS.escape(id)); if (each) each.open = was; });
    part.querySelectorAll(".scroll").forEach((each, n) => { if (scrolls[n]) [each.scrollLeft, each.scrollTop] = scrolls[n]; });
    if (again) again(part)?.focus({ preventScroll: true });
  };

  const anchor = () => {
    const parts = [...document.querySelectorAll("[data-digest]")];
    const top = parts.find((each) => each.getBoundingClientRect().bottom > 0) || parts[0];
    const at = top.getBoundingClientRect().top;
    return () => scrollBy({ top: top.getBoundingClientRect().top - at, behavior: "instant" });
  };

  const update = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    const back = anchor();
    document.title = next.title;
    const top = document.getElementById("top");
    const theme = document.activeElement === button;
    for (const part of next.querySelectorAll("[data-digest]")) {
      const here = document.getElementById(part.id);
      if (!here) { location.reload(); return; }
      if (here === top) {
        part.querySelector("#theme").replaceWith(button);
        here.replaceChildren(...part.childNodes);
        here.dataset.digest = part.dataset.digest;
      } else if (here.dataset.digest !== part.dataset.digest) exchange(here, part);
    }
    if ([...document.querySelectorAll("main > section")].some((each) => !next.getElementById(each.id))) { location.reload(); return; }
    if (theme) button.focus({ preventScroll: true });
    back();
    live.textContent = "Updated: " + document.title;
    live.classList.remove("lost");
  };

  const ask = async () => {
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        const first = tag === null;
        tag = answer.headers.get("ETag");
        const text = await answer.text();
        if (!first || !text.includes(document.getElementById("top").dataset.digest)) update(text);
      }
      if (live.classList.contains("lost")) { live.textContent = "Connected again."; live.classList.remove("lost"); }
    } catch {
      if (!live.classList.contains("lost")) {
        live.textContent = "spanmesh report does not answer any more; this is what it said last.";
        live.classList.add("lost");
      }
    }
    setTimeout(ask, every);
  };
  setTimeout(ask, every);
})();
