// Runs the core beside the page, so that neither a busy nor a hidden page lets a connection die.

import init, { Engine } from "../.made/engine.js";
import { ask, remember } from "./account.js";
import { Datagrams } from "./datagrams.js";
import type { AccountDeed, FromWorker, Join, Told, ToWorker, Weather } from "./messages.js";
import { Lane } from "./weather.js";

/** The servers tick as often; the walk in force is said once a tick. */
const TICK_MS = 50;
const STATUS_MS = 250;
/** A page that nobody sees is told the news so often. */
const HIDDEN_PACE_MS = 1_000;
/** Bytes that may wait for a proxy that takes none before the connection counts as lost. */
const WAITING_BYTES_MAX = 256 * 1024;

const tell = (message: FromWorker, transfer: Transferable[] = []) => self.postMessage(message, { transfer });
const codeOf = (code: number) => (code < 0 ? undefined : code);

/** Codes of a session that an operator has ended: whoever is told so is not let in as somebody else by its own page. */
const SENT_AWAY = [5 /* BANNED */, 10 /* KICKED */];

/** The code of a session that was away for longer than its ticket lives. */
const TICKET_EXPIRED = 7;

/** What the engine calls. None of it may call the engine back. */
class Host {
  engine: Engine | undefined;
  isAttached = false;
  /** Who plays. */
  user: bigint | undefined;
  /** Whether the key of the session is to bring its player back later, and no proxy knows that yet. */
  isToBeRemembered = false;
  /** Whether an account is asked for something that may end this session. */
  isChanging = false;
  /** Whether the session is one that was kept, and no proxy has let it in yet. */
  goesOn: boolean;
  #socket: WebSocket | undefined;
  #up = new Lane<Uint8Array<ArrayBuffer>>((bytes) => this.#put(bytes));
  #down = new Lane<Uint8Array>((bytes) => this.engine?.received(bytes, performance.now(), Date.now()));
  readonly #fast = new Datagrams({
    open: () => this.engine?.datagrams_open(performance.now(), Date.now()),
    // The engine may be at work.
    gone: () => queueMicrotask(() => this.engine?.datagrams_gone(performance.now(), Date.now())),
    received: (bytes) => this.#fastDown.pass(bytes),
  });
  #fastUp = new Lane<Uint8Array>((bytes) => this.#fast.send(bytes), "lost");
  #fastDown = new Lane<Uint8Array>((bytes) => this.engine?.received_datagram(bytes, performance.now(), Date.now()), "lost");
  #ownAtMs = 0;
  ownGapMs = 0;
  tick = 0;

  constructor(
    readonly join: Join,
    readonly placeAt: number,
    /** By this device, or as somebody new where it is empty. */
    readonly beginAnew: (device: Uint8Array) => void,
    /** What is tried when the session cannot go on. */
    public device: Uint8Array,
  ) {
    this.goesOn = device.length > 0;
  }

  /** Begins by the device where there is one, or as somebody new. */
  comeBack(): void {
    const { device } = this;
    this.device = new Uint8Array();
    this.beginAnew(device);
  }

  set weather(weather: Weather) {
    for (const lane of [this.#up, this.#down, this.#fastUp, this.#fastDown]) lane.weather = weather;
  }

  connect(place: number): void {
    this.hang();
    const url = this.join.proxies[place]?.url;
    if (!url) {
      // The engine is told when it is done with this.
      queueMicrotask(() => this.engine?.lost(performance.now(), Date.now()));
      return;
    }
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/mesh`, "regionmesh.v1");
    socket.binaryType = "arraybuffer";
    const ifNewest = (then: () => void) => () => {
      if (this.#socket === socket) then();
    };
    socket.onopen = ifNewest(() => this.engine?.connected(performance.now(), Date.now()));
    socket.onclose = ifNewest(() => {
      // What has arrived counts, however late the weather lets it through.
      this.#socket = undefined;
      this.engine?.lost(performance.now(), Date.now());
    });
    socket.onmessage = (message) => ifNewest(() => this.#down.pass(new Uint8Array(message.data)))();
    this.#socket = socket;
  }

  send(bytes: Uint8Array): void {
    this.#up.pass(bytes.slice());
  }

  datagram(bytes: Uint8Array): void {
    this.#fastUp.pass(bytes.slice());
  }

  transport(byDatagrams: boolean): void {
    tell({ is: "transport", what: byDatagrams ? "WebTransport" : "WebSocket" });
  }

  hang(): void {
    this.isAttached = false;
    this.#fast.end();
    for (const lane of [this.#up, this.#down, this.#fastUp, this.#fastDown]) lane.clear();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  get isStuck(): boolean {
    return (this.#socket?.bufferedAmount ?? 0) > WAITING_BYTES_MAX;
  }

  #put(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  attached(place: number, user: bigint): void {
    this.user = user;
    this.isAttached = true;
    this.goesOn = false;
    if (this.isToBeRemembered) queueMicrotask(() => void tellDevice(this));
    tell({ is: "attached", what: { proxy: this.join.proxies[place]?.name ?? "", user } });
    this.#fast.seek(this.join.proxies[place]?.url);
  }

  lost(code: number, text: string): void {
    this.isAttached = false;
    this.#fast.end();
    tell({ is: "lost", what: { code: codeOf(code), text } });
  }

  over(code: number, text: string): void {
    this.isAttached = false;
    this.#fast.end();
    // Another password ends the session that sets it as well: what is granted for it is on its way.
    if (this.isChanging && SENT_AWAY.includes(code)) return;
    const isExpired = code === TICKET_EXPIRED && this.device.length > 0;
    if ((this.goesOn && !SENT_AWAY.includes(code)) || isExpired) {
      // The ticket has run out, or is of another world.
      this.goesOn = this.device.length > 0;
      queueMicrotask(() => this.comeBack());
      return;
    }
    tell({ is: "kept", kept: new Uint8Array() });
    tell({ is: "over", what: { code: codeOf(code), text } });
  }

  world(width: number, height: number, cellSize: number, viewRings: number, tickHz: number, regions: Uint32Array): void {
    tell({ is: "world", what: { width, height, cellSize, viewRings, tickHz, regions: regions.slice() } });
  }

  playing(entity: bigint, epoch: bigint, region: number, node: number): void {
    tell({ is: "playing", what: { entity, epoch, region, node } });
  }

  own(bytes: Uint8Array, tick: number, inputAck: number): void {
    const now = performance.now();
    if (this.#ownAtMs > 0) this.ownGapMs = Math.max(this.ownGapMs, now - this.#ownAtMs);
    this.#ownAtMs = now;
    this.tick = tick;
    tell({ is: "own", what: { bytes: bytes.slice(), tick, inputAck } });
  }

  event(bytes: Uint8Array): void {
    tell({ is: "event", what: bytes.slice() });
  }

  news(region: number, toAll: boolean, bytes: Uint8Array): void {
    tell({ is: "news", what: { region, toAll, bytes: bytes.slice() } });
  }

  acked(number: number): void {
    tell({ is: "acked", what: number });
  }

  notice(code: number, text: string): void {
    tell({ is: "notice", what: { code, text } });
  }

  resumed(attachNo: number): void {
    tell({ is: "resumed", what: { attachNo } });
  }

  seen(id: bigint, kind: number, state: Uint8Array): void {
    tell({ is: "seen", what: { id, entity: { kind, state: state.slice() } } });
  }

  gone(id: bigint): void {
    tell({ is: "gone", what: id });
  }

  /** How long the player has waited since the last own state counts as well. */
  takeOwnGapMs(): number {
    const waitsMs = this.#ownAtMs > 0 ? performance.now() - this.#ownAtMs : 0;
    const gapMs = Math.max(this.ownGapMs, waitsMs);
    this.ownGapMs = 0;
    return gapMs;
  }
}

let walk: { input: Uint8Array; velocity: [number, number] } | undefined;

type Start = Extract<ToWorker, { is: "start" }>;

async function start({ join, name, placeAt, kept, device, remember: isDevice }: Start): Promise<void> {
  await init({ module_or_path: new URL("regionmesh.wasm", import.meta.url) });
  const host = new Host(join, placeAt, (device) => begin(host, name, placeAt, device, true), kept.length > 0 ? kept : device);
  host.isToBeRemembered = isDevice;
  remembers = isDevice;
  host.weather = weather;
  hosted = host;
  if (kept.length > 0) begin(host, name, placeAt, kept);
  else host.comeBack();
  self.setInterval(() => {
    if (host.isStuck) engine?.stuck(performance.now(), Date.now());
    engine?.tick(performance.now(), Date.now());
    if (walk && host.isAttached) sayWalk();
  }, TICK_MS);
  self.setInterval(() => {
    if (engine) tellStatus(engine, host);
    tellKept();
  }, STATUS_MS);
}

/** Goes on with what was kept, or by its key alone where it is a device; as somebody new where it is empty. */
function begin(host: Host, name: string, placeAt: number, kept: Uint8Array, isDevice = false): void {
  const { join } = host;
  engine?.free();
  const tcp = join.proxies.map((proxy) => proxy.tcp);
  const nextKey = join.next_authority_public_key ?? "";
  // What the engine asks for while it is made comes before there is one.
  const made = new Engine(
    host,
    join.cluster_id,
    join.authority_public_key,
    nextKey,
    tcp,
    name,
    kept,
    isDevice,
    placeAt,
    performance.now(),
    Date.now(),
  );
  host.engine = made;
  engine = made;
  pace();
}

/** Has a proxy know the session's key, and the page keep it. */
async function tellDevice(host: Host): Promise<void> {
  const kept = engine?.keep();
  if (!kept || !host.isToBeRemembered) return;
  host.isToBeRemembered = false;
  if (!(await remember(host.join, kept))) return;
  host.device = kept;
  tell({ is: "device", kept });
}

/** Asks a proxy, and goes on with what it grants. */
async function account(id: number, deed: AccountDeed): Promise<void> {
  const host = hosted;
  if (!host || !engine) {
    tell({ is: "account", id, answer: { code: undefined, text: "There is no session yet; try again.", retryMs: 0 } });
    return;
  }
  host.isChanging = true;
  try {
    const answer = await ask(host.join, deed, engine.keep());
    if ("text" in answer) {
      tell({ is: "account", id, answer });
      return;
    }
    if ("deleted" in answer) {
      // The session is ended by the proxy, which says why.
      tell({ is: "account", id, answer: { name: answer.deleted, user: 0n } });
      return;
    }
    // Whoever was a guest before leaves the world; who was this user is taken over.
    if (deed.what === "login" || (deed.what === "token" && answer.user !== host.user)) engine?.leave(performance.now(), Date.now());
    tell({ is: "anew" });
    host.goesOn = true;
    host.device = answer.kept;
    host.isToBeRemembered = remembers;
    begin(host, answer.name, host.placeAt, answer.kept);
    tell({ is: "kept", kept: answer.kept });
    tell({ is: "account", id, answer: { name: answer.name, user: answer.user } });
  } catch (error) {
    tell({ is: "account", id, answer: { code: undefined, text: String(error), retryMs: 0 } });
  } finally {
    host.isChanging = false;
  }
}

/** The page may be gone at any moment: it has what brings another one back. */
function tellKept(): void {
  if (engine && hosted?.isAttached) tell({ is: "kept", kept: engine.keep() });
}

function pace(): void {
  engine?.pace(isHidden ? HIDDEN_PACE_MS : 0);
}

function tellStatus(engine: Engine, host: Host): void {
  const [upBytes = 0, downBytes = 0] = engine.traffic();
  const status: Told = {
    is: "status",
    what: {
      roundTripMs: engine.round_trip_ms(),
      delayMs: engine.delay_ms(),
      errorUnits: engine.error_units(),
      ownGapMs: host.takeOwnGapMs(),
      tick: host.tick,
      upBytes,
      downBytes,
    },
  };
  tell(status);
}

function sayWalk(): void {
  if (walk) engine?.input(walk.input, walk.velocity[0], walk.velocity[1], performance.now(), Date.now());
}

function command(id: number, body: Uint8Array, isDurable: boolean): void {
  let number = 0;
  let refused: string | undefined;
  try {
    if (!engine) throw "the player is not in the world yet";
    number = engine.command(body, isDurable, performance.now(), Date.now());
  } catch (error) {
    refused = String(error);
  }
  tell({ is: "sent", id, number, refused });
  tellKept();
}

function tellPicture(): void {
  const frame = engine?.frame(performance.now());
  if (!frame) {
    tell({ is: "picture", picture: { ids: new BigUint64Array(), numbers: new Float32Array(), own: undefined } });
    return;
  }
  const ids = frame.ids() as BigUint64Array<ArrayBuffer>;
  const numbers = frame.numbers() as Float32Array<ArrayBuffer>;
  const [x, y] = frame.own();
  frame.free();
  const own = x === undefined || y === undefined ? undefined : { x, y };
  tell({ is: "picture", picture: { ids, numbers, own } }, [ids.buffer, numbers.buffer]);
}

let engine: Engine | undefined;
let hosted: Host | undefined;
let isHidden = false;
/** Whether keys of this tab's sessions bring their players back later. */
let remembers = false;
let weather: Weather = { delayMs: 0, jitterMs: 0, lossPercent: 0 };

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.is) {
    case "start":
      start(data).catch((error) =>
        tell({ is: "over", what: { code: undefined, text: String(error) } }),
      );
      break;
    case "walk":
      walk = data;
      if (hosted?.isAttached) sayWalk();
      break;
    case "command":
      command(data.id, data.body, data.isDurable);
      break;
    case "picture":
      tellPicture();
      break;
    case "weather":
      weather = data.weather;
      if (hosted) hosted.weather = weather;
      break;
    case "hidden":
      ({ isHidden } = data);
      pace();
      break;
    case "account":
      void account(data.id, data.deed);
      break;
    case "leave":
      engine?.leave(performance.now(), Date.now());
      break;
  }
};
