//! What a topology may describe at most. Tables are sized by these before anything is allocated.

/// Bytes of a topology file: with the node table and the revocations it must fit a bundle.
pub const FILE_BYTES_MAX: usize = 128 * 1024;
/// Game servers.
pub const SERVERS_MAX: usize = 256;
/// Proxies.
pub const PROXIES_MAX: usize = 256;
/// Auth nodes: as many as a client may be told of.
pub const AUTHS_MAX: usize = protocol::limits::AUTH_NODES_MAX;
/// Regions; every node keeps their neighbours.
pub const REGIONS_MAX: usize = 1024;
/// Cells of the world; every node keeps two bytes for each.
pub const CELLS_MAX: u32 = 1 << 20;
/// Edge of the world, units: up to here an `f32` still tells 1/64 of a unit apart.
pub const WORLD_EDGE_MAX: u32 = 1 << 18;
/// Edge of a cell, units: up to here a place in it fits 16 bits in 1/64 of a unit, with room for the overhang.
pub const CELL_SIZE_MAX: u32 = 256;
/// Rings a player sees: 15 × 15 cells are the most a snapshot may carry.
pub const VIEW_RINGS_MAX: u32 = 7;
/// Cells in view in both layers, near and far: as many as a snapshot may carry.
pub const CELLS_IN_VIEW_MAX: u32 = 256;
/// Width of a border strip, cells.
pub const BORDER_CELLS_MAX: u32 = 8;
/// Ticks per second.
pub const TICK_HZ_MAX: u32 = 60;
/// UDP shards of one proxy process, each a lane to every game server. Larger hosts run more processes.
pub const SHARDS_MAX: u32 = 4;
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 32;
/// Letters of a host name: as many as the name service takes.
pub const HOST_NAME_BYTES_MAX: usize = 253;
/// Letters of one part of a host name.
pub const HOST_NAME_LABEL_BYTES_MAX: usize = 63;
/// Standbys of one region.
pub const STANDBYS_MAX: usize = 8;
/// Mistakes noted before no more pairs of overlapping regions are looked for: a thousand regions have half a million pairs.
pub const MISTAKES_NOTED_MAX: usize = 1000;
/// Mistakes a report shows before it only counts them.
pub const MISTAKES_SHOWN_MAX: usize = 50;
/// Entries of a bundle's node table: every node, proxies that log users in twice, and operators.
pub const BUNDLE_NODES_MAX: usize = 800;
/// Revocations in a bundle; a node whose certificate has expired needs none any more.
pub const BUNDLE_REVOCATIONS_MAX: usize = 1024;
