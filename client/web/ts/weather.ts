// Bad weather on the way of a connection: what is sent through a lane comes out later, in the order in which it went in.

import type { Weather } from "./messages.js";

/** What TCP waits at least before it repeats what was lost, milliseconds. */
const REPEATED_AFTER_MS = 200;

export class Lane<T> {
  weather: Weather = { delayMs: 0, jitterMs: 0, lossPercent: 0 };
  #dueMs = 0;
  #waiting: T[] = [];
  #timers = new Set<number>();

  /** What is lost comes late, and so does all behind it; or it is lost for good. */
  constructor(
    readonly deliver: (item: T) => void,
    readonly whatIsLost: "late" | "lost" = "late",
  ) {}

  pass(item: T): void {
    const { delayMs, jitterMs, lossPercent } = this.weather;
    // Half of the round trip each way.
    let waitMs = (delayMs + jitterMs * (2 * Math.random() - 1)) / 2;
    if (Math.random() * 100 < lossPercent) {
      if (this.whatIsLost === "lost") return;
      waitMs += REPEATED_AFTER_MS + delayMs;
    }
    const now = performance.now();
    this.#dueMs = Math.max(now + waitMs, this.#dueMs);
    if (this.#dueMs <= now && this.#waiting.length === 0) {
      this.deliver(item);
      return;
    }
    // Timers of the same moment fire in any order: each lets out whatever has waited longest.
    this.#waiting.push(item);
    const timer = self.setTimeout(() => {
      this.#timers.delete(timer);
      const oldest = this.#waiting.shift();
      if (oldest !== undefined) this.deliver(oldest);
    }, this.#dueMs - now);
    this.#timers.add(timer);
  }

  /** What is on its way never arrives. */
  clear(): void {
    for (const timer of this.#timers) self.clearTimeout(timer);
    this.#timers.clear();
    this.#waiting = [];
    this.#dueMs = 0;
  }
}
