// Crossings: for who has walked over a border something flies over it, from somewhere near it to somewhere near it. Where they
// really walked is not told.

import type { Camera } from "./camera.js";
import { strong } from "./colours.js";
import type { Crossing, Model, Region } from "./model.js";

/** In flight at once. */
const COMETS_MAX = 80;
/** … and begun for one word of a border. */
const AT_ONCE_MAX = 6;
const FLIGHT_MS = 1_300;
/** How far into each region, of the shorter side of the smaller one. */
const REACH = 0.2;

interface Comet {
  from: [number, number];
  over: [number, number];
  to: [number, number];
  hues: [number, number];
  beganAt: number;
}

export class Comets {
  private flying: Comet[] = [];

  constructor(private readonly model: Model) {}

  launch({ from, to, count }: Crossing, now: number): void {
    const [one, other] = [this.model.regions.get(from), this.model.regions.get(to)];
    const border = one && other && borderOf(one.rect, other.rect);
    if (!one || !other || !border) return;
    const hues: [number, number] = [this.hue(one), this.hue(other)];
    for (let index = 0; index < Math.min(count, AT_ONCE_MAX) && this.flying.length < COMETS_MAX; index += 1) {
      const along = 0.08 + Math.random() * 0.84;
      const over: [number, number] = [mix(border.from[0], border.to[0], along), mix(border.from[1], border.to[1], along)];
      const reach = REACH * Math.min(shortSide(one), shortSide(other)) * (0.7 + Math.random() * 0.6);
      const drift = (Math.random() - 0.5) * reach;
      const [x, y] = border.across;
      this.flying.push({
        from: [over[0] - x * reach + y * drift, over[1] - y * reach + x * drift],
        over,
        to: [over[0] + x * reach - y * drift, over[1] + y * reach - x * drift],
        hues,
        beganAt: now + index * 110 + Math.random() * 120,
      });
    }
  }

  draw(context: CanvasRenderingContext2D, camera: Camera, now: number): void {
    this.flying = this.flying.filter(({ beganAt }) => now < beganAt + FLIGHT_MS);
    context.lineCap = "round";
    for (const { from, over, to, hues, beganAt } of this.flying) {
      const part = (now - beganAt) / FLIGHT_MS;
      if (part < 0) continue;
      const at = (time: number) => {
        const [a, b] = [mix3(from[0], over[0], to[0], time), mix3(from[1], over[1], to[1], time)];
        return camera.toScreen(a, b);
      };
      const fade = Math.min(1, part * 6, (1 - part) * 4);
      for (let tail = 7; tail >= 0; tail -= 1) {
        const time = Math.max(part - tail * 0.028, 0);
        const [x, y] = at(ease(time));
        context.globalAlpha = fade * (1 - tail / 9) ** 2;
        context.fillStyle = strong(ease(time) < 0.5 ? hues[0] : hues[1]);
        context.beginPath();
        context.arc(x, y, 4.2 - tail * 0.38, 0, 7);
        context.fill();
      }
      const [x, y] = at(ease(part));
      context.globalAlpha = fade;
      context.fillStyle = "#fff";
      context.beginPath();
      context.arc(x, y, 1.9, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  private hue({ server }: Region): number {
    return this.model.servers.get(server)?.hue ?? 0;
  }
}

const mix = (from: number, to: number, part: number) => from + (to - from) * part;
const mix3 = (a: number, b: number, c: number, part: number) => mix(mix(a, b, part), mix(b, c, part), part);
const ease = (part: number) => (part < 0.5 ? 2 * part * part : 1 - (2 - 2 * part) ** 2 / 2);
const shortSide = ({ rect }: Region) => Math.min(rect[2] - rect[0], rect[3] - rect[1]);

/** Where two rectangles meet, and the way from the first into the other; at a corner, that corner. */
function borderOf(one: Region["rect"], other: Region["rect"]) {
  const west = Math.max(one[0], other[0]);
  const east = Math.min(one[2], other[2]);
  const north = Math.max(one[1], other[1]);
  const south = Math.min(one[3], other[3]);
  if (east < west || south < north) return undefined;
  const signX = other[0] >= one[2] ? 1 : -1;
  const signY = other[1] >= one[3] ? 1 : -1;
  const across: [number, number] =
    east === west && south === north ? [signX * 0.7, signY * 0.7] : east === west ? [signX, 0] : [0, signY];
  return { from: [west, north] as const, to: [east, south] as const, across };
}
