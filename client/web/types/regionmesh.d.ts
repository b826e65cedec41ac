export { AccountError, connect, MeshClient, type Options, type Sent } from "./client.js";
export type { AccountDeed, Entity, Events, Join, Picture, Refused, Status, Weather, World } from "./messages.js";
