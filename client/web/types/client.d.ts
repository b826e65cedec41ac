import type { AccountDeed, Entity, Events, Join, Picture, Refused, Status, Weather, World } from "./messages.js";
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
export declare class AccountError extends Error {
    readonly code: number | undefined;
    readonly retryMs: number;
    constructor({ code, text, retryMs }: Refused);
}
type Listener<Name extends keyof Events> = (what: Events[Name]) => void;
/** Fetches `join.json` and begins to log in as a guest. */
export declare function connect(options?: Options): Promise<MeshClient>;
/** One player's client: events by {@link on}, everything else by asking. */
export declare class MeshClient {
    #private;
    /** Everybody in view, by entity. */
    readonly entities: Map<bigint, Entity>;
    world: World | undefined;
    /** The player's own entity. */
    entity: bigint | undefined;
    user: bigint | undefined;
    /** What carries inputs and news; undefined while there is no connection. */
    transport: Events["transport"] | undefined;
    status: Status | undefined;
    /** `known`: what there is of a device; undefined: this tab is none. */
    constructor(join: Join, { name, placeAt, worker, keepAs }: Options, known?: Uint8Array);
    /** Listens; the function that it returns ends that. */
    on<Name extends keyof Events>(name: Name, listener: Listener<Name>): () => void;
    /** The input in force until the next one; with it the player walks so many units a second to the east and to the south. */
    walk(input: Uint8Array, velocity?: [number, number]): void;
    /** Sends a command; it is applied exactly once, in order. Rejected when too many await acknowledgement. */
    command(body: Uint8Array, kind?: "soft" | "durable"): Promise<Sent>;
    /**
     * Makes an account of the guest who plays, logs in to one, or sets another password: then this client is at it, under the name that
     * is returned. Or deletes it: then the session is over, and the name that was its is returned. Rejected with an {@link AccountError}, and everything is as before. Passwords are taken over TLS, or on the machine of
     * the proxy.
     */
    account(deed: AccountDeed): Promise<{
        name: string;
        user: bigint;
    }>;
    /** The newest picture; asks for the next one. To be called once for each one that is drawn. */
    picture(): Picture;
    /** Bad weather for this client's own traffic. */
    set weather(weather: Weather);
    /** Leaves the world for good; nothing is kept of the session. */
    leave(): Promise<void>;
    /** Ends the client, whatever it is at. */
    close(): void;
}
export {};
