// Colours of the map, by day and by night. Each server has a hue; those that come one after the other differ most.

const dark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => dark.matches;
export const onScheme = (then: () => void) => dark.addEventListener("change", then);

const FIRST = [162, 262, 58, 318, 214, 100, 20, 288];

/** Of the server at this place in the topology. */
export const hueAt = (place: number) => FIRST[place] ?? (162 + place * 137.508) % 360;

export const ground = (hue: number, isAwake: boolean) => {
  if (isDark()) return `oklch(${isAwake ? 0.335 : 0.27} ${isAwake ? 0.055 : 0.028} ${hue})`;
  return `oklch(${isAwake ? 0.915 : 0.94} ${isAwake ? 0.052 : 0.022} ${hue})`;
};
export const groundEdge = (hue: number) => (isDark() ? `oklch(0.46 0.075 ${hue})` : `oklch(0.82 0.085 ${hue})`);
export const strong = (hue: number) => (isDark() ? `oklch(0.76 0.13 ${hue})` : `oklch(0.56 0.145 ${hue})`);
export const nobody = () => (isDark() ? "oklch(0.25 0.006 240)" : "oklch(0.93 0.004 200)");
export const nobodyEdge = () => (isDark() ? "oklch(0.42 0.02 25)" : "oklch(0.8 0.025 25)");
export const hatch = () => (isDark() ? "rgba(255, 140, 125, 0.16)" : "rgba(180, 60, 45, 0.13)");

export const backdrop = () => (isDark() ? ["#101a22", "#0a1117"] : ["#f5f8f6", "#e3ebe8"]);
export const dots = () => (isDark() ? "rgba(190, 220, 230, 0.07)" : "rgba(40, 80, 75, 0.085)");
export const plate = () => (isDark() ? "#0c151c" : "#ffffff");
export const plateShadow = () => (isDark() ? "rgba(0, 0, 0, 0.6)" : "rgba(30, 60, 60, 0.18)");
export const ink = () => (isDark() ? "#eaf2ee" : "#1f2d2a");
export const soft = () => (isDark() ? "rgba(234, 242, 238, 0.68)" : "rgba(31, 45, 42, 0.66)");
export const gridLine = () => (isDark() ? "rgba(230, 245, 240, 0.07)" : "rgba(20, 50, 45, 0.07)");
export const card = () => (isDark() ? "#16222b" : "#ffffff");
export const cardEdge = () => (isDark() ? "rgba(200, 230, 225, 0.2)" : "rgba(30, 60, 50, 0.16)");
export const bad = () => (isDark() ? "#ff8f82" : "#b4372b");
export const link = () => (isDark() ? "rgba(170, 210, 220, 0.5)" : "rgba(50, 95, 100, 0.42)");

/** From nobody to the fullest: what is drawn over the ground. */
const DAY = [
  [255, 186, 73, 0],
  [251, 158, 58, 0.5],
  [240, 104, 62, 0.74],
  [205, 48, 84, 0.86],
  [130, 24, 100, 0.94],
];
const NIGHT = [
  [120, 70, 190, 0],
  [176, 66, 168, 0.5],
  [238, 92, 104, 0.74],
  [255, 168, 84, 0.88],
  [255, 240, 180, 0.97],
];

/** Red, green, blue up to 255, and how opaque up to 255, of a heat from 0 to 1. */
export function heatColour(heat: number): [number, number, number, number] {
  const ramp = isDark() ? NIGHT : DAY;
  const at = Math.min(Math.max(heat, 0), 1) * (ramp.length - 1);
  const place = Math.min(Math.floor(at), ramp.length - 2);
  const [from, to, part] = [ramp[place] ?? [], ramp[place + 1] ?? [], at - place];
  const mix = (index: number) => (from[index] ?? 0) + ((to[index] ?? 0) - (from[index] ?? 0)) * part;
  return [mix(0), mix(1), mix(2), mix(3) * 255];
}

/** The same as steps of a legend. */
export const heatSteps = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const [red, green, blue, alpha] = heatColour((index + 0.6) / count);
    return `rgba(${red.toFixed(0)}, ${green.toFixed(0)}, ${blue.toFixed(0)}, ${(alpha / 255).toFixed(2)})`;
  });
