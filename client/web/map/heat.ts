// Players as heat: counts by cell become a smooth field, which is coloured and laid over the ground.

import { heatColour } from "./colours.js";

/** Samples of the field at most: it is made anew several times a second. */
const SAMPLES_MAX = 160_000;
/** How fast what is shown follows what is told, of what is left of the way. */
const EASE = 0.35;
/** So few players in the fullest cell are not heat yet. */
const PEAK_MIN = 2.5;

export class Heat {
  private readonly canvas = document.createElement("canvas");
  private columns = 0;
  private rows = 0;
  private samples = 1;
  /** Cells that share a sample, where there are very many. */
  private bin = 1;
  private shown = new Float32Array(0);
  private field = new Float32Array(0);
  private other = new Float32Array(0);
  private peak = PEAK_MIN;

  /** Another world. A cell is left free around it, into which heat may fade. */
  resize(columns: number, rows: number): void {
    this.bin = Math.max(1, Math.ceil(Math.sqrt((columns * rows) / SAMPLES_MAX)));
    this.columns = Math.ceil(columns / this.bin) + 2;
    this.rows = Math.ceil(rows / this.bin) + 2;
    this.samples = Math.min(Math.max(Math.floor(Math.sqrt(SAMPLES_MAX / (this.columns * this.rows))), 1), 5);
    const [width, height] = [this.columns * this.samples, this.rows * this.samples];
    this.shown = new Float32Array(this.columns * this.rows);
    this.field = new Float32Array(width * height);
    this.other = new Float32Array(width * height);
    this.canvas.width = width;
    this.canvas.height = height;
  }

  /** Comes nearer to these counts; `columns` is how many cells the world is wide. */
  follow(counts: ReadonlyMap<number, number>, columns: number): void {
    const context = this.canvas.getContext("2d");
    if (!context || this.columns === 0) return;
    const wanted = new Float32Array(this.shown.length);
    for (const [cell, count] of counts) {
      const [column, row] = [Math.floor((cell % columns) / this.bin) + 1, Math.floor(cell / columns / this.bin) + 1];
      const at = row * this.columns + column;
      wanted[at] = (wanted[at] ?? 0) + count;
    }
    this.shown.forEach((value, at) => {
      const next = value + ((wanted[at] ?? 0) - value) * EASE;
      this.shown[at] = next < 0.01 ? 0 : next;
    });
    this.spread();
    const fullest = this.field.reduce((most, value) => Math.max(most, value), PEAK_MIN);
    this.peak += (fullest - this.peak) * 0.2;
    this.colour(context);
  }

  private spread(): void {
    const { samples } = this;
    const width = this.columns * samples;
    for (let at = 0; at < this.field.length; at += 1) {
      const column = Math.floor((at % width) / samples);
      const row = Math.floor(at / width / samples);
      this.field[at] = this.shown[row * this.columns + column] ?? 0;
    }
    for (let round = 0; round < samples * 2; round += 1) {
      soften(this.field, this.other, 1);
      soften(this.other, this.field, width);
    }
  }

  private colour(context: CanvasRenderingContext2D): void {
    const { width, height } = this.canvas;
    const image = context.createImageData(width, height);
    this.field.forEach((value, at) => {
      if (value <= 0.02) return;
      image.data.set(heatColour(Math.min(value / this.peak, 1) ** 0.62), at * 4);
    });
    context.putImageData(image, 0, 0);
  }

  /** Draws it over the world, whose cells are so large on the screen. */
  draw(context: CanvasRenderingContext2D, x: number, y: number, cell: number): void {
    if (this.columns === 0) return;
    const size = cell * this.bin;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.canvas, x - size, y - size, this.columns * size, this.rows * size);
  }
}

/** Each value is mixed with the two beside it. */
function soften(from: Float32Array, into: Float32Array, step: number): void {
  const last = from.length - 1;
  for (let at = 0; at <= last; at += 1) {
    const here = from[at] ?? 0;
    into[at] = here / 2 + ((from[at - step] ?? here) + (from[at + step] ?? here)) / 4;
  }
}
