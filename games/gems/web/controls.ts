// How the player walks: by keys, by a finger that steers, or to where one clicked.

import type { MeshClient } from "regionmesh";
import { encodeWalk, STAND, velocity, type Walk, walkAlong } from "./gems.js";
import type { Spot, View } from "./view.js";

/** A press that is over so soon, and has not moved, is a tap. */
const TAP_MS = 280;
const MOVED_PX = 12;
/** So near a goal one has arrived, units. */
const ARRIVED = 0.35;
/** So near a spot a tap is meant for it, units. */
const MEANT = 1.6;

const KEYS: Record<string, [number, number]> = {
  ArrowUp: [0, -1],
  KeyW: [0, -1],
  ArrowDown: [0, 1],
  KeyS: [0, 1],
  ArrowLeft: [-1, 0],
  KeyA: [-1, 0],
  ArrowRight: [1, 0],
  KeyD: [1, 0],
};

export class Controls {
  #held = new Set<string>();
  #press: { id: number; atMs: number; from: [number, number]; to: [number, number]; isTouch: boolean } | undefined;
  #walk: Walk = STAND;
  /** What is to be done where the player walks to. */
  #then: (() => void) | undefined;

  constructor(
    readonly view: View,
    readonly client: MeshClient,
    /** A tap that is meant for something. */
    readonly onTap: (spot: Spot) => boolean,
  ) {
    // Whoever comes back may have been walking.
    client.walk(encodeWalk(STAND));
    addEventListener("keydown", (event) => this.#key(event, true));
    addEventListener("keyup", (event) => this.#key(event, false));
    addEventListener("blur", () => this.#stop());
    document.addEventListener("visibilitychange", () => this.#stop());
    const { canvas } = view;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.#release());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Walks there, and then does that. */
  walkTo(goal: { x: number; y: number }, then?: () => void): void {
    this.view.goal = goal;
    this.#then = then;
  }

  /** Once a picture: says what the player does now, if that is new. */
  steer(): void {
    const walk = this.#wanted();
    if (walk.speed > 0) this.view.ownHeading = (walk.heading / 128) * Math.PI;
    if (walk.heading === this.#walk.heading && walk.speed === this.#walk.speed) return;
    this.#walk = walk;
    this.client.walk(encodeWalk(walk), velocity(walk));
  }

  #wanted(): Walk {
    const [east, south] = this.#along();
    if (east !== 0 || south !== 0) {
      this.view.goal = this.#then = undefined;
      return walkAlong(east, south);
    }
    const { goal, own } = this.view;
    if (!goal || !own) return STAND;
    const [dx, dy] = [goal.x - own.x, goal.y - own.y];
    if (Math.hypot(dx, dy) > ARRIVED) return walkAlong(dx, dy);
    this.view.goal = undefined;
    const then = this.#then;
    this.#then = undefined;
    then?.();
    return STAND;
  }

  #along(): [number, number] {
    const press = this.#press;
    if (press?.isTouch && this.view.stick) {
      return [press.to[0] - press.from[0], press.to[1] - press.from[1]];
    }
    if (press && !press.isTouch && performance.now() - press.atMs > TAP_MS) {
      const place = this.view.placeAt(...press.to);
      const own = this.view.own;
      if (place && own && Math.hypot(place.x - own.x, place.y - own.y) > 1) return [place.x - own.x, place.y - own.y];
    }
    let [east, south] = [0, 0];
    for (const code of this.#held) {
      const [x, y] = KEYS[code] ?? [0, 0];
      east += x;
      south += y;
    }
    return [east, south];
  }

  #key(event: KeyboardEvent, isDown: boolean): void {
    if (!(event.code in KEYS)) return;
    if (!isDown) {
      this.#held.delete(event.code);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isForText(event.target)) return;
    event.preventDefault();
    this.#held.add(event.code);
  }

  #down(event: PointerEvent): void {
    if (this.#press || event.button !== 0) return;
    const at: [number, number] = [event.clientX, event.clientY];
    this.#press = { id: event.pointerId, atMs: performance.now(), from: at, to: at, isTouch: event.pointerType !== "mouse" };
    this.view.canvas.setPointerCapture(event.pointerId);
    this.view.canvas.focus({ preventScroll: true });
  }

  #move(event: PointerEvent): void {
    const press = this.#press;
    if (press?.id !== event.pointerId) return;
    press.to = [event.clientX, event.clientY];
    const moved = Math.hypot(press.to[0] - press.from[0], press.to[1] - press.from[1]) > MOVED_PX;
    if (press.isTouch && (moved || this.view.stick)) this.view.stick = { from: press.from, to: press.to };
  }

  #up(event: PointerEvent): void {
    const press = this.#press;
    if (press?.id !== event.pointerId) return;
    const isTap = !this.view.stick && performance.now() - press.atMs < TAP_MS;
    this.#release();
    const place = isTap ? this.view.placeAt(...press.to) : undefined;
    if (!place) return;
    const near = this.view.spots
      .map((spot) => ({ spot, far: Math.hypot(spot.x - place.x, spot.y - place.y) }))
      .filter(({ far }) => far < MEANT)
      .sort((a, b) => a.far - b.far)[0];
    if (!near || !this.onTap(near.spot)) this.walkTo(place);
  }

  #release(): void {
    this.#press = undefined;
    this.view.stick = undefined;
  }

  #stop(): void {
    this.#held.clear();
    this.#release();
    this.view.goal = this.#then = undefined;
    this.steer();
  }
}

/** Keys that are pressed there are for somebody else. */
export function isForText(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || isInDialog(target);
}

const isInDialog = (target: EventTarget | null) => target instanceof Element && target.closest("dialog") !== null;
