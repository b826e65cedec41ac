/** `join.json`: whom to trust and where to go. */
export interface Join {
    version: number;
    cluster_id: string;
    authority_public_key: string;
    next_authority_public_key?: string;
    /** Whom passwords and tokens are sealed to; without any, proxies read them. */
    auth?: {
        uuid: string;
        public_key: string;
    }[];
    proxies: {
        name: string;
        tcp: string;
        url?: string;
    }[];
}
/** Bad weather for this client's own traffic. */
export interface Weather {
    /** Added to the round trip, milliseconds. */
    delayMs: number;
    /** The added delay differs by up to so much, either way, milliseconds. */
    jitterMs: number;
    /** Of a hundred messages so many are lost. By WebSocket it is repeated, as TCP does: it comes late, and so does all behind it. By WebTransport it is gone. */
    lossPercent: number;
}
/** The fixed shape of the world. */
export interface World {
    width: number;
    height: number;
    cellSize: number;
    /** Rings of cells around the player's own cell that are in view. */
    viewRings: number;
    tickHz: number;
    /** The region number of each cell, row by row. */
    regions: Uint32Array;
}
/** How the connection fares; told four times a second. */
export interface Status {
    /** To the proxy and back, milliseconds; NaN while it is not known. */
    roundTripMs: number;
    /** How far behind the newest news others are drawn, milliseconds. */
    delayMs: number;
    /** How far off the server last found the drawn player, units. */
    errorUnits: number;
    /** The longest wait for an own state since the last status, milliseconds. */
    ownGapMs: number;
    /** Tick of the server that simulates the player. */
    tick: number;
    /** Bytes sent and received so far. */
    upBytes: number;
    downBytes: number;
}
/** Where everybody is at a moment. */
export interface Picture {
    /** Entities in view but for the player's own. */
    ids: BigUint64Array;
    /** Four numbers of each: x, y, heading (radians, from east over south), speed (units a second). */
    numbers: Float32Array;
    /** Where the player itself is, foretold. */
    own: {
        x: number;
        y: number;
    } | undefined;
}
/** What an entity is. */
export interface Entity {
    kind: number;
    /** The game's own bytes. */
    state: Uint8Array;
}
/** What can be done about an account. */
export type AccountDeed = 
/** Makes one, of the guest who plays; of nobody else is it ever asked. */
{
    what: "register";
    name: string;
    password: string;
} | {
    what: "login";
    name: string;
    password: string;
}
/** Logs in by a signed word of somebody else who vouches for the player, or makes an account of the guest who plays. */
 | {
    what: "token";
    token: string;
    name?: string;
}
/** Deletes the account of who plays, for good; the session ends. */
 | {
    what: "delete";
    by: "password" | "token";
    proof: string;
}
/** Sets another password, by the one that it has or by an operator's code. All other sessions of the account end. */
 | {
    what: "password";
    name: string;
    by: "password" | "code";
    proof: string;
    newPassword: string;
};
/** Why not. */
export interface Refused {
    /** As the manual of the protocol numbers them; undefined: no proxy has said anything. */
    code: number | undefined;
    /** For people. */
    text: string;
    /** When it is worth another try, milliseconds; 0: it is not. */
    retryMs: number;
}
/** Everything that a client is told, by name. */
export interface Events {
    /** The player is let in, or in again, by this proxy. */
    attached: {
        proxy: string;
        user: bigint;
    };
    /** What carries inputs and news from now on; commands and events go by the WebSocket always. */
    transport: "WebSocket" | "WebTransport";
    /** The connection is lost; the client looks for another by itself. */
    lost: {
        code: number | undefined;
        text: string;
    };
    /** The session is over; nothing more comes. */
    over: {
        code: number | undefined;
        text: string;
    };
    /** The same session goes on at another proxy, or at the same one again. */
    resumed: {
        attachNo: number;
    };
    world: World;
    /** The player is in the world: for the first time, again, or at another server after a crossing. */
    playing: {
        entity: bigint;
        epoch: bigint;
        region: number;
        node: number;
    };
    /** The game's own state of the player. */
    own: {
        bytes: Uint8Array;
        tick: number;
        inputAck: number;
    };
    /** An event of the game: reliable, in order, once. */
    event: Uint8Array;
    /** What the rules of a region say to this user, or to all: soft, told once at most. */
    news: {
        region: number;
        toAll: boolean;
        bytes: Uint8Array;
    };
    /** All commands up to this one are applied. */
    acked: number;
    notice: {
        code: number;
        text: string;
    };
    /** An entity came into view, or its state is another one. */
    seen: {
        id: bigint;
        entity: Entity;
    };
    gone: bigint;
    status: Status;
}
export type Told = {
    [Name in keyof Events]: {
        is: Name;
        what: Events[Name];
    };
}[keyof Events];
export type ToWorker = 
/** `kept` goes on with a session; `device` comes back by its key where there is none. Whether the key is to bring it back later. */
{
    is: "start";
    join: Join;
    name: string;
    placeAt: number;
    kept: Uint8Array;
    device: Uint8Array;
    remember: boolean;
} | {
    is: "walk";
    input: Uint8Array;
    velocity: [number, number];
} | {
    is: "command";
    id: number;
    body: Uint8Array;
    isDurable: boolean;
} | {
    is: "picture";
} | {
    is: "weather";
    weather: Weather;
} | {
    is: "hidden";
    isHidden: boolean;
} | {
    is: "account";
    id: number;
    deed: AccountDeed;
} | {
    is: "leave";
};
export type FromWorker = Told | {
    is: "picture";
    picture: Picture;
} | {
    is: "kept";
    kept: Uint8Array;
}
/** A proxy knows this session's key as a device of its user. */
 | {
    is: "device";
    kept: Uint8Array;
}
/** The session of before is over here, and another one begins. */
 | {
    is: "anew";
} | {
    is: "account";
    id: number;
    answer: {
        name: string;
        user: bigint;
    } | Refused;
} | {
    is: "sent";
    id: number;
    number: number;
    refused: string | undefined;
};
