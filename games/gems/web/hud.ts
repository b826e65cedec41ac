// Everything around the world: what is told, and what can be pressed.

import type { Status, Weather } from "regionmesh";
import { hueOf } from "./colours.js";
import { EMOTE_NAMES, EMOTES } from "./view.js";

const LOGGED = 40;
const BANNER_MS = 4_500;

export interface Near {
  id: bigint;
  /** What its colour comes from. */
  tint: bigint;
  what: "player" | "gem";
  name: string;
  far: number;
  /** Where it is, radians from east over south. */
  turn: number;
  go: () => void;
}

function get<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page lacks #${id}`);
  return found;
}

const text = (id: string, words: string) => {
  const element = get(id, HTMLElement);
  if (element.textContent !== words) element.textContent = words;
};

export class Hud {
  readonly world = get("world", HTMLCanvasElement);
  readonly map = get("map", HTMLCanvasElement);
  #log = get("log", HTMLElement);
  #banner = get("banner", HTMLElement);
  #bannerTimer = 0;
  #nearRows = new Map<bigint, { row: HTMLLIElement; near: Near }>();
  #worst = 0;

  constructor() {
    this.world.focus({ preventScroll: true });
    this.#weatherPanel();
  }

  playing(): void {
    get("veil", HTMLElement).classList.add("lifted");
  }

  name(name: string): void {
    text("name", name);
    document.title = `${name} · Regionmesh`;
  }

  gems(count: number): void {
    text("gems", String(count));
  }

  attached(proxy: string): void {
    text("proxy", proxy || "–");
    this.transport("WebSocket");
    get("lamp", HTMLElement).className = "good";
  }

  transport(transport: "WebSocket" | "WebTransport"): void {
    text("transport", transport);
  }

  lost(): void {
    text("transport", "reconnecting");
    get("lamp", HTMLElement).className = "bad";
  }

  place(region: number, node: number): void {
    text("server", String(node));
    text("place", `Region ${region}, carried by server ${node}`);
  }

  crossed(crossings: number, region: number, node: number): void {
    text("crossings", String(crossings));
    this.banner(`You crossed a border: region ${region} is on server ${node}.`, "good");
  }

  status(status: Status): void {
    const { roundTripMs, tick, errorUnits } = status;
    text("round-trip", Number.isFinite(roundTripMs) ? `${Math.round(roundTripMs)} ms` : "–");
    text("tick", tick.toLocaleString("en"));
    this.#worst = Math.max(errorUnits, this.#worst * 0.8);
    text("felt", this.#worst.toFixed(1));
  }

  said(who: string, words: string, entity: bigint): void {
    const name = document.createElement("b");
    name.textContent = who;
    name.style.setProperty("--hue", String(Math.round(hueOf(entity))));
    this.#add(name, ` ${words}`);
  }

  did(words: string): void {
    this.#add(words).classList.add("deed");
  }

  #add(...parts: (Node | string)[]): HTMLElement {
    const row = document.createElement("p");
    row.append(...parts);
    this.#log.append(row);
    while (this.#log.childElementCount > LOGGED) this.#log.firstElementChild?.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
    return row;
  }

  banner(words: string, mood: "good" | "bad", why = ""): void {
    clearTimeout(this.#bannerTimer);
    this.#banner.textContent = words;
    this.#banner.title = why;
    this.#banner.className = `banner ${mood}`;
    this.#banner.hidden = false;
    // Bad news stay until there are better ones.
    if (mood === "good") this.#bannerTimer = setTimeout(() => (this.#banner.hidden = true), BANNER_MS);
  }

  over(why: string): void {
    this.lost();
    text("transport", "offline");
    text("over-text", why);
    this.#banner.hidden = true;
    const dialog = get("over", HTMLDialogElement);
    if (!dialog.open) dialog.showModal();
  }

  /** Rows that stay are changed in place, so that a focus on one of them stays too. */
  near(all: Near[]): void {
    const list = get("near-list", HTMLUListElement);
    const seen = new Set(all.map(({ id }) => id));
    for (const [id, { row }] of this.#nearRows) {
      if (seen.has(id)) continue;
      row.remove();
      this.#nearRows.delete(id);
    }
    all.forEach((near, at) => {
      const known = this.#nearRows.get(near.id) ?? { row: this.#nearRow(near.id), near };
      known.near = near;
      this.#nearRows.set(near.id, known);
      describe(known.row, near);
      if (list.children[at] !== known.row && !list.contains(document.activeElement)) list.insertBefore(known.row, list.children[at] ?? null);
      else if (!known.row.isConnected) list.append(known.row);
    });
    get("near-empty", HTMLElement).hidden = all.length > 0;
  }

  #nearRow(id: bigint): HTMLLIElement {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("i"), document.createElement("span"), document.createElement("small"));
    button.addEventListener("click", () => this.#nearRows.get(id)?.near.go());
    row.append(button);
    return row;
  }

  can(collect: boolean, giveTo: string | undefined): void {
    get("collect", HTMLButtonElement).disabled = !collect;
    get("give", HTMLButtonElement).disabled = giveTo === undefined;
    text("give-text", giveTo === undefined ? "Give" : `Give ${giveTo} a gem`);
  }

  beginToSpeak(event: KeyboardEvent): void {
    event.preventDefault();
    get("words", HTMLInputElement).focus();
  }

  onSay(say: (words: string) => void): void {
    get("say", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const input = get("words", HTMLInputElement);
      const words = input.value.trim();
      if (words) say(words);
      input.value = "";
      this.world.focus({ preventScroll: true });
    });
  }

  onEmote(emote: (which: number) => void): void {
    const group = get("emotes", HTMLElement);
    EMOTES.forEach((face, which) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = face;
      button.setAttribute("aria-label", EMOTE_NAMES[which] ?? face);
      button.title = `${EMOTE_NAMES[which]} (${which + 1})`;
      button.addEventListener("click", () => emote(which));
      group.append(button);
    });
  }

