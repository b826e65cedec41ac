// The ground, drawn once per cell and kept.

import type { World } from "regionmesh";
import { bushes, growth, ground, isDark, onScheme, scattered, shade } from "./colours.js";

const KEPT = 48;
/** Units beside a cell that are drawn with it, so that shades go on over its edge. */
const BESIDE = 2;

type Tile = HTMLCanvasElement;

export class Terrain {
  #tiles = new Map<string, Tile>();

  constructor(readonly world: World) {
    onScheme(() => this.#tiles.clear());
  }

  get columns(): number {
    return this.world.width / this.world.cellSize;
  }

  region(column: number, row: number): number {
    return this.world.regions[row * this.columns + column] ?? 0;
  }

  regionAt(x: number, y: number): number {
    const { cellSize } = this.world;
    return this.region(Math.floor(x / cellSize), Math.floor(y / cellSize));
  }

  /** The picture of a cell, so many pixels per unit. */
  tile(column: number, row: number, scale: number): Tile {
    const key = `${column} ${row} ${scale}`;
    const known = this.#tiles.get(key);
    // What was used last is forgotten last.
    if (known) this.#tiles.delete(key);
    const tile = known ?? this.#draw(column, row, scale);
    this.#tiles.set(key, tile);
    if (this.#tiles.size > KEPT) {
      const oldest = this.#tiles.keys().next().value;
      if (oldest !== undefined) this.#tiles.delete(oldest);
    }
    return tile;
  }

  #draw(column: number, row: number, scale: number): Tile {
    const { cellSize } = this.world;
    const region = this.region(column, row);
    const tile = document.createElement("canvas");
    tile.width = tile.height = Math.round(cellSize * scale);
    const context = tile.getContext("2d");
    if (!context) return tile;
    context.fillStyle = ground(region);
    context.fillRect(0, 0, tile.width, tile.height);
    const exact = tile.width / cellSize;
    context.imageSmoothingQuality = "high";
    const shades = clouds(column * cellSize, row * cellSize, cellSize);
    context.drawImage(shades, -BESIDE * exact, -BESIDE * exact, shades.width * exact, shades.height * exact);
    context.scale(exact, exact);
    this.#grow(context, column, row, region);
    return tile;
  }

  /** Tufts, flowers and pebbles. */
  #grow(context: CanvasRenderingContext2D, column: number, row: number, region: number): void {
    const { cellSize } = this.world;
    context.lineCap = "round";
    for (let at = 0; at < 120; at++) {
      const chance = (which: number) => scattered(column * 1009 + at, row * 2003 + which, 7);
      const [x, y] = [1 + chance(1) * (cellSize - 2), 1 + chance(2) * (cellSize - 2)];
      // More of it where the ground is lush.
      if (noise(column * cellSize + x, row * cellSize + y, 9) < 0.42 + chance(3) * 0.3) continue;
      if (chance(4) < 0.78) tuft(context, x, y, growth(region, chance(5)), 0.35 + chance(6) * 0.35);
      else if (chance(4) < 0.93) flower(context, x, y, chance(5), 0.13 + chance(6) * 0.07);
      else pebble(context, x, y, 0.2 + chance(6) * 0.28);
    }
    for (let at = 0; at < 9; at++) {
      const chance = (which: number) => scattered(column * 3001 + at, row * 4001 + which, 11);
      const [x, y] = [2.5 + chance(1) * (cellSize - 5), 2.5 + chance(2) * (cellSize - 5)];
      if (noise(column * cellSize + x, row * cellSize + y, 26) > 0.5) bush(context, x, y, region, 0.8 + chance(3) * 0.7);
    }
  }
}

function tuft(context: CanvasRenderingContext2D, x: number, y: number, colour: string, size: number): void {
  context.strokeStyle = colour;
  context.lineWidth = 0.11;
  context.beginPath();
  for (const lean of [-0.5, 0, 0.5]) {
    context.moveTo(x + lean * size * 0.4, y);
    context.quadraticCurveTo(x + lean * size * 0.5, y - size * 0.6, x + lean * size, y - size * (1 - Math.abs(lean) * 0.4));
  }
  context.stroke();
}

function bush(context: CanvasRenderingContext2D, x: number, y: number, region: number, size: number): void {
  context.fillStyle = shade();
  context.beginPath();
  context.ellipse(x, y + size * 0.42, size * 1.15, size * 0.45, 0, 0, 7);
  context.fill();
  const leaves = [[-0.62, 0.08, 0.56], [0.62, 0.1, 0.54], [0, 0.16, 0.62], [-0.28, -0.34, 0.6], [0.32, -0.3, 0.56]] as const;
  for (const [light, lift] of [[0, 0], [0.045, -0.12], [0.085, -0.24]] as const) {
    context.fillStyle = bushes(region, light);
    for (const [dx, dy, radius] of leaves) {
      disc(context, x + dx * size, y + (dy + lift) * size, radius * size * (1 - light * 3.4));
    }
  }
}

function flower(context: CanvasRenderingContext2D, x: number, y: number, kind: number, size: number): void {
  context.fillStyle = isDark() ? `oklch(0.66 0.08 ${kind * 360})` : `oklch(0.97 0.05 ${kind * 360})`;
  for (let leaf = 0; leaf < 5; leaf++) {
    const angle = (leaf / 5) * 2 * Math.PI;
    disc(context, x + Math.cos(angle) * size, y + Math.sin(angle) * size, size * 0.72);
  }
  context.fillStyle = isDark() ? "#d8b45c" : "#f0b93a";
  disc(context, x, y, size * 0.6);
}

function pebble(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.fillStyle = isDark() ? "rgba(255, 255, 255, 0.1)" : "rgba(70, 80, 80, 0.16)";
  context.beginPath();
  context.ellipse(x, y, size, size * 0.7, 0.3, 0, 7);
  context.fill();
}

function disc(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

/** Light and shade of a cell and what is beside it, a pixel a unit. */
function clouds(left: number, top: number, size: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size + 2 * BESIDE;
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(canvas.width, canvas.height);
  const [bright, deep] = isDark() ? [20, 90] : [170, 34];
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const [wx, wy] = [left + x - BESIDE + 0.5, top + y - BESIDE + 0.5];
      const value = noise(wx, wy, 26) * 0.62 + noise(wx, wy, 9) * 0.28 + noise(wx, wy, 3.5) * 0.1 - 0.5;
      const at = (y * canvas.width + x) * 4;
      image.data[at] = image.data[at + 1] = image.data[at + 2] = value > 0 ? 255 : 10;
      image.data[at + 3] = value > 0 ? value * 2 * bright : -value * 2 * deep;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Smooth chance, 0 to 1, whose hills are so far apart. */
function noise(x: number, y: number, apart: number): number {
  const [gx, gy] = [x / apart, y / apart];
  const [x0, y0] = [Math.floor(gx), Math.floor(gy)];
  const ease = (part: number) => part * part * (3 - 2 * part);
  const [u, v] = [ease(gx - x0), ease(gy - y0)];
  const at = (dx: number, dy: number) => scattered(x0 + dx, y0 + dy, Math.round(apart * 10));
  const north = at(0, 0) + (at(1, 0) - at(0, 0)) * u;
  const south = at(0, 1) + (at(1, 1) - at(0, 1)) * u;
  return north + (south - north) * v;
}
