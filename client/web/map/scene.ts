// Draws the world: regions in their servers' colours, players as heat, crossings, nodes and the links between them.

import type { Camera } from "./camera.js";
import * as colours from "./colours.js";
import { Comets } from "./comets.js";
import { Heat } from "./heat.js";
import type { Chosen, Model, Node, Region } from "./model.js";

const FONT = 'ui-rounded, "SF Pro Rounded", system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
/** How long it is shown that a node came or went, milliseconds. */
const RIPPLE_MS = 2_400;
/** What a pill takes beside another, CSS pixels. */
const PILL_WIDTH = 134;
/** Between two steps of the heat, milliseconds. */
const HEAT_MS = 100;

interface Pill {
  node: Node;
  x: number;
  y: number;
  width: number;
  height: number;
}

export class Scene {
  chosen: Chosen | undefined;
  readonly comets: Comets;
  private readonly heat = new Heat();
  private readonly context: CanvasRenderingContext2D;
  private pills: Pill[] = [];
  private pattern: CanvasPattern | null = null;
  private heatAt = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly camera: Camera,
    private readonly model: Model,
    private readonly isCalm: () => boolean,
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("a canvas cannot be drawn on here");
    this.context = context;
    this.comets = new Comets(model);
    colours.onScheme(() => (this.pattern = null));
  }

  resize(): void {
    const { world } = this.model;
    if (world) this.heat.resize(world.size[0] / world.cell_size, world.size[1] / world.cell_size);
  }

  /** The rectangle that holds the world and its nodes, units. */
  bounds(): [number, number, number, number] {
    const [width, height] = this.model.world?.size ?? [1, 1];
    const unit = Math.max(width, height);
    const below = this.standbys().length > 0 ? 0.17 : 0.015;
    return [-0.015 * unit, -0.2 * unit, width + 0.015 * unit, height + below * unit];
  }

  /** What is at a point of the screen. */
  at(x: number, y: number): Chosen | undefined {
    const hit = (pill: Pill) => Math.abs(x - pill.x) <= pill.width / 2 + 4 && Math.abs(y - pill.y) <= pill.height / 2 + 6;
    const pill = this.pills.findLast(hit);
    if (pill) return { kind: pill.node.kind, number: pill.node.number };
    const [worldX, worldY] = this.camera.toWorld(x, y);
    for (const { number, rect } of this.model.regions.values()) {
      const [west, north, east, south] = rect;
      if (worldX >= west && worldX < east && worldY >= north && worldY < south) return { kind: "region", number };
    }
    return undefined;
  }

  draw(now: number): void {
    const { context, canvas, model } = this;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.backdrop(width, height);
    const { world } = model;
    if (!world) return;
    if (now > this.heatAt + HEAT_MS) {
      this.heatAt = now;
      this.heat.follow(model.heat, world.size[0] / world.cell_size);
    }
    const onScreen = [...model.regions.values()].filter(({ rect }) => {
      const [[west, north], [east, south]] = [this.camera.toScreen(rect[0], rect[1]), this.camera.toScreen(rect[2], rect[3])];
      return east > 0 && south > 0 && west < width && north < height;
    });
    this.plate();
    for (const region of onScreen) this.ground(region);
    const [x, y] = this.camera.toScreen(0, 0);
    const cell = world.cell_size * this.camera.scale;
    this.grid(cell, width, height);
    context.save();
    context.beginPath();
    context.roundRect(x, y, world.size[0] * this.camera.scale, world.size[1] * this.camera.scale, 13);
    context.clip();
    this.heat.draw(context, x, y, cell);
    context.restore();
    if (cell >= 44) this.counts(cell, width, height);
    for (const region of onScreen) this.label(region);
    this.outline();
    this.comets.draw(context, this.camera, now);
    this.nodes(now);
  }

  private backdrop(width: number, height: number): void {
    const { context } = this;
    const [middle, rim] = colours.backdrop();
    const shade = context.createRadialGradient(width / 2, height / 2, 0, width / 2, height / 2, Math.hypot(width, height) / 1.6);
    shade.addColorStop(0, middle ?? "#fff");
    shade.addColorStop(1, rim ?? "#eee");
    context.fillStyle = shade;
    context.fillRect(0, 0, width, height);
    context.fillStyle = colours.dots();
    const step = 28;
    const [offX, offY] = [((this.camera.x % step) + step) % step, ((this.camera.y % step) + step) % step];
    for (let x = offX; x < width; x += step) {
      for (let y = offY; y < height; y += step) context.fillRect(x - 1, y - 1, 2, 2);
    }
  }

  private plate(): void {
    const { context, model } = this;
    const [width, height] = model.world?.size ?? [0, 0];
    const [x, y] = this.camera.toScreen(0, 0);
    context.save();
    context.shadowColor = colours.plateShadow();
    context.shadowBlur = 40;
    context.shadowOffsetY = 14;
    context.fillStyle = colours.plate();
    context.beginPath();
    context.roundRect(x - 7, y - 7, width * this.camera.scale + 14, height * this.camera.scale + 14, 20);
    context.fill();
    context.restore();
  }

  /** A region's place on the screen. */
  private place({ rect }: Region): { x: number; y: number; width: number; height: number; round: number } {
    const [x, y] = this.camera.toScreen(rect[0], rect[1]);
    const [width, height] = [(rect[2] - rect[0]) * this.camera.scale, (rect[3] - rect[1]) * this.camera.scale];
    const gap = Math.min(2, width / 24);
    return { x: x + gap, y: y + gap, width: width - 2 * gap, height: height - 2 * gap, round: Math.min(13, width / 8) };
  }

  private hue(region: Region): number {
    return this.model.servers.get(region.server)?.hue ?? 0;
  }

  private ground(region: Region): void {
    const { context } = this;
    const { x, y, width, height, round } = this.place(region);
    const isAway = region.state === "away";
    context.beginPath();
    context.roundRect(x, y, width, height, round);
    context.fillStyle = isAway ? colours.nobody() : colours.ground(this.hue(region), region.state !== "asleep");
    context.fill();
    if (isAway) {
      this.pattern ??= hatched(context);
      if (this.pattern) context.fillStyle = this.pattern;
      context.fill();
    }
    context.strokeStyle = isAway ? colours.nobodyEdge() : colours.groundEdge(this.hue(region));
    context.lineWidth = 1;
    context.stroke();
  }

  private grid(cell: number, width: number, height: number): void {
    if (cell < 14) return;
    const { context, camera } = this;
    const [worldWidth, worldHeight] = this.model.world?.size ?? [0, 0];
    const [east, south] = camera.toScreen(worldWidth, worldHeight);
    context.strokeStyle = colours.gridLine();
    context.lineWidth = 1;
    context.beginPath();
    for (let x = camera.x; x <= Math.min(east, width); x += cell) {
      context.moveTo(x, Math.max(camera.y, 0));
      context.lineTo(x, Math.min(south, height));
    }
    for (let y = camera.y; y <= Math.min(south, height); y += cell) {
      context.moveTo(Math.max(camera.x, 0), y);
      context.lineTo(Math.min(east, width), y);
    }
    context.stroke();
  }

  private counts(cell: number, width: number, height: number): void {
    const { context, camera, model } = this;
    const columns = (model.world?.size[0] ?? 0) / (model.world?.cell_size ?? 1);
    context.font = `700 ${Math.min(cell / 3.4, 19)}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [at, count] of model.heat) {
      const [x, y] = [camera.x + ((at % columns) + 0.5) * cell, camera.y + (Math.floor(at / columns) + 0.5) * cell];
      if (x < 0 || y < 0 || x > width || y > height) continue;
      context.lineWidth = 3;
      context.lineJoin = "round";
      context.strokeStyle = colours.card();
      context.strokeText(String(count), x, y);
      context.fillStyle = colours.ink();
      context.fillText(String(count), x, y);
    }
  }

  private label(region: Region): void {
    const { context, model } = this;
    const { x, y, width, height } = this.place(region);
    if (width < 34 || height < 26) return;
    const isTold = region.state === "awake" || region.state === "asleep";
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.lineJoin = "round";
    const write = (text: string, atX: number, atY: number, colour: string) => {
      context.lineWidth = 3.5;
      context.strokeStyle = region.state === "away" ? colours.nobody() : colours.ground(this.hue(region), isTold);
      context.strokeText(text, atX, atY);
      context.fillStyle = colour;
      context.fillText(text, atX, atY);
    };
    if (width < 120 || height < 84) {
      context.font = `700 12px ${FONT}`;
      context.textAlign = "center";
      write(isTold ? String(region.players) : "–", x + width / 2, y + height - 8, colours.ink());
      return;
    }
    const told = { away: "nobody serves it", unknown: "not told yet", asleep: "asleep", awake: "" }[region.state];
    const ms = (region.tickUs[1] / 1_000).toFixed(1);
    const players = `${region.players} ${region.players === 1 ? "player" : "players"}`;
    const [left, bottom] = [x + 13, y + height - 14];
    context.font = `500 12px ${FONT}`;
    write(told || `${players} · ${ms} ms`, left, bottom - 9, region.state === "away" ? colours.bad() : colours.soft());
    context.font = `700 14px ${FONT}`;
    write(region.name, left, bottom - 25, colours.ink());
    if (region.state !== "awake") return;
    // How much of a tick's time the slowest ticks take.
    const load = Math.min((region.tickUs[1] * (model.world?.tick_hz ?? 20)) / 1e6, 1);
    const long = Math.min(width - 26, 128);
    bar(context, left, bottom - 2, long, 1, colours.gridLine());
    bar(context, left, bottom - 2, long, Math.max(load, 0.03), load > 0.8 ? colours.bad() : colours.strong(this.hue(region)));
  }

  private outline(): void {
    const { context, chosen, model } = this;
    if (!chosen || chosen.kind === "proxy") return;
    const all = chosen.kind === "region" ? [model.regions.get(chosen.number)] : model.regionsOf(chosen.number);
    for (const region of all) {
      if (!region) continue;
      const { x, y, width, height, round } = this.place(region);
      context.beginPath();
      context.roundRect(x, y, width, height, round);
      context.lineWidth = 3;
      context.strokeStyle = region.state === "away" ? colours.bad() : colours.strong(this.hue(region));
      context.stroke();
    }
  }

  private standbys(): Node[] {
    const serving = new Set([...this.model.regions.values()].map(({ server }) => server));
    return [...this.model.servers.values()].filter(({ number }) => !serving.has(number));
  }

  /** Where a server's pill is: above the middle of that of its regions that is the most in the middle of them all. */
  private seat(node: Node): [number, number] | undefined {
    const regions = this.model.regionsOf(node.number);
    const middles = regions.map(({ rect }) => [(rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2] as const);
    const [x, y] = [0, 1].map((axis) => middles.reduce((sum, middle) => sum + (middle[axis] ?? 0), 0) / middles.length);
    const far = (at: number) => Math.hypot((middles[at]?.[0] ?? 0) - (x ?? 0), (middles[at]?.[1] ?? 0) - (y ?? 0));
    const nearest = regions.map((_, at) => at).sort((one, other) => far(one) - far(other))[0];
    const region = nearest === undefined ? undefined : regions[nearest];
    if (!region) return undefined;
    const at = this.camera.toScreen((region.rect[0] + region.rect[2]) / 2, region.rect[1]);
    return [at[0], at[1] + Math.min(34, ((region.rect[3] - region.rect[1]) * this.camera.scale) / 2)];
  }

  private nodes(now: number): void {
    const { model, camera } = this;
    const [width, height] = model.world?.size ?? [1, 1];
    const unit = Math.max(width, height);
    this.pills = [];
    const seats = new Map<Node, [number, number]>();
    const proxies = [...model.proxies.values()];
    const apart = (count: number) => Math.max(Math.min(width / count, unit * 0.42), PILL_WIDTH / camera.scale);
    const along = (index: number, count: number) => width / 2 + (index - (count - 1) / 2) * apart(count);
    proxies.forEach((node, index) => seats.set(node, camera.toScreen(along(index, proxies.length), -0.13 * unit)));
    for (const node of model.servers.values()) {
      const seat = this.seat(node);
      if (seat) seats.set(node, seat);
    }
    const standbys = this.standbys();
    standbys.forEach((node, index) => seats.set(node, camera.toScreen(along(index, standbys.length), height + 0.11 * unit)));
    const own = model.proxies.get(model.world?.proxy ?? 0);
    const from = own && seats.get(own);
    for (const node of model.servers.values()) {
      const to = seats.get(node);
      if (from && to) this.link(from, to, node, now);
    }
    for (const [node, [x, y]] of seats) this.pill(node, x, y, now, node === own);
  }

  private link([fromX, fromY]: [number, number], [toX, toY]: [number, number], node: Node, now: number): void {
    const { context } = this;
    const bend = Math.max(Math.abs(toY - fromY) * 0.45, 30);
    context.save();
    context.beginPath();
    context.moveTo(fromX, fromY);
    context.bezierCurveTo(fromX, fromY + bend, toX, toY - bend, toX, toY);
    context.lineCap = "round";
    context.lineWidth = 1.5;
    context.strokeStyle = node.isUp ? colours.link() : colours.bad();
    if (!node.isUp) context.setLineDash([1, 7]);
    context.stroke();
    if (node.isUp && !this.isCalm()) {
      context.setLineDash([0.5, 21]);
      context.lineDashOffset = -now / 34;
      context.lineWidth = 4.5;
      context.strokeStyle = colours.strong(node.hue);
      context.stroke();
    }
    context.restore();
  }

  private pill(node: Node, x: number, y: number, now: number, isOwn: boolean): void {
    const { context } = this;
    context.font = `700 13px ${FONT}`;
    const name = context.measureText(node.name).width;
    context.font = `500 12px ${FONT}`;
    const said = node.isUp ? (node.isDraining ? "draining" : String(node.players)) : "gone";
    const right = context.measureText(said).width;
    const [width, height] = [name + right + 46, 30];
    const left = x - width / 2;
    this.pills.push({ node, x, y, width, height });
    const age = now - node.changedAt;
    const colour = node.isUp ? (node.kind === "proxy" ? colours.ink() : colours.strong(node.hue)) : colours.bad();
    if (age < RIPPLE_MS && !this.isCalm()) {
      const part = age / RIPPLE_MS;
      context.globalAlpha = (1 - part) ** 2;
      context.strokeStyle = colour;
      context.lineWidth = 3;
      context.beginPath();
      context.roundRect(left - part * 40, y - height / 2 - part * 40, width + part * 80, height + part * 80, 15 + part * 40);
      context.stroke();
      context.globalAlpha = 1;
    }
    context.save();
    context.shadowColor = colours.plateShadow();
    context.shadowBlur = 14;
    context.shadowOffsetY = 4;
    context.fillStyle = colours.card();
    context.beginPath();
    context.roundRect(left, y - height / 2, width, height, 15);
    context.fill();
    context.restore();
    const isChosen = this.chosen?.kind === node.kind && this.chosen.number === node.number;
    context.strokeStyle = isChosen || !node.isUp ? colour : colours.cardEdge();
    context.lineWidth = isChosen ? 2.5 : 1;
    context.stroke();
    context.fillStyle = colour;
    context.beginPath();
    if (node.kind === "proxy") context.roundRect(left + 11, y - 5, 10, 10, isOwn ? 3 : 5);
    else context.arc(left + 16, y, 5.5, 0, 7);
    if (node.isUp) context.fill();
    else {
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.stroke();
    }
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `700 13px ${FONT}`;
    context.fillStyle = colours.ink();
    context.fillText(node.name, left + 28, y + 0.5);
    context.font = `500 12px ${FONT}`;
    context.fillStyle = node.isUp ? colours.soft() : colours.bad();
    context.fillText(said, left + 34 + name, y + 0.5);
  }
}

function bar(context: CanvasRenderingContext2D, x: number, y: number, long: number, part: number, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(x, y, Math.max(long * part, 4), 4, 2);
  context.fill();
}

function hatched(context: CanvasRenderingContext2D): CanvasPattern | null {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 12;
  const on = tile.getContext("2d");
  if (!on) return null;
  on.strokeStyle = colours.hatch();
  on.lineWidth = 3;
  on.beginPath();
  for (const from of [-12, 0, 12]) {
    on.moveTo(from - 2, 14);
    on.lineTo(from + 14, -2);
  }
  on.stroke();
  return context.createPattern(tile, "repeat");
}
