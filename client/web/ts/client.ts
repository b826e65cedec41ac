// The client as a page uses it. All work is done by its worker.

import * as device from "./device.js";
import type {
  AccountDeed,
  Entity,
  Events,
  FromWorker,
  Join,
  Picture,
  Refused,
  Status,
  ToWorker,
  Weather,
  World,
} from "./messages.js";

export interface Options {
  /** Where to find `join.json`: the origin of any proxy; the page's own if it is left out. */
  url?: string;
  /** What `join.json` says, instead. */
  join?: Join;
  /** What the guest is to be called; a name is made if it is left out. */
  name?: string;
  /** Where in the game's own state the player's place is: two f32, x first. Without it the player is not foretold. */
  placeAt?: number;
  /**
   * The name in `sessionStorage` under which the session outlives a reload of its tab: the same player comes back. Each tab
   * has a session of its own. Without it a reload begins anew. Of all tabs one has a key in `IndexedDB` under the same name as
   * well, by which the player comes back within 90 days, where the page came over `https:` or from this machine.
   */
  keepAs?: string;
  /** The worker's script; beside this one if it is left out. */
  worker?: string | URL;
}

/** A command on its way. */
export interface Sent {
  /** Commands are numbered from 1. */
  number: number;
  /** Fulfilled when it is applied; a durable one is stored by then. */
  applied: Promise<void>;
}

/** Nothing was done about an account, and this is why; `message` is for people. */
export class AccountError extends Error {
  readonly code: number | undefined;
  readonly retryMs: number;

  constructor({ code, text, retryMs }: Refused) {
    super(text);
    this.code = code;
    this.retryMs = retryMs;
  }
}

type Listener<Name extends keyof Events> = (what: Events[Name]) => void;

const NOTHING: Picture = { ids: new BigUint64Array(), numbers: new Float32Array(), own: undefined };

/** Fetches `join.json` and begins to log in as a guest. */
export async function connect(options: Options = {}): Promise<MeshClient> {
  const url = options.url ?? location.origin;
  const join = options.join ?? (await fetchJoin(url));
  // A proxy that is not written with its origin is the one that was asked.
  const proxies = join.proxies.map((proxy) => ({ url: join.proxies.length === 1 ? url : undefined, ...proxy }));
  // The one that answered goes first.
  proxies.sort((a, b) => Number(b.url === url) - Number(a.url === url));
  const isDevice = options.keepAs !== undefined && (await device.claim(options.keepAs));
  const known = isDevice && options.keepAs !== undefined ? await device.read(options.keepAs) : new Uint8Array();
  return new MeshClient({ ...join, proxies }, options, isDevice ? known : undefined);
}

async function fetchJoin(url: string): Promise<Join> {
  const answer = await fetch(new URL("/join.json", url), { cache: "no-store" });
  if (!answer.ok) throw new Error(`${url}/join.json: ${answer.status} ${answer.statusText}`);
  const join: Join = await answer.json();
  if (join.version !== 1) throw new Error(`join.json is of version ${join.version}, this client reads version 1`);
  return join;
}

/** One player's client: events by {@link on}, everything else by asking. */
export class MeshClient {
  /** Everybody in view, by entity. */
  readonly entities = new Map<bigint, Entity>();
  world: World | undefined;
  /** The player's own entity. */
  entity: bigint | undefined;
  user: bigint | undefined;
  /** What carries inputs and news; undefined while there is no connection. */
  transport: Events["transport"] | undefined;
  status: Status | undefined;
  #worker: Worker;
  #listeners = new Map<keyof Events, Set<Listener<never>>>();
  #picture = NOTHING;
  #isPictureAsked = false;
  #sent = new Map<number, { resolve: (sent: Sent) => void; reject: (error: Error) => void }>();
  #applied: { number: number; resolve: () => void }[] = [];
  #asked = new Map<number, (answer: { name: string; user: bigint } | Refused) => void>();
  #nextId = 0;
  #kept: Uint8Array = new Uint8Array();
  #keepAs: string | undefined;
  #deviceAs: string | undefined;

