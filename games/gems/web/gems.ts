// The bytes of the demo game, as games/gems/README.md lays them out.

/** Units a second at full tilt. */
export const SPEED_MAX = 6;
/** How near a gem must lie to be collected, and somebody must stand to be given one, units. */
export const REACH = 8;
/** What one says, bytes of UTF-8. */
export const SAY_BYTES_MAX = 200;
/** Where the player's place is in its own state. */
export const PLACE_AT = 8;

export const Kind = { player: 1, creature: 2, gem: 3 } as const;

const TURN = 2 * Math.PI;

/** A walk: where to, 1/256 turn from east over south, and how fast. */
export interface Walk {
  heading: number;
  speed: number;
}

export const STAND: Walk = { heading: 0, speed: 0 };

/** The walk along a vector, at full speed. */
export function walkAlong(east: number, south: number): Walk {
  if (Math.hypot(east, south) < 1e-6) return STAND;
  const heading = Math.round((256 * Math.atan2(south, east)) / TURN) & 255;
  return { heading, speed: 255 };
}

export const encodeWalk = ({ heading, speed }: Walk) => new Uint8Array([heading, speed]);

/** Units a second to the east and to the south. */
export function velocity({ heading, speed }: Walk): [number, number] {
  const angle = (heading * TURN) / 256;
  const units = (speed * SPEED_MAX) / 255;
  return [Math.cos(angle) * units, Math.sin(angle) * units];
}

/** Says something; what is too long is cut after a letter. */
export function say(text: string): Uint8Array {
  const body = new Uint8Array(1 + SAY_BYTES_MAX);
  body[0] = 0x01;
  const { written } = new TextEncoder().encodeInto(text, body.subarray(1));
  return body.slice(0, 1 + written);
}

export const emote = (which: number) => new Uint8Array([0x02, which]);
/** Reports somebody, as `say` says something. */
export function report(user: bigint, why: string): Uint8Array {
  const words = say(why).subarray(1);
  const body = new Uint8Array(9 + words.length);
  body[0] = 0x03;
  new DataView(body.buffer).setBigUint64(1, user, true);
  body.set(words, 9);
  return body;
}

export const collect = (gem: bigint) => numbers(0x11, gem);
export const give = (gem: bigint, user: bigint) => numbers(0x12, gem, user);

function numbers(kind: number, ...values: bigint[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(1 + 8 * values.length));
  view.setUint8(0, kind);
  values.forEach((value, at) => view.setBigUint64(1 + 8 * at, value, true));
  return new Uint8Array(view.buffer);
}

/** The reason of a refusal that says until when. */
const MUTED = 6;
/** What a `Date` can say, milliseconds; beyond it there is no end. */
const END_OF_TIME = 8_640_000_000_000_000n;

export type GameEvent =
  | { is: "said"; entity: bigint; text: string }
  | { is: "emoted"; entity: bigint; emote: number }
  | { is: "reported"; user: bigint; outcome: number }
  | { is: "collected"; gem: bigint }
  | { is: "given"; gem: bigint; to: bigint }
  | { is: "received"; gem: bigint }
  | { is: "refused"; command: bigint; reason: number; until?: bigint };

/** What an event of the game says; undefined: it is none that this page knows. */
export function parseEvent(bytes: Uint8Array): GameEvent | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const first = view.getBigUint64(1, true);
    switch (view.getUint8(0)) {
      case 0x01:
        return { is: "said", entity: first, text: new TextDecoder().decode(bytes.subarray(9)) };
      case 0x02:
        return { is: "emoted", entity: first, emote: view.getUint8(9) };
      case 0x03:
        return { is: "reported", user: first, outcome: view.getUint8(9) };
      case 0x11:
        return { is: "collected", gem: first };
      case 0x12:
        return { is: "given", gem: first, to: view.getBigUint64(9, true) };
      case 0x13:
        return { is: "received", gem: first };
      case 0x1f:
        return { is: "refused", command: first, reason: view.getUint8(9), ...(view.getUint8(9) === MUTED ? { until: view.getBigUint64(10, true) } : {}) };
    }
  } catch {
    // Cut short.
  }
  return undefined;
}

/** Why a command changed nothing, for people. */
export function refusal(reason: number, until = 0n): string {
  if (reason === MUTED) return `You are muted${until > END_OF_TIME ? "" : ` until ${new Date(Number(until)).toLocaleString()}`}: nobody hears what you say.`;
  const reasons = [
    "That did not work.",
    "The game did not understand that.",
    "That gem is not here any more.",
    "That is out of reach; come closer.",
    "Somebody else was faster.",
    "The world could not be asked just now; try again.",
  ];
  return reasons[reason] ?? reasons[0]!;
}

/** What came of a report, for people. */
export function outcome(outcome: number): string {
  const outcomes = [
    "Your report is kept for those who run this world, with what you heard last.",
    "You have reported enough for now; try again in an hour.",
    "The report could not be kept just now; try again.",
  ];
  return outcomes[outcome] ?? outcomes[2]!;
}

export interface OwnState {
  entity: bigint;
  x: number;
  y: number;
  region: number;
  gems: number;
}

export function parseOwn(bytes: Uint8Array): OwnState | undefined {
  if (bytes.length < 24) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    entity: view.getBigUint64(0, true),
    x: view.getFloat32(8, true),
    y: view.getFloat32(12, true),
    region: view.getUint32(18, true),
    gems: view.getUint16(22, true),
  };
}

/** User and name of a player; a name that was cut within a letter ends before it. */
export function parsePlayer(state: Uint8Array): { user: bigint; name: string } {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const user = state.length >= 8 ? view.getBigUint64(0, true) : 0n;
  const name = new TextDecoder().decode(state.subarray(8)).replace(/\uFFFD+$/u, "");
  return { user, name: name || `guest ${user}` };
}

/** The number of a gem on the ground. */
export function parseGem(state: Uint8Array): bigint | undefined {
  if (state.length !== 8) return undefined;
  return new DataView(state.buffer, state.byteOffset, 8).getBigUint64(0, true);
}
