// The world as it was told, and what has changed since it was told before: who is gone or back, who has walked over which border.

import type { Now, ProxyNow, RegionNow, RegionState, ServerNow, World } from "./feed.js";
import { hueAt } from "./colours.js";

/** Seconds that figures go back. */
export const PAST_S = 300;

/** One figure, second by second. */
export class Past {
  readonly values: (number | undefined)[] = [];

  push(value: number | undefined): void {
    this.values.push(value);
    if (this.values.length > PAST_S) this.values.shift();
  }
}

export interface Region {
  number: number;
  name: string;
  /** West, north, east, south. */
  rect: [number, number, number, number];
  server: number;
  state: RegionState;
  epoch: string;
  tick: number;
  tickUs: [number, number];
  players: number;
  crossed: Map<number, number>;
  /** Since the last second was noted. */
  crossings: number;
  past: { players: Past; tick: Past; crossings: Past };
}

export interface Node {
  kind: "server" | "proxy";
  number: number;
  name: string;
  hue: number;
  isUp: boolean;
  isDraining: boolean;
  players: number;
  cpuPermille: number;
  tickUs: [number, number];
  roundTripUs: number | null;
  /** When it last came or went, for what is drawn of that. */
  changedAt: number;
  past: { players: Past; cpu: Past; tick: Past; roundTrip: Past };
}

export type Chosen = { kind: "region" | "server" | "proxy"; number: number };

/** Something to be told. */
export interface News {
  what: string;
  mood: "good" | "bad" | "plain";
  at: Date;
}

/** So many have walked from one region into another. */
export interface Crossing {
  from: number;
  to: number;
  count: number;
}

export class Model {
  world: World | undefined;
  readonly regions = new Map<number, Region>();
  readonly servers = new Map<number, Node>();
  readonly proxies = new Map<number, Node>();
  /** Players by cell. */
  heat = new Map<number, number>();
  crossings: Crossing[] = [];
  news: News[] = [];
  private isKnown = false;

  describe(world: World): void {
    this.world = world;
    this.isKnown = false;
    const keep = <T>(of: Map<number, T>, listed: { number: number }[]) => {
      const numbers = new Set(listed.map(({ number }) => number));
      for (const number of of.keys()) if (!numbers.has(number)) of.delete(number);
    };
    keep(this.regions, world.regions);
    keep(this.servers, world.servers);
    keep(this.proxies, world.proxies);
    for (const { number, name, rect, server } of world.regions) {
      const known = this.regions.get(number);
      if (known) Object.assign(known, { name, rect });
      else this.regions.set(number, newRegion(number, name, rect, server));
    }
    world.servers.forEach(({ number, name }, place) => {
      const known = this.servers.get(number);
      if (known) Object.assign(known, { name, hue: hueAt(place) });
      else this.servers.set(number, newNode("server", number, name, hueAt(place)));
    });
    for (const { number, name } of world.proxies) {
      if (!this.proxies.has(number)) this.proxies.set(number, newNode("proxy", number, name, 0));
    }
  }

  take(now: Now): void {
    for (const told of now.servers) this.takeNode(this.servers.get(told.number), told);
    for (const told of now.proxies) this.takeNode(this.proxies.get(told.number), told);
    this.heat.clear();
    for (const told of now.regions) this.takeRegion(told);
    this.isKnown = true;
  }

  /** A second is over: its figures belong to the past. */
  note(): void {
    for (const region of this.regions.values()) {
      const isTold = region.state === "awake" || region.state === "asleep";
      region.past.players.push(isTold ? region.players : undefined);
      region.past.tick.push(isTold ? region.tickUs[1] / 1_000 : undefined);
      region.past.crossings.push(isTold ? region.crossings : undefined);
      region.crossings = 0;
    }
    for (const node of [...this.servers.values(), ...this.proxies.values()]) {
      node.past.players.push(node.isUp ? node.players : undefined);
      node.past.cpu.push(node.isUp ? node.cpuPermille / 10 : undefined);
      node.past.tick.push(node.isUp ? node.tickUs[1] / 1_000 : undefined);
      node.past.roundTrip.push(node.isUp && node.roundTripUs !== null ? node.roundTripUs / 1_000 : undefined);
    }
  }

  regionsOf(server: number): Region[] {
    return [...this.regions.values()].filter((region) => region.server === server);
  }

  serverName(number: number): string {
    return this.servers.get(number)?.name ?? `server ${number}`;
  }

  /** Players whom the map shows, in all regions. */
  get players(): number {
    return [...this.regions.values()].reduce((sum, { players }) => sum + players, 0);
  }

  private takeRegion(told: RegionNow): void {
    const region = this.regions.get(told.number);
    if (!region) return;
    if (this.isKnown && told.server !== region.server) {
      this.tell(`${region.name} is served by ${this.serverName(told.server)} now`, "plain");
    }
    const isSame = told.epoch !== undefined && told.epoch === region.epoch && this.isKnown;
    region.server = told.server;
    region.state = told.state;
    region.players = told.players ?? 0;
    region.tickUs = told.tick_us ?? [0, 0];
    region.tick = told.tick ?? 0;
    if (told.epoch !== undefined) region.epoch = told.epoch;
    pairs(told.cells, (cell, count) => this.heat.set(cell, count));
    pairs(told.crossed, (to, count) => {
      const before = isSame ? (region.crossed.get(to) ?? 0) : count;
      region.crossed.set(to, count);
      if (count <= before) return;
      region.crossings += count - before;
      this.crossings.push({ from: region.number, to, count: count - before });
    });
  }

  private takeNode(node: Node | undefined, told: ServerNow | ProxyNow): void {
    if (!node) return;
    if (told.up !== node.isUp) {
      node.changedAt = performance.now();
      if (this.isKnown) this.tell(`${node.name} ${told.up ? "is back" : "is gone"}`, told.up ? "good" : "bad");
    }
    node.isUp = told.up;
    node.players = told.players;
    node.cpuPermille = told.cpu_permille;
    if (!("draining" in told)) return;
    if (this.isKnown && told.draining && !node.isDraining) this.tell(`${node.name} is draining`, "plain");
    node.isDraining = told.draining;
    node.tickUs = told.tick_us;
    node.roundTripUs = told.round_trip_us;
  }

  private tell(what: string, mood: News["mood"]): void {
    this.news.push({ what, mood, at: new Date() });
  }
}

function pairs(numbers: number[] | undefined, take: (one: number, other: number) => void): void {
  for (let at = 0; numbers && at + 1 < numbers.length; at += 2) take(numbers[at] ?? 0, numbers[at + 1] ?? 0);
}

function newRegion(number: number, name: string, rect: Region["rect"], server: number): Region {
  return {
    number,
    name,
    rect,
    server,
    state: "unknown",
    epoch: "",
    tick: 0,
    tickUs: [0, 0],
    players: 0,
    crossed: new Map(),
    crossings: 0,
    past: { players: new Past(), tick: new Past(), crossings: new Past() },
  };
}

function newNode(kind: Node["kind"], number: number, name: string, hue: number): Node {
  return {
    kind,
    number,
    name,
    hue,
    isUp: false,
    isDraining: false,
    players: 0,
    cpuPermille: 0,
    tickUs: [0, 0],
    roundTripUs: null,
    changedAt: -1e9,
    past: { players: new Past(), cpu: new Past(), tick: new Past(), roundTrip: new Past() },
  };
}
