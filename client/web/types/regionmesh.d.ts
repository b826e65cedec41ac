export { connect, MeshClient, type Options, type Sent } from "./client.js";
export type { Entity, Events, Join, Picture, Status, Weather, World } from "./messages.js";
