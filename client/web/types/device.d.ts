/** Whether this tab is the one that has the device of this name: until it is closed, no other is. */
export declare function claim(name: string): Promise<boolean>;
/** What was kept; nothing where there is nothing, or no way to read it. */
export declare function read(name: string): Promise<Uint8Array>;
/** Keeps it, or takes it away where it is empty. A browser that lets nothing be kept is one without a device. */
export declare function write(name: string, kept: Uint8Array): Promise<void>;
