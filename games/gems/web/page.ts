// The page of the demo game: joins at once as a guest, and brings view, controls and what is told together.

import { connect, type MeshClient } from "regionmesh";
import { AccountDialog } from "./account.js";
import { Controls, isForText } from "./controls.js";
import { type GameEvent, Kind, parseEvent, parseGem, parseOwn, parsePlayer, PLACE_AT, REACH, refusal } from "./gems.js";
import * as gems from "./gems.js";
import { Hud } from "./hud.js";
import { drawMap } from "./map.js";
import { ReportDialog } from "./report.js";
import { EMOTES, type Spot, View } from "./view.js";

/** Where the name is kept that somebody chose. */
const NAME_KEY = "regionmesh.name";
/** … and the name of the account that plays in this tab. */
const ACCOUNT_KEY = "regionmesh.account";
/** Where the session is kept while its tab is loaded anew … */
const SESSION_KEY = "regionmesh.session";
/** … and which gems the player knows by number. */
const GEMS_KEY = "regionmesh.gems";
const SLOW_MS = 250;

class Page {
  readonly view: View;
  readonly controls: Controls;
  readonly reports: ReportDialog;
  /** Gems that the player holds and knows by number. */
  #gems: bigint[] = [];
  #region: number | undefined;
  #user: bigint | undefined;
  #crossings = 0;
  #wasLost = false;
  #slowAtMs = 0;