  /** `known`: what there is of a device; undefined: this tab is none. */
  constructor(join: Join, { name = "", placeAt = -1, worker, keepAs }: Options, known?: Uint8Array) {
    this.#keepAs = keepAs;
    this.#deviceAs = known && keepAs;
    this.#worker = new Worker(worker ?? new URL("regionmesh-worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.#worker.onerror = (error) =>
      this.#tell("over", { code: undefined, text: `the worker failed: ${error.message || "it could not be loaded"}` });
    this.#say({ is: "start", join, name: name || guestName(), placeAt, kept: this.#takeKept(), device: known ?? new Uint8Array(), remember: known !== undefined });
    addEventListener("pagehide", () => this.#putKept());
    document.addEventListener("visibilitychange", () => this.#noteVisibility());
    this.#noteVisibility();
  }

  /** Listens; the function that it returns ends that. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener as Listener<never>));
    return () => listeners.delete(listener as Listener<never>);
  }

  /** The input in force until the next one; with it the player walks so many units a second to the east and to the south. */
  walk(input: Uint8Array, velocity: [number, number] = [0, 0]): void {
    this.#say({ is: "walk", input, velocity });
  }

  /** Sends a command; it is applied exactly once, in order. Rejected when too many await acknowledgement. */
  command(body: Uint8Array, kind: "soft" | "durable" = "soft"): Promise<Sent> {
    const id = this.#nextId++;
    this.#say({ is: "command", id, body, isDurable: kind === "durable" });
    return new Promise((resolve, reject) => this.#sent.set(id, { resolve, reject }));
  }

  /**
   * Makes an account of the guest who plays, logs in to one, or sets another password: then this client is at it, under the name that
   * is returned. Or deletes it: then the session is over, and the name that was its is returned. Rejected with an {@link AccountError}, and everything is as before. Passwords are taken over TLS, or on the machine of
   * the proxy.
   */
  async account(deed: AccountDeed): Promise<{ name: string; user: bigint }> {
    const id = this.#nextId++;
    this.#say({ is: "account", id, deed });
    const answer = await new Promise<{ name: string; user: bigint } | Refused>((resolve) => this.#asked.set(id, resolve));
    if ("text" in answer) throw new AccountError(answer);
    return answer;
  }

  /** The newest picture; asks for the next one. To be called once for each one that is drawn. */
  picture(): Picture {
    if (!this.#isPictureAsked) {
      this.#isPictureAsked = true;
      this.#say({ is: "picture" });
    }
    return this.#picture;
  }

  /** Bad weather for this client's own traffic. */
  set weather(weather: Weather) {
    this.#say({ is: "weather", weather });
  }

  /** Leaves the world for good; nothing is kept of the session. */
  async leave(): Promise<void> {
    this.#keepAs = undefined;
    const as = this.#deviceAs;
    this.#deviceAs = undefined;
    this.#say({ is: "leave" });
    if (as !== undefined) await device.write(as, new Uint8Array());
  }

  /** Ends the client, whatever it is at. */
  close(): void {
    this.#worker.terminate();
  }

  #say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromWorker): void {
    switch (message.is) {
      case "picture":
        this.#isPictureAsked = false;
        this.#picture = message.picture;
        return;
      case "kept":
        this.#kept = message.kept;
        return;
      case "device":
        if (this.#deviceAs !== undefined) void device.write(this.#deviceAs, message.kept);
        return;
      case "sent":
        this.#noteSent(message.id, message.number, message.refused);
        return;
      case "anew":
        for (const id of [...this.entities.keys()]) this.#take({ is: "gone", what: id });
        return;
      case "account":
        this.#asked.get(message.id)?.(message.answer);
        this.#asked.delete(message.id);
        return;
      case "attached":
        this.user = message.what.user;
        this.transport = "WebSocket";
        break;
      case "transport":
        this.transport = message.what;
        break;
      case "lost":
      case "over":
        this.transport = undefined;
        break;
      case "world":
        this.world = message.what;
        break;
      case "playing":
        this.entity = message.what.entity;
        break;
      case "seen":
        this.entities.set(message.what.id, message.what.entity);
        break;
      case "gone":
        this.entities.delete(message.what);
        break;
      case "status":
        this.status = message.what;
        break;
      case "acked": {
        const applied = this.#applied.filter((sent) => sent.number <= message.what);
        this.#applied = this.#applied.filter((sent) => sent.number > message.what);
        for (const sent of applied) sent.resolve();
        break;
      }
    }
    this.#tell(message.is, message.what as never);
  }

  /** In the storage only while nobody sees the page: a tab that is doubled meanwhile would be the same player twice. */
  #noteVisibility(): void {
    const isHidden = document.visibilityState === "hidden";
    if (isHidden) this.#putKept();
    else this.#takeKept();
    this.#say({ is: "hidden", isHidden });
  }

  #putKept(): void {
    if (this.#keepAs === undefined || this.#kept.length === 0) return;
    sessionStorage.setItem(this.#keepAs, btoa(String.fromCharCode(...this.#kept)));
  }

  #takeKept(): Uint8Array {
    const kept = this.#keepAs === undefined ? null : sessionStorage.getItem(this.#keepAs);
    if (this.#keepAs === undefined || kept === null) return new Uint8Array();
    sessionStorage.removeItem(this.#keepAs);
    try {
      return Uint8Array.from(atob(kept), (byte) => byte.charCodeAt(0));
    } catch {
      return new Uint8Array();
    }
  }

  #noteSent(id: number, number: number, refused: string | undefined): void {
    const waiting = this.#sent.get(id);
    this.#sent.delete(id);
    if (refused !== undefined) {
      waiting?.reject(new Error(refused));
      return;
    }
    const applied = new Promise<void>((resolve) => this.#applied.push({ number, resolve }));
    waiting?.resolve({ number, applied });
  }

  #tell<Name extends keyof Events>(name: Name, what: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as Listener<Name>)(what);
  }
}

/** Two words that nobody minds to be called. */
function guestName(): string {
  const one = ["Amber", "Brisk", "Clever", "Dapper", "Eager", "Fern", "Gentle", "Hazel", "Ivory", "Jolly", "Lunar", "Mellow"];
  const two = ["Badger", "Comet", "Dove", "Finch", "Heron", "Ibis", "Lynx", "Marten", "Otter", "Puffin", "Robin", "Wren"];
  const [a = 0, b = 0] = crypto.getRandomValues(new Uint8Array(2));
  return `${one[a % one.length]} ${two[b % two.length]}`;
}
