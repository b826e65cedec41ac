// Plays in a Regionmesh world from a browser. What this file exports is the package.

export { AccountError, connect, MeshClient, type Options, type Sent } from "./client.js";
export type { AccountDeed, Entity, Events, Join, Picture, Refused, Status, Weather, World } from "./messages.js";
