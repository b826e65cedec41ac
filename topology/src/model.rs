//! The checked topology: world, servers, proxies and regions, as every node uses them.
//! Only `validate` builds one, so a `Topology` in hand has no mistake in it.

mod address;
mod difference;
mod listing;
mod lookup;
mod render;
mod table;
mod url;
mod write;

use protocol::geometry::{CellGrid, Rect};
use protocol::ids::{NodeNumber, RegionNumber};

pub use address::{Address, AddressError, Host, undialable};
pub use difference::{Difference, MovedRegion};
pub use listing::Listing;
use table::Table;
pub(crate) use table::common;
pub use url::{Scheme, Url};
pub use write::PortUse;

/// The world as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldSpec {
    /// Name of the world, for people.
    pub name: String,
    /// Units from west to east and from north to south; the origin is 0,0.
    pub size: [u32; 2],
    /// Edge of a cell, units.
    pub cell_size: u32,
    /// Rings of cells around the home cell that a player sees.
    pub view_rings: u32,
    /// Rings around it in which a player sees what shows itself from afar, more than `view_rings`; 0: nothing does.
    pub far_rings: u32,
    /// Width of the strip that neighbours subscribe to, cells.
    pub border_cells: u32,
    /// Ticks per second of every region.
    pub tick_hz: u32,
    /// How far inside another region a player must be before it is handed over, units.
    pub handover_margin: f32,
}

impl WorldSpec {
    /// The world's cells.
    #[must_use]
    pub fn grid(&self) -> CellGrid {
        let cells = |units: u32| units.checked_div(self.cell_size).unwrap_or(0);
        CellGrid {
            cell_size: self.cell_size,
            columns: cells(self.size[0]),
            rows: cells(self.size[1]),
        }
    }

    /// Length of a tick, microseconds.
    #[must_use]
    pub fn tick_us(&self) -> u64 {
        1_000_000 / u64::from(self.tick_hz.max(1))
    }
}

/// A game server: simulates regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, unique among servers and proxies.
    pub name: String,
    /// Its number, unique among servers and proxies.
    pub number: NodeNumber,
    /// Where other game servers dial.
    pub peer: Address,
    /// Where proxies dial.
    pub proxy: Address,
}

/// A proxy: players connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its name, unique among servers and proxies.
    pub name: String,
    /// Its number, unique among servers and proxies.
    pub number: NodeNumber,
    /// Native clients, sealed frames.
    pub tcp: Address,
    /// Their datagrams: first of `shards` consecutive UDP ports.
    pub udp: Address,
    /// WebSocket and the page.
    pub http: Address,
    /// Datagrams of browsers, if it takes any.
    pub webtransport: Option<Address>,
    /// Where browsers find it, when that is not `http` in clear.
    pub url: Option<Url>,
    /// Where native clients find it, when that is not `tcp`; proxies behind one balancer have one in common.
    pub door: Option<Address>,
    /// Edge shards, each with a UDP port of its own.
    pub shards: u16,
}

impl Proxy {
    /// Where browsers find it.
    #[must_use]
    pub fn found_at(&self) -> Url {
        self.url.clone().unwrap_or_else(|| Url::in_clear(&self.http))
    }

    /// Where native clients find it.
    #[must_use]
    pub fn entrance(&self) -> &Address {
        self.door.as_ref().unwrap_or(&self.tcp)
    }
}

/// An auth node: checks passwords and tokens, which proxies pass on to it unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Its name, unique among all nodes.
    pub name: String,
    /// Its number, unique among all nodes.
    pub number: NodeNumber,
    /// Where proxies dial.
    pub proxy: Address,
}

/// A rectangle of the world that one server simulates at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name, unique among regions.
    pub name: String,
    /// Its number, unique among regions.
    pub number: RegionNumber,
    /// Its part of the world; edges are multiples of the cell size.
    pub rect: Rect,
    /// The server that serves it unless it is down.
    pub server: NodeNumber,
    /// Servers that may serve it when the primary is down, in order of preference.
    pub standbys: Vec<NodeNumber>,
}

impl Region {
    /// Whether the topology lets this node serve the region.
    #[must_use]
    pub fn may_be_served_by(&self, node: NodeNumber) -> bool {
        self.server == node || self.standbys.contains(&node)
    }

    /// Every server that may serve the region, the primary first.
    pub fn candidates(&self) -> impl Iterator<Item = NodeNumber> {
        std::iter::once(self.server).chain(self.standbys.iter().copied())
    }
}

/// The whole mesh as its operator wrote it down, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    world: WorldSpec,
    servers: Vec<Server>,
    proxies: Vec<Proxy>,
    auths: Vec<Auth>,
    regions: Vec<Region>,
    /// Columns and rows, when the regions are those of a `[grid]`.
    grid: Option<[u32; 2]>,
    table: Table,
}

impl Topology {
    /// Puts checked parts together; `regions` cover the world exactly once.
    pub(crate) fn new(
        world: WorldSpec,
        servers: Vec<Server>,
        proxies: Vec<Proxy>,
        regions: Vec<Region>,
    ) -> Self {
        let table = Table::new(&world, &regions);
        Self {
            world,
            servers,
            proxies,
            auths: Vec::new(),
            regions,
            grid: None,
            table,
        }
    }

    /// With these auth nodes.
    pub(crate) fn with_auths(mut self, auths: Vec<Auth>) -> Self {
        self.auths = auths;
        self
    }

    /// The regions are those of a `[grid]` of so many columns and rows.
    pub(crate) fn cut_by(mut self, columns: u32, rows: u32) -> Self {
        self.grid = Some([columns, rows]);
        self
    }

    /// The world as a whole.
    #[must_use]
    pub fn world(&self) -> &WorldSpec {
        &self.world
    }

    /// Every game server, in the order of the file.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Every proxy, in the order of the file.
    #[must_use]
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Every auth node, in the order of the file; none: proxies check passwords themselves.
    #[must_use]
    pub fn auths(&self) -> &[Auth] {
        &self.auths
    }

    /// Every region, in the order of the file (row by row for a grid).
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }
}
