// <lineside-knobs base="/api/usecases/my-case">: what a user may turn, to stand in any page.
//
// Everything lives inside the element: it takes the page's font and colours, loads nothing else,
// and talks to `base` alone. An app puts a path of its own server there, which passes requests on
// and says who the user is; the attribute `user` is for pages of this server.

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: block; color-scheme: light dark; font: inherit; color: inherit; }
  [hidden] { display: none !important; }
  form { display: grid; gap: 1rem; margin: 0; }
  label { display: block; font-weight: 600; }
  p { margin: 0.15rem 0 0; font-size: 0.86em; opacity: 0.8; }
  .row { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-top: 0.35rem; }
  select, button { font: inherit; color: inherit; min-height: 44px; border-radius: 8px;
    border: 1px solid color-mix(in srgb, currentColor 35%, transparent); background: transparent; }
  select { flex: 1 1 10rem; min-width: 0; padding: 0 0.6rem; background: Canvas; color: CanvasText; }
  button { padding: 0 0.9rem; cursor: pointer; }
  select:disabled { opacity: 0.65; }
  :focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
  .said { min-height: 1.4em; }
`);

const words = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
const shown = (value) => (value === true ? "On" : value === false ? "Off" : String(value));

class LinesideKnobs extends HTMLElement {
  #root = this.attachShadow({ mode: "open" });
  #events = null;
  #marker = "";
  #turning = false;

  connectedCallback() {
    this.#root.adoptedStyleSheets = [sheet];
    this.#load();
    document.addEventListener("visibilitychange", this.#seen);
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#seen);
    this.#close();
  }

  #seen = () => (document.hidden ? this.#close() : this.#load());

  #close() {
    this.#events?.close();
    this.#events = null;
  }

  async #ask(path, options = {}) {
    const headers = { "content-type": "application/json" };
    if (this.getAttribute("user")) headers["x-lineside-user"] = this.getAttribute("user");
    const answer = await fetch(`${this.getAttribute("base")}/knobs${path}`, { ...options, headers });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.error?.message ?? `The server answers ${answer.status}`);
    return body;
  }

  async #load() {
    try {
      const now = await this.#ask("");
      if (!this.isConnected) return;
      this.#show(now);
      this.#listen(now);
    } catch (error) {
      this.#say(error.message);
    }
  }

  #listen(now) {
    if (this.#events || document.hidden) return;
    const asked = new URLSearchParams({ since: now.marker });
    if (now.user_digest) asked.set("watch", now.user_digest);
    this.#events = new EventSource(`${this.getAttribute("base")}/ofrep/v1/events?${asked}`);
    this.#events.addEventListener("message", ({ lastEventId }) => {
      // What this window turned itself, it shows already.
      if (!this.#turning && lastEventId !== this.#marker) this.#load();
    });
  }

  #show(now) {
    this.#marker = now.marker;
    const mine = now.knobs.filter((one) => one.knob.who === "user");
    const focused = this.#root.activeElement?.id;
    const form = document.createElement("form");
    form.append(...mine.map((one) => this.#field(one)));
    const said = document.createElement("p");
    said.className = "said";
    said.setAttribute("role", "status");
    said.textContent = mine.length ? "" : "There is nothing to turn here";
    form.append(said);
    this.#root.replaceChildren(form);
    if (focused) this.#root.getElementById(focused)?.focus();
  }

  #field({ knob, value, turned_by, offered }) {
    const field = document.createElement("div");
    const label = document.createElement("label");
    label.htmlFor = knob.name;
    label.textContent = words(knob.name);
    field.append(label);
    if (knob.description) {
      const about = document.createElement("p");
      about.id = `${knob.name}-about`;
      about.textContent = knob.description;
      field.append(about);
    }
    const select = document.createElement("select");
    select.id = knob.name;
    if (knob.description) select.setAttribute("aria-describedby", `${knob.name}-about`);
    offered.forEach((one, at) => select.add(new Option(shown(one), at, false, one === value)));
    select.disabled = offered.length < 2;
    select.addEventListener("change", () => this.#turn(knob.name, offered[select.value]));
    const back = document.createElement("button");
    back.type = "button";
    back.textContent = "Reset";
    back.setAttribute("aria-label", `Reset ${words(knob.name)}`);
    back.hidden = turned_by !== "user";
    back.addEventListener("click", () => this.#turn(knob.name, null));
    const row = document.createElement("div");
    row.className = "row";
    row.append(select, back);
    field.append(row);
    return field;
  }

  async #turn(name, value) {
    this.#turning = true;
    try {
      const path = `/${encodeURIComponent(name)}`;
      const now = await this.#ask(path, { method: "PUT", body: JSON.stringify({ value }) });
      this.#show(now);
      this.#say("Saved");
      const settings = Object.fromEntries(now.knobs.map((one) => [one.knob.name, one.value]));
      this.dispatchEvent(new CustomEvent("knobs", { detail: settings, bubbles: true }));
    } catch (error) {
      await this.#load();
      this.#say(error.message);
    } finally {
      this.#turning = false;
    }
  }

  #say(text) {
    let said = this.#root.querySelector(".said");
    if (!said) {
      said = document.createElement("p");
      said.className = "said";
      said.setAttribute("role", "status");
      this.#root.append(said);
    }
    said.textContent = text;
  }
}

customElements.define("lineside-knobs", LinesideKnobs);
