//! What goes where: players, messages, bytes and crossings of each node, added up over all cells.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::PI;

use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionNumber};

use super::crowd::Crowd;
use super::wire;
use super::{Load, NodeSize, PairSize, StoreSize, UnitCosts};
use crate::Topology;

/// What one game server does, per second.
#[derive(Clone, Copy, Debug, Default)]
struct Serving {
    players: f64,
    /// Players who leave its regions or come into them, halves of both.
    crossings: f64,
    regions: usize,
}

/// The sums.
pub(super) struct Flows<'a> {
    topology: &'a Topology,
    units: &'a UnitCosts,
    load: &'a Load,
    serving: BTreeMap<NodeNumber, Serving>,
    /// Bytes per second from one node to another.
    bytes: BTreeMap<(NodeNumber, NodeNumber), f64>,
    /// The same summed up by node: in and out.
    by_node: BTreeMap<NodeNumber, [f64; 2]>,
    /// Crossings of all borders of regions.
    crossings: f64,
    /// Sum over players of what each sees, as far as a snapshot has room for it.
    seen: f64,
}

impl<'a> Flows<'a> {
    pub(super) fn new(topology: &'a Topology, crowd: &Crowd, load: &'a Load, units: &'a UnitCosts) -> Self {
        let servers = topology.servers().iter();
        let mut flows = Self {
            topology,
            units,
            load,
            serving: servers
                .map(|server| (server.number, Serving::default()))
                .collect(),
            bytes: BTreeMap::new(),
            by_node: BTreeMap::new(),
            crossings: 0.0,
            seen: 0.0,
        };
        for region in topology.regions() {
            flows.serving_of(region.server).regions += 1;
        }
        flows.count_cells(crowd);
        flows.count_borders(crowd);
        flows.count_players();
        flows.count_lanes(crowd);
        flows.count_peers();
        for ((from, to), bytes) in &flows.bytes {
            flows.by_node.entry(*to).or_default()[0] += bytes;
            flows.by_node.entry(*from).or_default()[1] += bytes;
        }
        flows
    }

    fn hz(&self) -> f64 {
        f64::from(self.topology.world().tick_hz)
    }

    fn proxies_count(&self) -> f64 {
        self.topology.proxies().len().max(1) as f64
    }

    fn serving_of(&mut self, server: NodeNumber) -> &mut Serving {
        self.serving.entry(server).or_default()
    }

    fn server_at(&self, cell: CellIndex) -> NodeNumber {
        let region = self.topology.region_of_cell(cell);
        let region = region.and_then(|number| self.topology.region(number));
        region.map_or(NodeNumber(0), |region| region.server)
    }

    /// Bytes of a cell's update per second: none while nobody is in it.
    fn cell_bytes(&self, players: f64) -> f64 {
        (is_any(players) * self.units.cell_bytes + players * self.units.entity_bytes) * self.hz()
    }

    /// Each cell goes to every shard of which a player sees it, by that shard's own lane; each crossing of two cells may be one of
    /// two regions.
    fn count_cells(&mut self, crowd: &Crowd) {
        let most = self.units.visible_max;
        // Proxies with as many shards are sent the same.
        let shards: BTreeSet<u16> = self.topology.proxies().iter().map(|proxy| proxy.shards).collect();
        let mut wanted: BTreeMap<(NodeNumber, u16), f64> = BTreeMap::new();
        for cell in (0..crowd.grid.len()).map(CellIndex) {
            let (players, server) = (crowd.of(cell), self.server_at(cell));
            self.serving_of(server).players += players;
            self.seen += players * crowd.visible(cell).min(most);
            let bytes = self.cell_bytes(players);
            for shards in &shards {
                let count = f64::from(*shards);
                let elsewhere = 1.0 - 1.0 / (self.proxies_count() * count);
                let lanes = count * (1.0 - elsewhere.powf(crowd.viewers(cell)));
                *wanted.entry((server, *shards)).or_default() += lanes * bytes;
            }
            self.count_crossings(crowd, cell);
        }
        for proxy in self.topology.proxies() {
            for ((server, shards), bytes) in &wanted {
                if *shards == proxy.shards {
                    *self.bytes.entry((*server, proxy.number)).or_default() += bytes;
                }
            }
        }
    }