  onCollect(collect: () => void): void {
    get("collect", HTMLButtonElement).addEventListener("click", collect);
  }

  onGive(give: () => void): void {
    get("give", HTMLButtonElement).addEventListener("click", give);
  }

  onAgain(again: () => void): void {
    get("again", HTMLButtonElement).addEventListener("click", again);
  }

  /** `account`: opens the dialog about accounts where it is that which names the player, or where it is asked for. */
  onRename(rename: (name: string) => void, account: (isAsked: boolean) => boolean): void {
    const dialog = get("rename-dialog", HTMLDialogElement);
    const input = get("new-name", HTMLInputElement);
    get("account-open", HTMLButtonElement).addEventListener("click", () => {
      dialog.close();
      account(true);
    });
    get("rename", HTMLButtonElement).addEventListener("click", () => {
      if (account(false)) return;
      input.value = get("name", HTMLElement).textContent ?? "";
      dialog.showModal();
      input.select();
    });
    get("rename-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
    get("rename-form", HTMLFormElement).addEventListener("submit", () => rename(input.value.trim()));
  }

  onWeather(set: (weather: Weather) => void): void {
    const names = ["delay", "jitter", "loss"] as const;
    const value = (name: string) => get(name, HTMLInputElement).valueAsNumber;
    const told = () => {
      for (const name of names) text(`${name}-out`, `${value(name)} ${name === "loss" ? "%" : "ms"}`);
      set({ delayMs: value("delay"), jitterMs: value("jitter"), lossPercent: value("loss") });
      const isBad = names.some((name) => value(name) > 0);
      get("weather-open", HTMLElement).classList.toggle("on", isBad);
    };
    for (const name of names) get(name, HTMLInputElement).addEventListener("input", told);
    get("weather-clear", HTMLButtonElement).addEventListener("click", () => {
      for (const name of names) get(name, HTMLInputElement).value = "0";
      told();
    });
  }

  #weatherPanel(): void {
    const button = get("weather-open", HTMLButtonElement);
    const panel = get("weather", HTMLElement);
    const show = (isShown: boolean) => {
      panel.hidden = !isShown;
      button.setAttribute("aria-expanded", String(isShown));
    };
    button.addEventListener("click", () => {
      show(panel.hidden !== false);
      if (!panel.hidden) get("delay", HTMLInputElement).focus();
    });
    panel.addEventListener("keydown", (event) => {
      if (event.code !== "Escape") return;
      event.stopPropagation();
      show(false);
      button.focus();
    });
  }
}

function describe(row: HTMLLIElement, { what, name, far, turn, tint }: Near): void {
  const [icon, label, where] = row.querySelectorAll<HTMLElement>("i, span, small");
  if (!icon || !label || !where) return;
  icon.className = what;
  icon.style.setProperty("--hue", String(Math.round(hueOf(tint))));
  if (label.textContent !== name) label.textContent = name;
  const ways = ["east", "south-east", "south", "south-west", "west", "north-west", "north", "north-east"];
  const words = `${Math.round(far)} ${ways[(Math.round((turn / Math.PI) * 4) + 8) % 8]}`;
  if (where.textContent !== words) where.textContent = words;
}
