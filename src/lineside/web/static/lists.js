// Keys on the lists of traces, and older rows on demand. Without this script every row is a link and
// "Older traces" leads to the next page.
"use strict";

(() => {
  const ROWS_MAX = 2000;
  const CHORD_MS = 1500;
  const help = document.querySelector("dialog.help");
  const list = document.querySelector("[data-list]");
  const rows = () => [...(list?.querySelectorAll("tbody > tr") ?? [])];
  const linkOf = (row) => row.querySelector("[data-open]");
  const current = () => rows().findIndex((row) => row.contains(document.activeElement));
  let chordAt = 0;
  let isLoading = false;

  function goTo(row) {
    linkOf(row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  async function older() {
    const link = document.querySelector("[data-older] a[rel=next]");
    if (!link || isLoading) return false;
    if (rows().length >= ROWS_MAX) { location.assign(link.href); return false; }
    isLoading = true;
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(String(answer.status));
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const known = new Set(rows().map((row) => row.dataset.trace));
      const fresh = [...next.querySelectorAll("[data-rows] > tr")].filter((row) => !known.has(row.dataset.trace));
      list.tBodies[0].append(...fresh);
      const further = next.querySelector("[data-older] a[rel=next]");
      if (further) link.href = further.getAttribute("href"); else link.closest("[data-older]").remove();
      return fresh.length > 0;
    } catch {
      location.assign(link.href);
      return false;
    } finally {
      isLoading = false;
      list.removeAttribute("aria-busy");
    }
  }

  async function move(by) {
    const at = current();
    const all = rows();
    const target = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
    if (all[target]) goTo(all[target]);
    else if (target === all.length && await older()) goTo(rows()[target]);
  }

  const go = { t: "/traces", c: "/traces/charts", l: "/traces/live", e: "/runs", s: "/releases", h: "/" };
  const focusOn = (selector) => { const field = document.querySelector(selector); field?.focus(); field?.select?.(); };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    "/": () => focusOn("[data-search]"),
    q: () => focusOn(".trace-filter input[name=q]"),
    o: () => older(),
    p: () => document.querySelector("[data-pause]")?.click(),
    g: () => { chordAt = performance.now(); },
    "?": () => help?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || help?.open) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const isChord = performance.now() - chordAt < CHORD_MS && chordAt > 0;
    if (isChord && go[event.key]) {
      event.preventDefault();
      location.assign(go[event.key]);
      return;
    }
    chordAt = 0;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  for (const button of document.querySelectorAll("[data-help]")) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
  for (const words of document.querySelectorAll("[data-script]")) words.hidden = false;

  // Older rows come as one gets near the end of the list.
  const end = document.querySelector("[data-older]");
  if (end && "IntersectionObserver" in window) {
    let isFirst = true;
    new IntersectionObserver((seen) => {
      // What can be seen before anybody scrolled is not asked for.
      if (!isFirst && seen.some((one) => one.isIntersecting)) older();
      isFirst = false;
    }, { rootMargin: "300px" }).observe(end);
  }

  // The address holds only what was asked.
  for (const form of document.querySelectorAll(".trace-filter")) {
    form.addEventListener("submit", () => {
      const boxes = [...form.querySelectorAll("input[name=col]")];
      const isUsual = boxes.every((box) => box.checked === box.hasAttribute("data-usual"));
      const spare = [...form.elements].filter((field) => field.name && (field.name === "col" ? isUsual : !field.value));
      for (const field of spare) field.disabled = true;
      setTimeout(() => { for (const field of spare) field.disabled = false; }, 0);
    });
  }
})();
