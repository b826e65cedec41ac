// The world on the canvas: ground, borders, everybody, and what they say.

import type { MeshClient, Picture } from "regionmesh";
import { foam, ink, isDark, paper, regionInk, water } from "./colours.js";
import * as figures from "./figures.js";
import { Kind, parseGem, parsePlayer, REACH } from "./gems.js";
import { Terrain } from "./terrain.js";

/** Units that the shorter side of the screen shows. */
const UNITS = 34;
const SAID_MS = 6_000;
const EMOTED_MS = 2_600;

export const EMOTES = ["👋", "😄", "❤", "😮", "🎉", "🙏"].map((face) => `${face}\uFE0F`);
export const EMOTE_NAMES = ["Wave", "Laugh", "Love", "Wonder", "Celebrate", "Thank"];

export interface Spot {
  id: bigint;
  kind: number;
  x: number;
  y: number;
}

interface Words {
  text: string;
  atMs: number;
  isEmote: boolean;
}

const font = (units: number, weight = 600) =>
  `${weight} ${units}px ui-rounded, "SF Pro Rounded", system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;

export class View {
  readonly #context: CanvasRenderingContext2D;
  #terrain: Terrain | undefined;
  #words = new Map<bigint, Words>();
  #strides = new Map<bigint, { x: number; y: number; stride: number }>();
  #camera: { x: number; y: number } | undefined;
  #drawnMs = 0;
  scale = 20;
  /** Everybody and everything as drawn last, the player's own entity aside. */
  spots: Spot[] = [];
  own: { x: number; y: number } | undefined;
  /** Where the player walks to by itself. */
  goal: { x: number; y: number } | undefined;
  /** Where a finger steers: its beginning and its place now, CSS pixels. */
  stick: { from: [number, number]; to: [number, number] } | undefined;
  ownHeading = Math.PI / 2;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly client: MeshClient,
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser draws no canvas");
    this.#context = context;
  }

  say(entity: bigint, text: string): void {
    this.#words.set(entity, { text, atMs: performance.now(), isEmote: false });
  }

  emote(entity: bigint, which: number): void {
    this.#words.set(entity, { text: EMOTES[which] ?? "✨", atMs: performance.now(), isEmote: true });
  }

  /** The place in the world under a pixel of the page. */
  placeAt(clientX: number, clientY: number): { x: number; y: number } | undefined {
    if (!this.#camera) return undefined;
    const rect = this.canvas.getBoundingClientRect();
    return {
      x: this.#camera.x + (clientX - rect.left - rect.width / 2) / this.scale,
      y: this.#camera.y + (clientY - rect.top - rect.height / 2) / this.scale,
    };
  }

  draw(nowMs: number): void {
    const picture = this.client.picture();
    const { world } = this.client;
    const pixels = this.#fit();
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = water();
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.own = picture.own ?? this.own;
    this.#spot(picture);
    if (!world || !this.own) return;
    if (this.#terrain?.world !== world) this.#terrain = new Terrain(world);
    this.#follow(nowMs);
    const camera = this.#camera ?? this.own;
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    context.translate(this.canvas.width / pixels / 2 - camera.x, this.canvas.height / pixels / 2 - camera.y);
    const half = { x: this.canvas.width / pixels / 2 + 1, y: this.canvas.height / pixels / 2 + 1 };
    this.#drawGround(this.#terrain, camera, half, pixels);
    this.#drawBorders(this.#terrain, camera, half, nowMs);
    this.#drawFog(this.#terrain);
    this.#drawGoal(nowMs);
    this.#drawEverybody(picture, nowMs);
    this.#drawBorderNames(this.#terrain, camera, half);
    this.#drawStick();
    this.#drawnMs = nowMs;
  }

  /** Fits the canvas to the page; device pixels per unit. */
  #fit(): number {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const fitting = Math.min(clientWidth, clientHeight) / UNITS;
    this.scale = Math.max(16, Math.min(30, fitting));
    return this.scale * ratio;
  }

  #spot(picture: Picture): void {
    this.spots = [];
    picture.ids.forEach((id, at) => {
      const kind = this.client.entities.get(id)?.kind;
      const [x, y] = [picture.numbers[at * 4], picture.numbers[at * 4 + 1]];
      if (kind !== undefined && x !== undefined && y !== undefined) this.spots.push({ id, kind, x, y });
    });
  }

  #follow(nowMs: number): void {
    const own = this.own;
    if (!own) return;
    const camera = this.#camera;
    if (!camera || Math.hypot(own.x - camera.x, own.y - camera.y) > 20) {
      this.#camera = { ...own };
      return;
    }
    const part = 1 - Math.exp(-(nowMs - this.#drawnMs) / 130);
    camera.x += (own.x - camera.x) * part;
    camera.y += (own.y - camera.y) * part;
  }

  #drawGround(terrain: Terrain, camera: Place, half: Place, pixels: number): void {
    const context = this.#context;
    const { width, height, cellSize } = terrain.world;
    context.strokeStyle = foam();
    context.lineJoin = "round";
    for (const wide of [5, 3, 1.2]) {
      context.lineWidth = wide;
      context.strokeRect(0, 0, width, height);
    }
    const first = (at: number) => Math.max(0, Math.floor(at / cellSize));
    for (let row = first(camera.y - half.y); row * cellSize < Math.min(height, camera.y + half.y); row++) {
      for (let column = first(camera.x - half.x); column * cellSize < Math.min(width, camera.x + half.x); column++) {
        const tile = terrain.tile(column, row, Math.ceil(pixels));
        // A hair more, so that no seam shows between two.
        context.drawImage(tile, column * cellSize, row * cellSize, cellSize + 0.03, cellSize + 0.03);
      }
    }
  }

  /** The edges between cells of two regions that are in sight: from (x0, y0) to (x1, y1). */
  *#borders(terrain: Terrain, camera: Place, half: Place) {
    const { cellSize, width, height } = terrain.world;
    const [west, east] = [Math.max(0, camera.x - half.x), Math.min(width, camera.x + half.x)];
    const [north, south] = [Math.max(0, camera.y - half.y), Math.min(height, camera.y + half.y)];
    for (let row = Math.floor(north / cellSize); row * cellSize < south; row++) {
      for (let column = Math.floor(west / cellSize); column * cellSize < east; column++) {
        const here = terrain.region(column, row);
        const [x, y] = [column * cellSize, row * cellSize];
        const isWest = column > 0 && terrain.region(column - 1, row) !== here;
        if (isWest) yield { x0: x, y0: y, x1: x, y1: y + cellSize, one: terrain.region(column - 1, row), other: here };
        const isNorth = row > 0 && terrain.region(column, row - 1) !== here;
        if (isNorth) yield { x0: x, y0: y, x1: x + cellSize, y1: y, one: terrain.region(column, row - 1), other: here };
      }
    }
  }

  #drawBorders(terrain: Terrain, camera: Place, half: Place, nowMs: number): void {
    const context = this.#context;
    for (const { x0, y0, x1, y1, one, other } of this.#borders(terrain, camera, half)) {
      const [dx, dy] = x0 === x1 ? [1, 0] : [0, 1];
      for (const [region, side] of [[one, -1], [other, 1]] as const) {
        const glow = context.createLinearGradient(x0, y0, x0 + dx * side * 2.4, y0 + dy * side * 2.4);
        const colour = regionInk(region);
        glow.addColorStop(0, colour.replace(")", " / 0.34)"));
        glow.addColorStop(1, colour.replace(")", " / 0)"));
        context.fillStyle = glow;
        const depth = 2.4 * side;
        if (dx) context.fillRect(Math.min(x0, x0 + depth), y0, 2.4, y1 - y0);
        else context.fillRect(x0, Math.min(y0, y0 + depth), x1 - x0, 2.4);
      }
      context.strokeStyle = isDark() ? "rgba(255, 255, 255, 0.55)" : "rgba(255, 255, 255, 0.95)";
      context.lineWidth = 0.16;
      context.lineCap = "round";
      context.setLineDash([0.9, 0.9]);
      context.lineDashOffset = -nowMs / 700;
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      context.stroke();
      context.setLineDash([]);
    }
  }

  /** Beyond the view nothing is known of anybody. */
  #drawFog(terrain: Terrain): void {
    const own = this.own;
    if (!own) return;
    const context = this.#context;
    const { cellSize, viewRings, width, height } = terrain.world;
    const from = (at: number) => (Math.floor(at / cellSize) - viewRings) * cellSize;
    const size = (2 * viewRings + 1) * cellSize;
    const [x, y] = [from(own.x), from(own.y)];
    context.fillStyle = isDark() ? "rgba(6, 11, 16, 0.5)" : "rgba(240, 245, 242, 0.55)";
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.roundRect(x, y, size, size, 6);
    context.fill("evenodd");
    context.restore();
  }

  #drawGoal(nowMs: number): void {
    if (!this.goal) return;
    const context = this.#context;
    const pulse = 0.5 + 0.5 * Math.sin(nowMs / 160);
    context.strokeStyle = isDark() ? "rgba(255, 255, 255, 0.85)" : "rgba(255, 255, 255, 0.95)";
    context.lineWidth = 0.14;
    for (const size of [0.3, 0.75 + pulse * 0.2]) {
      context.beginPath();
      context.ellipse(this.goal.x, this.goal.y, size, size * 0.55, 0, 0, 7);
      context.stroke();
    }
  }

  #drawEverybody(picture: Picture, nowMs: number): void {
    const own = this.own;
    const headings = new Map<bigint, number>();
    picture.ids.forEach((id, at) => headings.set(id, picture.numbers[at * 4 + 2] ?? 0));
    const all: (Spot & { isOwn: boolean })[] = this.spots.map((spot) => ({ ...spot, isOwn: false }));
    const ownId = this.client.entity;
    if (own && ownId !== undefined) all.push({ id: ownId, kind: Kind.player, ...own, isOwn: true });
    // Who stands farther south stands in front.
    all.sort((a, b) => a.y - b.y);
    const gone = new Set(this.#strides.keys());
    for (const spot of all) {
      gone.delete(spot.id);
      const heading = spot.isOwn ? this.ownHeading : (headings.get(spot.id) ?? 0);
      this.#drawFigure(spot, heading, nowMs);
    }
    for (const id of gone) this.#strides.delete(id);
    for (const spot of all) if (spot.kind === Kind.player) this.#drawName(spot);
    for (const spot of all) this.#drawWords(spot, nowMs);
  }

  #drawFigure(spot: Spot & { isOwn: boolean }, heading: number, nowMs: number): void {
    const context = this.#context;
    const own = this.own;
    context.save();
    context.translate(spot.x, spot.y);
    if (spot.kind === Kind.gem) {
      const isNear = own !== undefined && Math.hypot(spot.x - own.x, spot.y - own.y) <= REACH;
      const state = this.client.entities.get(spot.id)?.state;
      figures.gem(context, (state && parseGem(state)) ?? spot.id, nowMs / 1000, isNear);
    } else if (spot.kind === Kind.creature) {
      context.scale(1.15, 1.15);
      figures.creature(context, spot.id, heading, this.#stride(spot));
    } else {
      figures.player(context, spot.id, heading, this.#stride(spot), spot.isOwn);
    }
    context.restore();
  }

  /** How far the legs are, from the way that was walked. */
  #stride(spot: Spot): number {
    const before = this.#strides.get(spot.id) ?? { x: spot.x, y: spot.y, stride: 0 };
    const far = Math.hypot(spot.x - before.x, spot.y - before.y);
    const stride = far < 0.004 ? before.stride * 0.7 : before.stride + Math.min(far, 1) * 1.9;
    this.#strides.set(spot.id, { x: spot.x, y: spot.y, stride: stride < 0.01 ? 0 : stride % (2 * Math.PI * 50) });
    return far < 0.004 ? 0 : stride;
  }

  nameOf(entity: bigint): string {
    const state = this.client.entities.get(entity)?.state;
    return state ? parsePlayer(state).name : "somebody";
  }

  #drawName(spot: Spot & { isOwn: boolean }): void {
    const context = this.#context;
    const size = 11.5 / this.scale;
    context.font = font(size);
    context.textAlign = "center";
    context.textBaseline = "middle";
    const name = this.nameOf(spot.id);
    const wide = context.measureText(name).width;
    const y = spot.y + 1.45;
    context.fillStyle = paper();
    context.beginPath();
    context.roundRect(spot.x - wide / 2 - size * 0.6, y - size * 0.82, wide + size * 1.2, size * 1.64, size);
    context.fill();
    context.fillStyle = ink();
    context.fillText(name, spot.x, y + size * 0.05);
  }

  #drawWords(spot: Spot, nowMs: number): void {
    const words = this.#words.get(spot.id);
    if (!words) return;
    const age = nowMs - words.atMs;
    const life = words.isEmote ? EMOTED_MS : SAID_MS;
    if (age > life) {
      this.#words.delete(spot.id);
      return;
    }
    const context = this.#context;
    const grown = 1 - Math.pow(1 - Math.min(1, age / 180), 3);
    context.save();
    context.globalAlpha = Math.min(1, (life - age) / 300);
    context.translate(spot.x, spot.y - 1.75 - (words.isEmote ? Math.min(age / 1500, 1) * 0.5 : 0));
    context.scale(grown, grown);
    if (words.isEmote) drawEmote(context, words.text, 30 / this.scale);
    else drawBubble(context, words.text, 13.5 / this.scale);
    context.restore();
  }

  #drawBorderNames(terrain: Terrain, camera: Place, half: Place): void {
    const own = this.own;
    if (!own) return;
    const context = this.#context;
    const size = 11 / this.scale;
    const drawn = new Set<string>();
    for (const { x0, y0, x1, y1, one, other } of this.#borders(terrain, camera, half)) {
      const isUpright = x0 === x1;
      const along = isUpright ? Math.min(Math.max(own.y - 6, y0), y1) : Math.min(Math.max(own.x, x0), x1);
      const key = `${isUpright} ${isUpright ? x0 : y0} ${one} ${other}`;
      const far = isUpright ? Math.abs(along - own.y) : Math.abs(along - own.x);
      if (far > 12 || drawn.has(key)) continue;
      drawn.add(key);
      const [x, y] = isUpright ? [x0, along] : [along, y0];
      context.font = font(size, 700);
      context.textBaseline = "middle";
      for (const [region, side] of [[one, -1], [other, 1]] as const) {
        const label = `Region ${region}`;
        const wide = context.measureText(label).width;
        const [lx, ly] = isUpright ? [x + side * (wide / 2 + 1.1), y] : [x, y + side * 1.2];
        context.fillStyle = paper();
        context.beginPath();
        context.roundRect(lx - wide / 2 - size * 0.7, ly - size * 0.95, wide + size * 1.4, size * 1.9, size);
        context.fill();
        context.textAlign = "center";
        context.fillStyle = regionInk(region);
        context.fillText(label, lx, ly + size * 0.06);
      }
    }
  }

  #drawStick(): void {
    if (!this.stick) return;
    const context = this.#context;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [[fx, fy], [tx, ty]] = [this.stick.from, this.stick.to];
    const far = Math.hypot(tx - fx, ty - fy) || 1;
    const reach = Math.min(far, 46) / far;
    context.save();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "rgba(255, 255, 255, 0.24)";
    context.strokeStyle = "rgba(255, 255, 255, 0.6)";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(fx, fy, 56, 0, 7);
    context.fill();
    context.stroke();
    context.fillStyle = "rgba(255, 255, 255, 0.85)";
    context.beginPath();
    context.arc(fx + (tx - fx) * reach, fy + (ty - fy) * reach, 24, 0, 7);
    context.fill();
    context.restore();
  }
}

interface Place {
  x: number;
  y: number;
}

function drawEmote(context: CanvasRenderingContext2D, text: string, size: number): void {
  context.font = `${size}px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.fillText(text, 0, 0);
}