    /// Who walks in all directions at a speed v passes a line at n v / π per unit of its length and direction, where n is the number of
    /// walkers per area (the flux of an isotropic gas in two dimensions).
    fn count_crossings(&mut self, crowd: &Crowd, cell: CellIndex) {
        let (column, row) = crowd.grid.column_row(cell);
        let region = self.topology.region_of_cell(cell);
        for (column, row) in [(column + 1, row), (column, row + 1)] {
            if column >= crowd.grid.columns || row >= crowd.grid.rows {
                continue;
            }
            let next = crowd.grid.cell(column, row);
            if self.topology.region_of_cell(next) == region {
                continue;
            }
            let both = crowd.of(cell) + crowd.of(next);
            let crossings = both * self.load.speed / (PI * f64::from(crowd.grid.cell_size.max(1)));
            self.crossings += crossings;
            let servers = [self.server_at(cell), self.server_at(next)];
            for server in servers {
                self.serving_of(server).crossings += crossings / 2.0;
            }
            if servers[0] != servers[1] {
                // As many go as come, and what is said to and fro differs by who goes.
                let bytes = crossings * self.units.crossing_bytes / 2.0;
                for (from, to) in [(servers[0], servers[1]), (servers[1], servers[0])] {
                    *self.bytes.entry((from, to)).or_default() += bytes;
                }
            }
        }
    }

    /// What servers show each other: the strip along each border of regions that two of them serve, each cell once. What changes
    /// of it in a tick is a message of each region, and a frame of all of them.
    fn count_borders(&mut self, crowd: &Crowd) {
        let mut wanted: BTreeMap<(NodeNumber, NodeNumber), BTreeMap<RegionNumber, BTreeSet<CellIndex>>> =
            BTreeMap::new();
        for region in self.topology.regions() {
            for number in self.topology.neighbours(region.number) {
                let Some(near) = self.topology.region(*number) else {
                    continue;
                };
                if near.server == region.server {
                    continue;
                }
                let strip = self.topology.border_strip(region.number, *number);
                let of_server = wanted.entry((near.server, region.server)).or_default();
                of_server.entry(*number).or_default().extend(strip);
            }
        }
        for (pair, strips) in wanted {
            let (mut bytes, mut all) = (0.0, 0.0);
            for strip in strips.values() {
                let players: f64 = strip.iter().map(|cell| crowd.of(*cell)).sum();
                let cells = strip.iter().map(|cell| self.cell_bytes(crowd.of(*cell)));
                bytes += cells.sum::<f64>() + is_any(players) * wire::updates_bytes() * self.hz();
                all += players;
            }
            bytes += is_any(all) * wire::FRAME_BYTES * self.hz();
            *self.bytes.entry(pair).or_default() += bytes;
        }
    }

    /// Inputs go from a player's proxy to its server, own states back.
    fn count_players(&mut self) {
        let (hz, proxies) = (self.hz(), self.proxies_count());
        let serving: Vec<_> = self
            .serving
            .iter()
            .map(|(server, of)| (*server, of.players))
            .collect();
        for proxy in self.topology.proxies() {
            for (server, players) in &serving {
                let each = players / proxies * hz;
                *self.bytes.entry((proxy.number, *server)).or_default() += each * self.units.input_link_bytes;
                *self.bytes.entry((*server, proxy.number)).or_default() += each * self.units.own_state_bytes;
            }
        }
    }

    /// What each lane from a shard to a game server takes beside: a frame per tick in which anything is said by it, the cells of each
    /// region in a message and the end of its tick in another one, and heartbeats of both ends.
    fn count_lanes(&mut self, crowd: &Crowd) {
        let (hz, beats, proxies) = (self.hz(), wire::heartbeats_hz(), self.topology.proxies().len());
        let mut by_region: BTreeMap<NodeNumber, BTreeMap<RegionNumber, f64>> = BTreeMap::new();
        for cell in (0..crowd.grid.len()).map(CellIndex) {
            if let Some(region) = self.topology.region_of_cell(cell) {
                let of_server = by_region.entry(self.server_at(cell)).or_default();
                *of_server.entry(region).or_default() += crowd.of(cell);
            }
        }
        let said = wire::updates_bytes() + wire::tick_end_bytes();
        for server in self.topology.servers() {
            let regions = by_region.remove(&server.number).unwrap_or_default();
            for proxy in self.topology.proxies() {
                let shards = f64::from(proxy.shards);
                let share = 1.0 / (self.proxies_count() * shards);
                let of_regions = regions.values().map(|players| is_any(players * share) * said);
                let all: f64 = regions.values().sum();
                let ticks = of_regions.sum::<f64>() + is_any(all * share) * wire::FRAME_BYTES;
                let out = shards * (hz * ticks + beats * wire::heartbeat_bytes(proxies));
                *self.bytes.entry((server.number, proxy.number)).or_default() += out;
                let back = shards * beats * wire::heartbeat_bytes(0);
                *self.bytes.entry((proxy.number, server.number)).or_default() += back;
            }
        }
    }

