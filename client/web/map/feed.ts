// What the proxy tells of the world, over one WebSocket: once what does not change, then how it is, several times a second.

/** A node of the cluster, by name. */
export interface NamedNode {
  number: number;
  name: string;
}

/** What does not change under one topology. */
export interface World {
  type: "world";
  name: string;
  size: [number, number];
  cell_size: number;
  tick_hz: number;
  /** The proxy that tells it. */
  proxy: number;
  servers: NamedNode[];
  proxies: NamedNode[];
  regions: { number: number; name: string; rect: [number, number, number, number]; server: number }[];
}

export type RegionState = "awake" | "asleep" | "away" | "unknown";

export interface RegionNow {
  number: number;
  server: number;
  state: RegionState;
  /** Of the service: counts begin anew with it. */
  epoch?: string;
  tick?: number;
  /** Half of the last ticks were at most so long, and all but one in a hundred, microseconds. */
  tick_us?: [number, number];
  players?: number;
  /** Cell, players, cell, players, … */
  cells?: number[];
  /** Region, how many have walked into it, and so on. */
  crossed?: number[];
}

export interface ServerNow {
  number: number;
  up: boolean;
  draining: boolean;
  players: number;
  cpu_permille: number;
  tick_us: [number, number];
  round_trip_us: number | null;
  waiting_bytes: number;
}

export interface ProxyNow {
  number: number;
  up: boolean;
  players: number;
  players_max: number;
  cpu_permille: number;
}

/** How it is. */
export interface Now {
  type: "now";
  at_ms: number;
  regions: RegionNow[];
  servers: ServerNow[];
  proxies: ProxyNow[];
}

export interface Listener {
  world(world: World): void;
  now(now: Now): void;
  /** The connection is up, or it is not, and is tried again. */
  connected(isUp: boolean): void;
}

const SUBPROTOCOL = "regionmesh.map.v1";
/** Before it is tried again, at first and at most. */
const PAUSE_MS = [500, 5_000] as const;
/** Longer than that nothing is silent whose connection lives. */
const SILENCE_MS = 5_000;

/** Listens for as long as the page is open. A page that nobody sees does not: nothing is told for nobody. */
export function listen(listener: Listener): void {
  let socket: WebSocket | undefined;
  let pause = PAUSE_MS[0] as number;
  let timer = 0;
  let heardAt = 0;

  const end = () => {
    const old = socket;
    socket = undefined;
    if (!old) return;
    old.onopen = old.onmessage = old.onclose = null;
    old.close();
  };
  const again = () => {
    end();
    listener.connected(false);
    clearTimeout(timer);
    timer = window.setTimeout(begin, pause);
    pause = Math.min(pause * 1.6, PAUSE_MS[1]);
  };
  function begin(): void {
    clearTimeout(timer);
    end();
    if (document.visibilityState === "hidden") return;
    heardAt = performance.now();
    socket = new WebSocket(new URL("/mesh", location.href.replace(/^http/u, "ws")), SUBPROTOCOL);
    socket.onmessage = ({ data }) => {
      heardAt = performance.now();
      pause = PAUSE_MS[0];
      const told = JSON.parse(String(data)) as World | Now;
      if (told.type === "world") {
        listener.connected(true);
        listener.world(told);
      } else if (told.type === "now") listener.now(told);
    };
    socket.onclose = again;
  }
  setInterval(() => {
    if (socket && performance.now() - heardAt > SILENCE_MS) again();
  }, 1_000);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") end();
    else if (!socket) begin();
  });
  begin();
}
