// The page of a trace without this script: every step is a link. With it, steps open in their place.
"use strict";

const trace = document.querySelector("[data-trace]");
const list = trace.querySelector(".waterfall");
const help = document.querySelector("dialog.help");

const rows = () => [...list.querySelectorAll(".row:not(.gap):not([hidden])")];
const linkOf = (row) => row.querySelector(".row-link");
const current = () => document.activeElement?.closest?.(".waterfall > .row");

async function fragment(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  return template.content;
}

function prepare(root) {
  for (const fold of root.querySelectorAll("[data-fold]")) fold.disabled = false;
  for (const link of root.querySelectorAll(".row-link")) {
    const row = link.closest(".row");
    if (row?.dataset.body) link.setAttribute("aria-expanded", String(Boolean(row.querySelector(".step-body:not([hidden])"))));
  }
  window.offerCopies(root);
}

async function toggleBody(row) {
  let body = row.querySelector(".step-body");
  if (body) {
    body.hidden = !body.hidden;
  } else {
    row.setAttribute("aria-busy", "true");
    row.append(await fragment(row.dataset.body));
    row.removeAttribute("aria-busy");
    body = row.querySelector(".step-body");
    window.offerCopies(body);
  }
  row.classList.toggle("chosen", !body.hidden);
  linkOf(row).setAttribute("aria-expanded", String(!body.hidden));
  if (!body.hidden) history.replaceState(null, "", linkOf(row).getAttribute("href"));
}

function below(row) {
  const found = [];
  const depth = Number(row.dataset.depth);
  for (let next = row.nextElementSibling; next && Number(next.dataset.depth) > depth; next = next.nextElementSibling) found.push(next);
  return found;
}

function fold(row, button, isOpen) {
  button.setAttribute("aria-expanded", String(isOpen));
  button.textContent = isOpen ? "▾" : "▸";
  let closedUnder = Infinity;
  for (const one of below(row)) {
    const depth = Number(one.dataset.depth);
    if (depth <= closedUnder) closedUnder = Infinity;
    one.hidden = !isOpen || depth > closedUnder;
    const inner = one.querySelector("[data-fold]");
    if (inner?.getAttribute("aria-expanded") === "false" && depth < closedUnder) closedUnder = depth;
  }
}

async function showMore(link) {
  const row = link.closest(".row");
  row.setAttribute("aria-busy", "true");
  const more = await fragment(link.dataset.more);
  row.removeAttribute("aria-busy");
  const known = new Set([...list.children].map((one) => one.id).filter(Boolean));
  const fresh = [...more.querySelectorAll(".row")].filter((one) => !known.has(one.id));
  const after = document.createDocumentFragment();
  after.append(...fresh);
  prepare(after);
  const first = fresh.find((one) => linkOf(one));
  if (row.classList.contains("gap")) {
    row.replaceWith(after);
    if (first) linkOf(first).focus();
    return;
  }
  row.after(after);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fold";
  button.dataset.fold = "";
  button.setAttribute("aria-expanded", "true");
  button.setAttribute("aria-label", link.getAttribute("aria-label"));
  button.textContent = "▾";
  link.replaceWith(button);
}

list.addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  const link = event.target.closest(".row-link, [data-more], [data-fold]");
  if (!link) return;
  const row = link.closest(".row");
  event.preventDefault();
  const followed = () => { if (link.href) location.assign(link.href); };
  if (link.matches("[data-fold]")) fold(row, link, link.getAttribute("aria-expanded") !== "true");
  else if (link.matches("[data-more]")) showMore(link).catch(followed);
  else toggleBody(row).catch(followed);
});

// A link to a step that is on the page already only opens it.
trace.addEventListener("click", (event) => {
  const link = event.target.closest("[data-step], .call-node");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const id = (link.getAttribute("href") || "").split("#")[1];
  const row = id && document.getElementById(id);
  if (!row || row.hidden) return;
  event.preventDefault();
  goTo(row);
  if (!row.querySelector(".step-body:not([hidden])")) toggleBody(row).catch(() => location.assign(link.getAttribute("href")));
});

function goTo(row) {
  linkOf(row).focus({ preventScroll: true });
  row.scrollIntoView({ block: "center" });
}

function move(by, matches = () => true) {
  const all = rows();
  const from = all.indexOf(current());
  for (let at = from < 0 ? (by > 0 ? 0 : all.length - 1) : from + by; at >= 0 && at < all.length; at += by) {
    if (matches(all[at])) { goTo(all[at]); return true; }
  }
  return false;
}

function next(kind) {
  const matches = (row) => row.classList.contains(kind);
  if (move(1, matches)) return;
  const first = rows().find(matches);
  if (first) goTo(first);
}

function unfoldOrFold(isOpen) {
  const row = current();
  const button = row?.querySelector("[data-fold]");
  if (button) fold(row, button, isOpen);
  else if (isOpen) row?.querySelector("[data-more]")?.click();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  e: () => next("wrong"),
  c: () => next("on-path"),
  g: () => { const graph = document.getElementById("graph"); graph.scrollIntoView(); graph.querySelector("[tabindex], a")?.focus({ preventScroll: true }); },
  "?": () => help.showModal(),
};
const keysOnStep = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  ArrowRight: () => unfoldOrFold(true),
  ArrowLeft: () => unfoldOrFold(false),
};

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || help.open) return;
  if (event.target.closest("input, textarea, select, pre, audio")) return;
  const act = keys[event.key] ?? (current() ? keysOnStep[event.key] : undefined);
  if (!act) return;
  event.preventDefault();
  act();
});

for (const button of trace.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}
prepare(list);
