// The live map: what a proxy tells of the world, drawn. Nothing is sent, and nobody is followed: there are counts by cell.

import { Camera, type Insets, steer } from "./camera.js";
import { listen } from "./feed.js";
import { type Chosen, Model } from "./model.js";
import { Panel } from "./panel.js";
import { Scene } from "./scene.js";

/** Between two pictures, milliseconds: a map need not be as smooth as a game. */
const FRAME_MS = 33;
/** Between two looks at the words beside it, milliseconds. */
const SHOWN_MS = 250;
/** Space around what is shown. */
const RIM = 18;

const byId = (id: string) => document.getElementById(id) as HTMLElement;
const canvas = byId("scene") as HTMLCanvasElement;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const model = new Model();
const camera = new Camera();
const scene = new Scene(canvas, camera, model, () => calm.matches);
const panel = new Panel(model, choose);

function insets(): Insets {
  const [wide, high] = [innerWidth, innerHeight];
  const free = { top: RIM, right: RIM, bottom: RIM, left: RIM };
  const top = byId("top").getBoundingClientRect();
  const side = byId("side").getBoundingClientRect();
  free.top = top.bottom + RIM;
  // Beside the picture on a large screen, below it on a small one.
  if (side.left > wide / 3) free.right = wide - side.left + RIM;
  free.bottom = high - byId("tools").getBoundingClientRect().top + RIM * 0.6;
  return free;
}

function fit(): void {
  camera.fit(scene.bounds(), canvas.clientWidth, canvas.clientHeight, insets());
}

function choose(chosen: Chosen | undefined): void {
  scene.chosen = chosen;
  panel.open(chosen);
  if (camera.isFitted) fit();
}

steer(canvas, camera, fit, (x, y) => choose(scene.at(x, y)));
canvas.addEventListener("pointermove", ({ clientX, clientY, buttons }) => {
  if (buttons === 0) canvas.style.cursor = scene.at(clientX, clientY) ? "pointer" : "grab";
});
addEventListener("keydown", ({ key }) => {
  if (key === "Escape") choose(undefined);
});
const middle = () => {
  const { top, right, bottom, left } = insets();
  return [(left + canvas.clientWidth - right) / 2, (top + canvas.clientHeight - bottom) / 2] as const;
};
byId("nearer").addEventListener("click", () => camera.zoom(1.5, ...middle()));
byId("farther").addEventListener("click", () => camera.zoom(1 / 1.5, ...middle()));
byId("all").addEventListener("click", fit);

const banner = byId("banner");
let isConnected: boolean | undefined;
listen({
  connected(isUp) {
    if (isUp === isConnected) return;
    banner.textContent = isUp ? "" : "No proxy answers; trying again…";
    banner.hidden = isUp;
    document.body.classList.toggle("cut", !isUp);
    isConnected = isUp;
  },
  world(world) {
    model.describe(world);
    document.title = `${world.name} · live map`;
    byId("world").textContent = world.name;
    scene.resize();
    if (camera.isFitted) fit();
  },
  now(now) {
    model.take(now);
    for (const crossing of model.crossings.splice(0)) {
      if (!calm.matches) scene.comets.launch(crossing, performance.now());
    }
    if (model.news.length > 0) panel.tell(model.news.splice(0));
  },
});

let drawnAt = 0;
function frame(now: number): void {
  requestAnimationFrame(frame);
  if (now - drawnAt < FRAME_MS - 4) return;
  drawnAt = now;
  scene.draw(now);
}
requestAnimationFrame(frame);
setInterval(() => {
  if (isConnected) model.note();
}, 1_000);
setInterval(() => panel.show(), SHOWN_MS);
new ResizeObserver(() => {
  if (camera.isFitted) fit();
}).observe(canvas);
new ResizeObserver(() => {
  if (camera.isFitted) fit();
}).observe(byId("top"));

// For tests, and for whoever is curious.
Object.assign(globalThis, { map: { model, camera, scene, choose, fit } });