  constructor(
    readonly client: MeshClient,
    readonly hud: Hud,
  ) {
    this.view = new View(hud.world, client);
    this.controls = new Controls(this.view, client, (spot) => this.#tapped(spot));
    this.reports = new ReportDialog(
      () => this.#players(),
      (user, why) => this.#command(gems.report(user, why)),
    );
    this.#listen();
    this.#deeds();
    addEventListener("pagehide", () => this.#keepGems());
    const draw = (nowMs: number) => {
      this.controls.steer();
      this.view.draw(nowMs);
      if (nowMs - this.#slowAtMs > SLOW_MS) {
        this.#slowAtMs = nowMs;
        this.#lookAround();
      }
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  #listen(): void {
    const { client, hud } = this;
    client.on("attached", ({ proxy, user }) => {
      hud.attached(proxy);
      // What somebody else holds, who played here before a login, is not this player's.
      if (this.#user !== user) this.#gems = [];
      this.#user = user;
      this.#remember(user);
      if (this.#wasLost) hud.banner(`Back where you were, now by way of ${proxy}.`, "good");
      this.#wasLost = false;
    });
    client.on("transport", (transport) => hud.transport(transport));
    client.on("lost", ({ text }) => {
      this.#wasLost = true;
      hud.lost();
      hud.banner("The connection is gone. Finding another way; you keep your place…", "bad", text);
    });
    client.on("over", ({ text }) => hud.over(text));
    client.on("notice", ({ text }) => hud.banner(text, "bad"));
    client.on("playing", ({ region, node }) => {
      if (this.#region !== undefined && this.#region !== region) {
        this.#crossings += 1;
        hud.crossed(this.#crossings, region, node);
      }
      this.#region = region;
      hud.place(region, node);
      hud.playing();
    });
    client.on("own", ({ bytes }) => {
      const own = parseOwn(bytes);
      if (own) hud.gems(own.gems);
    });
    client.on("seen", ({ id, entity }) => {
      if (id === client.entity) hud.name(parsePlayer(entity.state).name);
    });
    client.on("status", (status) => hud.status(status));
    client.on("event", (bytes) => {
      const event = parseEvent(bytes);
      if (event) this.#happened(event);
    });
  }

  /** The gems of the same player before its tab was loaded anew. */
  #remember(user: bigint): void {
    const kept = sessionStorage.getItem(GEMS_KEY);
    if (kept === null) return;
    sessionStorage.removeItem(GEMS_KEY);
    const [whose, ...gems] = kept.split(" ").map(BigInt);
    if (whose === user) this.#gems = gems;
  }

  #keepGems(): void {
    const { user } = this.client;
    if (user !== undefined) sessionStorage.setItem(GEMS_KEY, [user, ...this.#gems].join(" "));
  }

  #happened(event: GameEvent): void {
    const { hud, view, client } = this;
    const who = (entity: bigint) => (entity === client.entity ? "You" : view.nameOf(entity));
    switch (event.is) {
      case "said":
        view.say(event.entity, event.text);
        hud.said(who(event.entity), event.text, event.entity);
        this.#remembers(event.entity);
        break;
      case "emoted":
        view.emote(event.entity, event.emote);
        hud.did(`${who(event.entity)} ${EMOTES[event.emote] ?? "✨"}`);
        break;
      case "collected":
        this.#gems.push(event.gem);
        hud.did("You picked up a gem.");
        break;
      case "received":
        this.#gems.push(event.gem);
        hud.did("Somebody gave you a gem!");
        break;
      case "given":
        this.#gems = this.#gems.filter((gem) => gem !== event.gem);
        hud.did(`You gave ${this.#nameOfUser(event.to)} a gem.`);
        break;
      case "reported":
        hud.did(gems.outcome(event.outcome));
        break;
      case "refused":
        hud.did(refusal(event.reason, event.until));
        break;
    }
  }

  /** Whoever speaks may be gone when one reports it. */
  #remembers(entity: bigint): void {
    const speaker = this.client.entities.get(entity);
    if (entity === this.client.entity || speaker?.kind !== Kind.player) return;
    const { user, name } = parsePlayer(speaker.state);
    this.reports.heard(user, name);
  }

  /** Everybody else in sight, by user. */
  #players(): Map<bigint, string> {
    const all = [...this.client.entities].filter(([id, { kind }]) => kind === Kind.player && id !== this.client.entity);
    return new Map(all.map(([, { state }]) => parsePlayer(state)).map(({ user, name }) => [user, name]));
  }

  #nameOfUser(user: bigint): string {
    for (const { kind, state } of this.client.entities.values()) {
      if (kind === Kind.player && parsePlayer(state).user === user) return parsePlayer(state).name;
    }
    return "somebody";
  }

  #deeds(): void {
    const { hud } = this;
    hud.onSay((text) => this.#command(gems.say(text)));
    hud.onEmote((which) => this.#command(gems.emote(which)));
    hud.onCollect(() => this.#collectNearest());
    hud.onGive(() => this.#give());
    hud.onWeather((weather) => (this.client.weather = weather));
    addEventListener("keydown", (event) => {
      if (event.code === "Escape" && !isInsideDialog(event.target)) hud.world.focus();
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isForText(event.target)) return;
      // A button that has the focus is pressed by it.
      if (event.code === "Enter" && !(event.target instanceof HTMLButtonElement)) hud.beginToSpeak(event);
      if (event.code === "KeyE") this.#collectNearest();
      if (event.code === "KeyG") this.#give();
      const digit = /^Digit([1-6])$/u.exec(event.code)?.[1];
      if (digit) this.#command(gems.emote(Number(digit) - 1));
    });
  }

  #command(body: Uint8Array, kind: "soft" | "durable" = "soft"): void {
    this.client.command(body, kind).catch((error: Error) => this.hud.did(`Not sent: ${error.message}.`));
  }

  #far(spot: Spot): number {
    const { own } = this.view;
    return own ? Math.hypot(spot.x - own.x, spot.y - own.y) : Infinity;
  }

  #nearest(kind: number): Spot | undefined {
    return this.view.spots
      .filter((spot) => spot.kind === kind)
      .sort((a, b) => this.#far(a) - this.#far(b))
      .find((spot) => this.#far(spot) <= REACH);
  }

  #collect(spot: Spot): void {
    const state = this.client.entities.get(spot.id)?.state;
    const gem = state && parseGem(state);
    if (gem !== undefined) this.#command(gems.collect(gem), "durable");
  }

  #collectNearest(): void {
    const spot = this.#nearest(Kind.gem);
    if (spot) this.#collect(spot);
  }

  #give(to = this.#nearest(Kind.player)): void {
    const [gem] = this.#gems;
    const state = to && this.client.entities.get(to.id)?.state;
    if (gem !== undefined && state) this.#command(gems.give(gem, parsePlayer(state).user), "durable");
  }