function drawBubble(context: CanvasRenderingContext2D, text: string, size: number): void {
  context.font = font(size, 500);
  const lines = broken(context, text, size * 17);
  const wide = Math.max(...lines.map((line) => context.measureText(line).width));
  const [pad, leading] = [size * 0.75, size * 1.35];
  const [boxWide, boxHigh] = [wide + 2 * pad, lines.length * leading + pad];
  context.fillStyle = paper();
  context.shadowColor = "rgba(0, 0, 0, 0.2)";
  context.shadowBlur = 12;
  context.shadowOffsetY = 2;
  context.beginPath();
  context.roundRect(-boxWide / 2, -boxHigh - size * 0.5, boxWide, boxHigh, size * 0.85);
  context.moveTo(-size * 0.5, -size * 0.52);
  context.lineTo(0, 0);
  context.lineTo(size * 0.5, -size * 0.52);
  context.fill();
  context.shadowColor = "transparent";
  context.fillStyle = ink();
  context.textAlign = "center";
  context.textBaseline = "middle";
  lines.forEach((line, at) => context.fillText(line, 0, -boxHigh - size * 0.5 + pad / 2 + leading * (at + 0.5)));
}

/** The text in at most four lines. */
function broken(context: CanvasRenderingContext2D, text: string, widest: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/u)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && context.measureText(longer).width > widest) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  return lines.length > 4 ? [...lines.slice(0, 3), `${lines[3]}…`] : lines;
}
