// Rating by keys. The page works without this: radios, Tab, arrows and Enter are the browser's own.
"use strict";

const rate = document.querySelector("form[data-rate]");

if (rate) {
  const asked = [...rate.querySelectorAll("fieldset.asked")];
  const radios = (field) => [...field.querySelectorAll("input[type=radio]")];
  const isOpen = (field) => radios(field).length > 0 && !radios(field).some((one) => one.checked);
  const send = () => rate.requestSubmit(rate.querySelector("button.main"));
  let sent = false;
  rate.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => { sent = false; });

  const current = () => {
    const focused = document.activeElement?.closest?.("fieldset.asked");
    if (focused && radios(focused).length) return focused;
    return asked.find(isOpen) ?? asked.find((field) => radios(field).length);
  };
  const choose = (place) => {
    const field = current();
    const radio = field && radios(field)[place];
    if (!radio) return;
    radio.checked = true;
    if ("single" in rate.dataset) {
      send();
      return;
    }
    const next = asked.slice(asked.indexOf(field) + 1).find(isOpen);
    (next ? radios(next)[0] : radio).focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inText = event.target.matches?.("textarea:not([hidden]), input[type=text]");
    if (event.key === "Enter" && !inText && !event.target.closest?.("a, button")) {
      event.preventDefault();
      send();
    } else if (inText) {
      return;
    } else if (/^[1-9]$/.test(event.key)) {
      event.preventDefault();
      choose(Number(event.key) - 1);
    } else if (event.key === "p" || event.key === "P") {
      rate.requestSubmit(rate.querySelector("[data-pass]"));
    } else if (event.key === "b" || event.key === "B") {
      document.querySelector("[data-back]")?.click();
    }
  });
  if ("single" in rate.dataset && matchMedia("(hover: none)").matches) {
    for (const one of rate.querySelectorAll("input[type=radio]")) one.addEventListener("click", send);
  }

  // Passages: every word is a button. Two words, first and last, make a passage; one marked word
  // takes its passage away again.
  const text = rate.querySelector("[data-text]").textContent.replace(/^\n/, "");
  // Places are counted in whole characters, as the server counts them, and not in UTF-16 halves.
  const places = (index) => [...text.slice(0, index)].length;
  for (const marker of rate.querySelectorAll("[data-marker]")) {
    const area = marker.parentElement.querySelector("textarea");
    const options = JSON.parse(marker.dataset.options);
    let label = options[0] ?? null;
    let spans = [];
    let from = null;
    const words = [...text.matchAll(/\S+/g)].map((found) => {
      const word = document.createElement("button");
      word.type = "button";
      word.className = "marker-word";
      word.textContent = found[0];
      word.dataset.start = places(found.index);
      word.dataset.end = places(found.index + found[0].length);
      return word;
    });
    const start = (word) => Number(word.dataset.start);
    const end = (word) => Number(word.dataset.end);
    const covering = (word) => spans.find((span) => span.start < end(word) && start(word) < span.end);
    const show = () => {
      area.value = JSON.stringify(spans);
      for (const word of words) {
        const span = covering(word);
        word.setAttribute("aria-pressed", String(Boolean(span)));
        word.title = span?.label ?? "";
        word.classList.toggle("marker-from", word === from);
      }
    };
    const mark = (word) => {
      const before = covering(word);
      if (before) {
        spans = spans.filter((span) => span !== before);
        from = null;
      } else if (from === null) {
        from = word;
      } else {
        const [first, last] = start(from) <= start(word) ? [from, word] : [word, from];
        spans = spans.filter((span) => span.end <= start(first) || end(last) <= span.start);
        spans.push({ start: start(first), end: end(last), label });
        from = null;
      }
      show();
    };
    for (const [at, word] of words.entries()) {
      word.tabIndex = at === 0 ? 0 : -1;
      word.addEventListener("click", () => mark(word));
      word.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
        if (step) {
          event.preventDefault();
          const next = words[Math.min(Math.max(at + step, 0), words.length - 1)];
          word.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
        } else if (event.key === "Enter") {
          event.preventDefault();
          event.stopPropagation();
          send();
        }
      });
      marker.append(word, " ");
    }
    if (options.length > 1) {
      const choice = document.createElement("div");
      choice.className = "marker-labels";
      for (const option of options) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = option;
        button.setAttribute("aria-pressed", String(option === label));
        button.addEventListener("click", () => {
          label = option;
          for (const other of choice.children) other.setAttribute("aria-pressed", String(other === button));
        });
        choice.append(button);
      }
      marker.before(choice);
    }
    const before = area.value.split("\n").filter(Boolean);
    for (const line of before) {
      const found = /^\[([^\]]+)\]\s*(.+)$/.exec(line);
      const passage = found && options.includes(found[1]) ? found[2] : line;
      const at = text.indexOf(passage);
      if (at >= 0) spans.push({ start: places(at), end: places(at + passage.length), label: found?.[1] ?? label });
    }
    marker.hidden = false;
    marker.parentElement.querySelector(".plain-passages").hidden = true;
    show();
  }
}