  /** Goes there, and picks it up or stands beside it. */
  #tapped(spot: Spot): boolean {
    if (spot.kind === Kind.gem) {
      if (this.#far(spot) <= REACH * 0.9) this.#collect(spot);
      else this.controls.walkTo(spot, () => this.#collect(spot));
      return true;
    }
    return false;
  }

  /** What a gem is drawn by is its number. */
  #tint(spot: Spot): bigint {
    const state = this.client.entities.get(spot.id)?.state;
    return (spot.kind === Kind.gem && state && parseGem(state)) || spot.id;
  }

  #lookAround(): void {
    const { hud, view, client } = this;
    if (client.world && view.own) drawMap(hud.map, client.world, view);
    const near = view.spots
      .filter((spot) => spot.kind !== Kind.creature)
      .map((spot) => ({ spot, far: this.#far(spot) }))
      .sort((a, b) => a.far - b.far)
      .slice(0, 6)
      .map(({ spot, far }) => ({
        id: spot.id,
        tint: this.#tint(spot),
        what: spot.kind === Kind.gem ? ("gem" as const) : ("player" as const),
        name: spot.kind === Kind.gem ? "A gem" : view.nameOf(spot.id),
        far,
        turn: view.own ? Math.atan2(spot.y - view.own.y, spot.x - view.own.x) : 0,
        go: () => (this.#tapped(spot) ? undefined : this.controls.walkTo(spot)),
      }));
    hud.near(near);
    const receiver = this.#nearest(Kind.player);
    hud.can(this.#nearest(Kind.gem) !== undefined, this.#gems.length > 0 && receiver ? view.nameOf(receiver.id) : undefined);
  }
}

const isInsideDialog = (target: EventTarget | null) => target instanceof Element && target.closest("dialog") !== null;

async function begin(): Promise<void> {
  const hud = new Hud();
  hud.onAgain(() => location.reload());
  try {
    const name = sessionStorage.getItem(NAME_KEY) ?? undefined;
    const client = await connect({ placeAt: PLACE_AT, keepAs: SESSION_KEY, ...(name ? { name } : {}) });
    const page = new Page(client, hud);
    // For whoever opens the console.
    Object.assign(globalThis, { mesh: client, page });
    const leave = (name: string | undefined) => {
      if (name === undefined) sessionStorage.removeItem(NAME_KEY);
      else sessionStorage.setItem(NAME_KEY, name);
      sessionStorage.removeItem(ACCOUNT_KEY);
      void client.leave().then(() => location.reload());
    };
    const [whose, ...was] = (sessionStorage.getItem(ACCOUNT_KEY) ?? "").split(" ");
    const told = (name: string, user: bigint) => {
      sessionStorage.setItem(ACCOUNT_KEY, `${user} ${name}`);
      hud.banner(`You are ${name}, and come back as such from any machine.`, "good");
    };
    const accounts = new AccountDialog(client, was.join(" ") || undefined, told, () => leave(undefined), () => {
      sessionStorage.removeItem(ACCOUNT_KEY);
      sessionStorage.removeItem(NAME_KEY);
    });
    client.on("attached", ({ user }) => {
      const known = sessionStorage.getItem(ACCOUNT_KEY)?.split(" ")[0] ?? whose;
      if (accounts.account === undefined || known === String(user)) return;
      sessionStorage.removeItem(ACCOUNT_KEY);
      accounts.isOver();
      hud.banner("Your login has run out: you are a guest until you log in again.", "bad");
    });
    hud.onRename(leave, (isAsked) => {
      if (!isAsked && accounts.account === undefined) return false;
      accounts.open();
      return true;
    });
  } catch (error) {
    hud.over(error instanceof Error ? error.message : String(error));
  }
}

void begin();
