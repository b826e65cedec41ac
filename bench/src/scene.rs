//! What benchmarks have in common: a world of one region at a given density, full of players who walk.

mod region_host;
mod walkers;

use std::sync::Arc;

use anyhow::anyhow;
use protocol::ids::{Incarnation, LiveLane, NodeNumber, ProxyLane, RegionNumber};
use topology::Topology;

pub(crate) use region_host::{RegionHost, SESSION};
pub(crate) use walkers::Walkers;

/// The game server of the region.
pub(crate) const SERVER: NodeNumber = NodeNumber(1);
/// Its proxies; the first is the one that is looked at.
pub(crate) const PROXIES: [LiveLane; 2] = [only_lane(101), only_lane(102)];

/// The one lane of a proxy.
const fn only_lane(proxy: u16) -> LiveLane {
    LiveLane {
        at: ProxyLane::first(NodeNumber(proxy)),
        incarnation: Incarnation(1),
    }
}

/// The region.
pub(crate) const REGION: RegionNumber = RegionNumber(1);
/// Edge of a cell, units.
pub(crate) const CELL_SIZE: u32 = 32;
/// Between two ticks, milliseconds.
pub(crate) const TICK_MS: u64 = 50;
/// Players per cell at which a player sees about 35 others in its nine cells.
pub(crate) const PLAYERS_PER_CELL: f64 = 3.9;

/// A square world of one region, so many cells wide.
pub(crate) fn world(cells_wide: u32) -> anyhow::Result<Arc<Topology>> {
    let size = cells_wide * CELL_SIZE;
    let text = format!(
        r#"
[world]
name = "bench"
size = [{size}, {size}]
cell_size = {CELL_SIZE}
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "gs"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[[proxy]]
name = "edge-2"
number = 102
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[grid]
columns = 1
rows = 1
servers = ["gs"]
"#
    );
    topology::parse("bench.toml", &text)
        .map(Arc::new)
        .map_err(|mistakes| anyhow!("{mistakes:?}"))
}

/// The width in cells at which so many players stand at [`PLAYERS_PER_CELL`].
pub(crate) fn cells_wide(players: usize) -> u32 {
    ((players as f64 / PLAYERS_PER_CELL).sqrt().round() as u32).max(3)
}