    /// Two game servers whose regions touch have a link each way, and both ends of both send heartbeats.
    fn count_peers(&mut self) {
        let proxies = self.topology.proxies().len();
        let bytes = 2.0 * wire::heartbeats_hz() * wire::heartbeat_bytes(proxies);
        for server in self.topology.servers() {
            for peer in self.topology.peers_of(server.number) {
                *self.bytes.entry((server.number, peer)).or_default() += bytes;
            }
        }
    }

    fn link_bytes(&self, node: NodeNumber) -> [f64; 2] {
        self.by_node.get(&node).copied().unwrap_or_default()
    }

    fn link_cores(&self, bytes: [f64; 2]) -> f64 {
        (bytes[0] + bytes[1]) / 1024.0 * self.units.link_us_per_kib / 1e6
    }

    pub(super) fn servers(&self) -> Vec<NodeSize> {
        let servers = self.topology.servers().iter();
        let sizes = servers.map(|server| {
            let serving = self.serving.get(&server.number).copied().unwrap_or_default();
            let bytes = self.link_bytes(server.number);
            let us = serving.players * self.hz() * self.units.server_us
                + serving.crossings * self.units.crossing_us;
            let is_busy = if serving.regions > 0 { 1.0 } else { 0.0 };
            NodeSize {
                number: server.number,
                name: server.name.clone(),
                players: serving.players,
                cores: is_busy * self.units.server_cores + us / 1e6 + self.link_cores(bytes),
                cores_max: 1.0,
                bytes_in: bytes[0],
                bytes_out: bytes[1],
            }
        });
        sizes.collect()
    }

    pub(super) fn proxies(&self) -> Vec<NodeSize> {
        let players = f64::from(self.load.players) / self.proxies_count();
        let seen = self.seen / f64::from(self.load.players.max(1));
        let proxies = self.topology.proxies().iter();
        let sizes = proxies.map(|proxy| {
            let bytes = self.link_bytes(proxy.number);
            let ticks = players * self.hz();
            let us = ticks * (self.units.proxy_us + seen * self.units.proxy_us_per_visible);
            let snapshot = self.units.snapshot_bytes + seen * self.units.snapshot_bytes_per_visible;
            NodeSize {
                number: proxy.number,
                name: proxy.name.clone(),
                players,
                cores: self.units.proxy_cores + us / 1e6 + self.link_cores(bytes),
                cores_max: f64::from(proxy.shards),
                bytes_in: bytes[0] + ticks * self.units.input_bytes,
                bytes_out: bytes[1] + ticks * snapshot,
            }
        });
        sizes.collect()
    }

    pub(super) fn pairs(&self) -> Vec<PairSize> {
        let name = |number: NodeNumber| {
            let server = self.topology.server(number).map(|server| server.name.clone());
            let proxy = self.topology.proxy(number).map(|proxy| proxy.name.clone());
            server.or(proxy).unwrap_or_default()
        };
        let pairs = self.bytes.iter().map(|((from, to), bytes)| PairSize {
            names: [name(*from), name(*to)],
            bytes: *bytes,
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by(|one, other| other.bytes.total_cmp(&one.bytes));
        pairs
    }

    pub(super) fn store(&self) -> StoreSize {
        let players = f64::from(self.load.players);
        StoreSize {
            crossings: self.crossings,
            durable: players * self.load.durable_hz,
            soft: players * self.units.soft_saves_hz,
            rows_max: self.units.rows_max,
        }
    }
}

/// How often there is anybody where so many players are on average.
fn is_any(players: f64) -> f64 {
    1.0 - (-players).exp()
}
