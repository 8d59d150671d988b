// Asks once a second for what arrived; without this script the page loads itself anew now and then.
"use strict";

(() => {
  const EVERY_MS = 1000;
  const WAIT_MS_MAX = 10000;
  const ANSWER_MS_MAX = 15000;
  const ROWS_MAX = 200;
  const FRESH_MS = 2500;
  const SEEN_MAX = 10000;

  const live = document.querySelector("[data-live]");
  if (!live) return;
  const body = live.querySelector("[data-rows]");
  const state = live.querySelector("[data-state]");
  const pause = live.querySelector("[data-pause]");
  const none = live.querySelector("[data-none]");
  const behind = live.querySelector("[data-behind]");
  let cursor = live.dataset.cursor;
  let isPaused = false;
  let wait = EVERY_MS;
  let timer = 0;
  let isAsking = false;

  const say = (words, tone) => {
    if (state.textContent === words) return;
    state.textContent = words;
    state.className = `word ${tone}`;
  };
  const clock = (root) => {
    for (const time of root.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleTimeString();
  };

  // One that goes on is shown in its place, as it is now; one that is new comes on top. Of those
  // that fell off the end, the ids are kept in mind, so that none of them looks new again.
  const seen = new Set([...body.children].map((row) => row.dataset.trace));
  function show(fresh) {
    const known = new Map([...body.children].map((row) => [row.dataset.trace, row]));
    for (const row of fresh.reverse()) {
      const before = known.get(row.dataset.trace);
      if (before) {
        if (!before.contains(document.activeElement)) before.replaceWith(row);
        continue;
      }
      if (!seen.has(row.dataset.trace)) {
        row.classList.add("fresh");
        setTimeout(() => row.classList.remove("fresh"), FRESH_MS);
      }
      seen.add(row.dataset.trace);
      body.prepend(row);
    }
    for (const old of seen) {
      if (seen.size <= SEEN_MAX) break;
      seen.delete(old);
    }
    while (body.children.length > ROWS_MAX) body.lastElementChild.remove();
    none.hidden = body.children.length > 0;
  }

  async function look() {
    if (isAsking) return;
    isAsking = true;
    try {
      const address = new URL(live.dataset.live, location.href);
      address.searchParams.set("after", cursor);
      const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("tbody");
      cursor = found.dataset.cursor;
      clock(found);
      show([...found.children]);
      behind.hidden = !("isBehind" in found.dataset);
      wait = EVERY_MS;
      if (!isPaused) say("Live", "ship");
    } catch {
      // The cursor stays, so that nothing is missed once the server is back.
      wait = Math.min(wait * 2, WAIT_MS_MAX);
      if (!isPaused) say("Not connected, trying again", "hold");
    } finally {
      isAsking = false;
      plan();
    }
  }

  function plan() {
    clearTimeout(timer);
    if (!isPaused && !document.hidden) timer = setTimeout(look, wait);
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    say(isPaused ? "Paused" : "Live", isPaused ? "more" : "ship");
    if (isPaused) clearTimeout(timer); else look();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !isPaused) look(); });
  clock(body);
  say("Live", "ship");
  look();
})();
