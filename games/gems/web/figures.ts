// Who and what is in the world, drawn in units around (0, 0): up is north, nothing is turned but the eyes.

import { hueOf, isDark, shade } from "./colours.js";

type Context = CanvasRenderingContext2D;

const skin = (hue: number, light: number) => `oklch(${light} 0.13 ${hue})`;

function shadow(context: Context, width: number, y: number): void {
  context.fillStyle = shade();
  context.beginPath();
  context.ellipse(0, y, width, width * 0.42, 0, 0, 7);
  context.fill();
}

function disc(context: Context, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

/** Two eyes that look along the heading. */
function eyes(context: Context, heading: number, y: number, apart: number, size: number): void {
  const [look, down] = [Math.cos(heading), Math.sin(heading)];
  const behind = down < -0.55;
  if (behind) return;
  for (const side of [-1, 1]) {
    const x = look * apart * 0.9 + side * apart * (1 - Math.abs(look) * 0.45);
    context.fillStyle = "#fff";
    disc(context, x, y + down * size * 0.5, size);
    context.fillStyle = "#1d2a2e";
    disc(context, x + look * size * 0.35, y + down * size * 0.75, size * 0.58);
  }
}

/** Somebody. `stride` goes round once a step; 0 stands. */
export function player(context: Context, id: bigint, heading: number, stride: number, isOwn: boolean): void {
  const hue = hueOf(id);
  const hop = Math.abs(Math.sin(stride)) * 0.22;
  shadow(context, 0.78 - hop * 0.4, 0.62);
  if (isOwn) {
    context.strokeStyle = isDark() ? "rgba(255, 255, 255, 0.75)" : "rgba(255, 255, 255, 0.95)";
    context.lineWidth = 0.13;
    context.beginPath();
    context.ellipse(0, 0.62, 1.15, 0.52, 0, 0, 7);
    context.stroke();
  }
  // Feet.
  context.fillStyle = skin(hue, isDark() ? 0.42 : 0.46);
  for (const side of [-1, 1]) {
    const lift = stride === 0 ? 0 : Math.max(0, Math.sin(stride * 2 * side)) * 0.16;
    context.beginPath();
    context.ellipse(side * 0.34, 0.62 - lift, 0.26, 0.17, 0, 0, 7);
    context.fill();
  }
  context.translate(0, -hop);
  const body = context.createLinearGradient(0, -1.3, 0, 0.7);
  body.addColorStop(0, skin(hue, 0.8));
  body.addColorStop(1, skin(hue, 0.58));
  context.fillStyle = body;
  context.beginPath();
  context.roundRect(-0.74, -1.32, 1.48, 1.92, [0.74, 0.74, 0.5, 0.5]);
  context.fill();
  // A sheen at the side of the sun.
  context.fillStyle = "rgba(255, 255, 255, 0.28)";
  context.beginPath();
  context.ellipse(-0.3, -0.86, 0.2, 0.34, 0.5, 0, 7);
  context.fill();
  eyes(context, heading, -0.6, 0.3, 0.21);
}

/** A creature that wanders about. */
export function creature(context: Context, id: bigint, heading: number, stride: number): void {
  const hue = 30 + hueOf(id) / 12;
  const squash = 1 + Math.sin(stride * 2) * 0.07;
  shadow(context, 0.66, 0.46);
  context.scale(1 / squash, squash);
  const wool = isDark() ? `oklch(0.72 0.03 ${hue})` : `oklch(0.965 0.022 ${hue})`;
  context.fillStyle = isDark() ? "#3a3f45" : "#5d5650";
  for (const side of [-0.32, 0.32]) {
    context.beginPath();
    context.roundRect(side - 0.08, 0.2, 0.16, 0.32, 0.08);
    context.fill();
  }
  context.fillStyle = wool;
  for (const [x, y, r] of [[-0.42, -0.05, 0.36], [0.42, -0.05, 0.36], [0, -0.28, 0.46], [0, 0.06, 0.46], [-0.22, -0.3, 0.34], [0.24, -0.28, 0.34]] as const) {
    disc(context, x, y, r);
  }
  const [look, down] = [Math.cos(heading), Math.sin(heading)];
  if (down < -0.55) return;
  context.fillStyle = isDark() ? "#3a3f45" : "#5d5650";
  context.beginPath();
  context.ellipse(look * 0.5, -0.12 + down * 0.16, 0.27, 0.31, 0, 0, 7);
  context.fill();
  context.fillStyle = "#fff";
  for (const side of [-0.1, 0.1]) disc(context, look * 0.56 + side, -0.18 + down * 0.16, 0.055);
}

/** A gem on the ground. */
export function gem(context: Context, id: bigint, seconds: number, isNear: boolean): void {
  const hue = hueOf(id);
  const phase = hue / 57;
  const rise = Math.sin(seconds * 2 + phase) * 0.09;
  shadow(context, 0.42, 0.5);
  if (isNear) {
    const pulse = 0.5 + 0.5 * Math.sin(seconds * 4);
    context.strokeStyle = `oklch(${isDark() ? 0.85 : 0.62} 0.16 ${hue} / ${0.35 + pulse * 0.5})`;
    context.lineWidth = 0.1;
    context.beginPath();
    context.ellipse(0, 0.5, 0.7 + pulse * 0.14, 0.32 + pulse * 0.07, 0, 0, 7);
    context.stroke();
  }
  context.translate(0, -0.15 + rise);
  const facet = (light: number, points: readonly (readonly [number, number])[]) => {
    context.fillStyle = `oklch(${light} 0.16 ${hue})`;
    context.beginPath();
    points.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.fill();
  };
  facet(0.78, [[-0.5, -0.12], [-0.26, -0.42], [0.26, -0.42], [0.5, -0.12]]);
  facet(0.6, [[-0.5, -0.12], [0, 0.56], [0, -0.12]]);
  facet(0.5, [[0.5, -0.12], [0, 0.56], [0, -0.12]]);
  facet(0.7, [[-0.22, -0.12], [0, 0.56], [0.22, -0.12]]);
  facet(0.9, [[-0.26, -0.42], [0, -0.12], [0.26, -0.42]]);
  // Now and then it glints.
  const glint = (seconds * 0.45 + phase) % 1;
  if (glint < 0.16) {
    const size = Math.sin((glint / 0.16) * Math.PI) * 0.36;
    context.fillStyle = "rgba(255, 255, 255, 0.95)";
    context.beginPath();
    for (let point = 0; point < 8; point++) {
      const far = point % 2 === 0 ? size : size * 0.2;
      const angle = (point / 8) * 2 * Math.PI;
      const [x, y] = [0.22 + Math.cos(angle) * far, -0.28 + Math.sin(angle) * far];
      if (point === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    context.fill();
  }
}
