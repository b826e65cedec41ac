// Plays in a Regionmesh world from a browser. What this file exports is the package.

export { connect, MeshClient, type Options, type Sent } from "./client.js";
export type { Entity, Events, Join, Picture, Status, Weather, World } from "./messages.js";
