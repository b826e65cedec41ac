// The last minutes of a figure, as a line.

import { PAST_S, type Past } from "./model.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [260, 54];

/** One figure with its past, as a part of a page. */
export class Chart {
  readonly element = document.createElement("figure");
  private readonly value = document.createElement("b");
  private readonly range = document.createElement("small");
  private readonly line = document.createElementNS(SVG, "path");
  private readonly area = document.createElementNS(SVG, "path");

  constructor(
    readonly name: string,
    private readonly past: Past,
    private readonly words: (value: number) => string,
  ) {
    const caption = document.createElement("figcaption");
    const title = document.createElement("span");
    title.textContent = name;
    caption.append(title, this.value);
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true");
    this.area.setAttribute("class", "area");
    this.line.setAttribute("class", "line");
    picture.append(this.area, this.line);
    this.element.append(caption, picture, this.range);
    this.show();
  }

  show(): void {
    const { values } = this.past;
    const known = values.filter((value) => value !== undefined);
    const last = values.at(-1);
    this.value.textContent = last === undefined ? "–" : this.words(last);
    const most = Math.max(...known, 0);
    const least = Math.min(...known, most);
    this.range.textContent = known.length > 1 ? `${this.words(least)} to ${this.words(most)} in ${span(values.length)}` : "just begun";
    const scale = (HEIGHT - 5) / (most || 1);
    const shown = Math.max(values.length, 30);
    const x = (index: number) => ((index + shown - values.length) / (Math.min(shown, PAST_S) - 1)) * WIDTH;
    let [line, area, begins] = ["", "", -1];
    values.forEach((value, index) => {
      if (value === undefined) {
        begins = -1;
        return;
      }
      const at = `${x(index).toFixed(1)} ${(HEIGHT - 2 - value * scale).toFixed(1)}`;
      line += begins < 0 ? `M${at}` : `L${at}`;
      area += begins < 0 ? `M${x(index).toFixed(1)} ${HEIGHT}L${at}` : `L${at}`;
      begins = begins < 0 ? index : begins;
      const isLast = index + 1 >= values.length || values[index + 1] === undefined;
      if (isLast) area += `L${x(index).toFixed(1)} ${HEIGHT}Z`;
    });
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}

const span = (seconds: number) => (seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`);
