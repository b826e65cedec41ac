// Colours of the world, by day and by night.

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Regions that meet differ: the hue goes on by a golden angle. */
const HUES = [150, 302, 76, 222, 24, 186, 262, 112];

export const isDark = () => dark.matches;
export const onScheme = (then: () => void) => dark.addEventListener("change", then);

export const regionHue = (region: number) => HUES[(region - 1 + HUES.length) % HUES.length] ?? 158;

export const ground = (region: number) =>
  isDark() ? `oklch(0.36 0.05 ${regionHue(region)})` : `oklch(0.88 0.058 ${regionHue(region)})`;

/** For what grows on it. */
export const growth = (region: number, step: number) =>
  isDark()
    ? `oklch(${0.45 + step * 0.08} 0.085 ${regionHue(region)})`
    : `oklch(${0.8 - step * 0.07} 0.09 ${regionHue(region)})`;

export const bushes = (region: number, light: number) =>
  isDark() ? `oklch(${0.43 + light} 0.085 ${regionHue(region)})` : `oklch(${0.66 + light * 1.3} 0.105 ${regionHue(region)})`;

/** For lines and letters. */
export const regionInk = (region: number) =>
  isDark() ? `oklch(0.82 0.11 ${regionHue(region)})` : `oklch(0.5 0.12 ${regionHue(region)})`;

export const water = () => (isDark() ? "#0b1822" : "#bfd9e2");
export const foam = () => (isDark() ? "rgba(150, 200, 220, 0.16)" : "rgba(255, 255, 255, 0.65)");
export const shade = () => (isDark() ? "rgba(0, 0, 0, 0.42)" : "rgba(40, 60, 50, 0.18)");
export const ink = () => (isDark() ? "#eef4f1" : "#1f2d2a");
export const paper = () => (isDark() ? "rgba(16, 25, 33, 0.86)" : "rgba(255, 255, 255, 0.9)");

/** The same number scattered, for everything that is to look as if by chance and the same for everybody. */
export function scattered(a: number, b: number, c = 0): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) / 4294967296;
}

/** The hue of somebody or something. */
export const hueOf = (id: bigint) => scattered(Number(id & 0xffffffffn), Number((id >> 32n) & 0xffffffffn)) * 360;
