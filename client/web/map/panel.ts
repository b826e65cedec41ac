// What stands beside the picture: sums, all nodes with their regions, figures of the one that is chosen, and news. All that can be
// chosen on the picture can be chosen here, by keys too.

import { Chart } from "./chart.js";
import { heatSteps, onScheme } from "./colours.js";
import type { Chosen, Model, News, Node, Region } from "./model.js";

/** Regions of a server that have a button each. */
const CHIPS_MAX = 24;
/** News that are kept on the page. */
const NEWS_MAX = 5;

const byId = (id: string) => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no ${id}`);
  return element;
};
const whole = (value: number) => Math.round(value).toLocaleString("en");
const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const percent = (value: number) => `${Math.round(value)} %`;

/** A button that stays while its words change. */
interface Row {
  button: HTMLButtonElement;
  show(): void;
}

export class Panel {
  private rows: Row[] = [];
  private charts: Chart[] = [];
  private shape = "";
  private chosen: Chosen | undefined;

  constructor(
    private readonly model: Model,
    private readonly choose: (chosen: Chosen | undefined) => void,
  ) {
    byId("detail-close").addEventListener("click", () => this.choose(undefined));
    const legend = () => byId("ramp").replaceChildren(...heatSteps(9).map(step));
    onScheme(legend);
    legend();
  }

  /** Everything that may have changed since the last time. */
  show(): void {
    const { model } = this;
    const servers = [...model.servers.values()];
    const proxies = [...model.proxies.values()];
    const regions = [...model.regions.values()];
    const up = (nodes: Node[]) => `${nodes.filter(({ isUp }) => isUp).length} of ${nodes.length}`;
    const served = regions.filter(({ state }) => state === "awake" || state === "asleep");
    set("players", whole(model.players));
    set("regions", `${served.length} of ${regions.length}`);
    set("servers", up(servers));
    set("proxies", up(proxies));
    const slowest = Math.max(...served.map(({ tickUs }) => tickUs[1] / 1_000), 0);
    set("slowest", ms(slowest));
    const crossed = regions.reduce((sum, { past }) => sum + past.crossings.values.slice(-60).reduce<number>((all, one) => all + (one ?? 0), 0), 0);
    set("crossed", whole(crossed));
    const shape = JSON.stringify([servers.map(({ number, name }) => [number, name, model.regionsOf(number).map((region) => region.number)]), proxies.map(({ number }) => number)]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.list(servers, proxies);
    }
    for (const row of this.rows) row.show();
    for (const chart of this.charts) chart.show();
    this.state();
  }

  /** Shows figures of what was chosen. */
  open(chosen: Chosen | undefined): void {
    this.chosen = chosen;
    const detail = byId("detail");
    detail.hidden = !chosen;
    this.charts = chosen ? this.chartsOf(chosen) : [];
    byId("charts").replaceChildren(...this.charts.map(({ element }) => element));
    this.state();
    for (const row of this.rows) row.show();
    if (chosen) detail.scrollIntoView({ block: "nearest" });
  }

  tell(news: News[]): void {
    const log = byId("news");
    for (const { what, mood, at } of news) {
      const line = document.createElement("li");
      const time = document.createElement("time");
      time.textContent = at.toLocaleTimeString("en-GB");
      line.className = mood;
      line.append(time, ` ${what}`);
      log.append(line);
    }
    while (log.childElementCount > NEWS_MAX) log.firstElementChild?.remove();
  }

  private isChosen(kind: Chosen["kind"], number: number): boolean {
    return this.chosen?.kind === kind && this.chosen.number === number;
  }

  private list(servers: Node[], proxies: Node[]): void {
    this.rows = [];
    const fill = (id: string, nodes: Node[]) => byId(id).replaceChildren(...nodes.map((node) => this.item(node)));
    fill("server-list", servers);
    fill("proxy-list", proxies);
  }

  private item(node: Node): HTMLElement {
    const item = document.createElement("li");
    item.style.setProperty("--hue", String(node.hue));
    const button = document.createElement("button");
    button.type = "button";
    button.className = `node ${node.kind}`;
    const [lamp, name, said, load] = ["i", "b", "span", "em"].map((tag) => document.createElement(tag));
    if (!lamp || !name || !said || !load) return item;
    load.setAttribute("aria-hidden", "true");
    name.textContent = node.name;
    button.append(lamp, name, said, load);
    button.addEventListener("click", () => this.choose({ kind: node.kind, number: node.number }));
    item.append(button);
    const show = () => {
      button.classList.toggle("gone", !node.isUp);
      button.setAttribute("aria-pressed", String(this.isChosen(node.kind, node.number)));
      const players = `${whole(node.players)} ${node.players === 1 ? "player" : "players"}`;
      said.textContent = node.isUp ? `${players} · ${percent(node.cpuPermille / 10)}` : "gone";
      load.style.setProperty("--part", String(Math.min(node.cpuPermille / 1_000, 1)));
    };
    this.rows.push({ button, show });
    const regions = node.kind === "server" ? this.model.regionsOf(node.number) : [];
    if (regions.length > 0) item.append(this.chips(regions));
    return item;
  }

  private chips(regions: Region[]): HTMLElement {
    const chips = document.createElement("div");
    chips.className = "chips";
    for (const region of regions.slice(0, CHIPS_MAX)) {
      const button = document.createElement("button");
      button.type = "button";
      button.addEventListener("click", () => this.choose({ kind: "region", number: region.number }));
      const show = () => {
        const isTold = region.state === "awake" || region.state === "asleep";
        button.textContent = `${region.name} ${isTold ? whole(region.players) : "–"}`;
        button.className = region.state;
        button.setAttribute("aria-pressed", String(this.isChosen("region", region.number)));
      };
      this.rows.push({ button, show });
      chips.append(button);
    }
    if (regions.length > CHIPS_MAX) chips.append(`and ${regions.length - CHIPS_MAX} more`);
    return chips;
  }

  private chartsOf({ kind, number }: Chosen): Chart[] {
    if (kind === "region") {
      const region = this.model.regions.get(number);
      if (!region) return [];
      return [
        new Chart("players", region.past.players, whole),
        new Chart("slowest tick in a hundred", region.past.tick, ms),
        new Chart("walked out, per second", region.past.crossings, whole),
      ];
    }
    const node = (kind === "server" ? this.model.servers : this.model.proxies).get(number);
    if (!node) return [];
    const all = [new Chart("players", node.past.players, whole), new Chart("processor, of one core", node.past.cpu, percent)];
    if (kind === "proxy") return all;
    return [...all, new Chart("slowest tick in a hundred", node.past.tick, ms), new Chart("round trip to this proxy", node.past.roundTrip, ms)];
  }

  /** What there is to say of the chosen one beside its figures. */
  private state(): void {
    const { chosen, model } = this;
    if (!chosen) return;
    if (chosen.kind === "region") {
      const region = model.regions.get(chosen.number);
      if (!region) return this.choose(undefined);
      const name = model.serverName(region.server);
      const said = { awake: `served by ${name}`, asleep: `served by ${name}, asleep`, away: `${name} served it, and is gone`, unknown: `${name} has not told of it yet` };
      byId("detail").style.setProperty("--hue", String(model.servers.get(region.server)?.hue ?? 0));
      set("detail-title", region.name);
      set("detail-kind", `Region ${region.number}`);
      set("detail-state", `${said[region.state]}${region.tick > 0 ? `; tick ${whole(region.tick)}` : ""}`);
      return;
    }
    const node = (chosen.kind === "server" ? model.servers : model.proxies).get(chosen.number);
    if (!node) return this.choose(undefined);
    const regions = model.regionsOf(node.number).map(({ name }) => name);
    const serves = regions.length > 0 ? `serves ${regions.slice(0, 8).join(", ")}${regions.length > 8 ? ` and ${regions.length - 8} more` : ""}` : "stands by";
    const own = node.number === model.world?.proxy ? "tells this map" : "a proxy beside the one that tells this map";
    const does = node.kind === "server" ? serves : own;
    byId("detail").style.setProperty("--hue", String(node.hue));
    set("detail-title", node.name);
    set("detail-kind", node.kind === "server" ? "Game server" : "Proxy");
    set("detail-state", node.isUp ? (node.isDraining ? `is draining; ${does}` : does) : "is gone");
  }
}

function step(colour: string): HTMLElement {
  const element = document.createElement("i");
  element.style.background = colour;
  return element;
}

function set(id: string, text: string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}
