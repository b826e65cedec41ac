//! How much a cluster takes for so many players: cores by node, bytes by pair of nodes, commits of the store, and what is
//! full first. Predicted from the topology, from where players stand, and from a table of unit costs that `bench size`
//! measures on a machine.
//!
//! Players stand where a [`Spread`] says, walk straight on at one speed in all directions, and see the cells around them.
//! Everything else follows by counting: who is seen by whom, who crosses which border, which cell goes to which node.

mod crowd;
mod flows;
mod report;
mod units;
mod wire;

pub use crowd::{Gathering, Spread};
pub use units::{UnitCosts, UnitsError};

use protocol::ids::NodeNumber;

use crate::Topology;
use crowd::Crowd;
use flows::Flows;

/// What players do, and what the network carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Players in the world.
    pub players: u32,
    /// Where they stand.
    pub spread: Spread,
    /// How fast they walk on average, units per second.
    pub speed: f64,
    /// Durable commands of each, per second.
    pub durable_hz: f64,
    /// What a node's network carries in one direction, bytes per second.
    pub network: f64,
}

/// What one node takes.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSize {
    /// The node.
    pub number: NodeNumber,
    /// Its name.
    pub name: String,
    /// Players whose server or proxy it is.
    pub players: f64,
    /// Cores.
    pub cores: f64,
    /// Cores that it can use: a game server's world has one thread, and so has each shard of a proxy.
    pub cores_max: f64,
    /// Bytes per second that it is sent, links and players together.
    pub bytes_in: f64,
    /// Bytes per second that it sends.
    pub bytes_out: f64,
}

/// Bytes per second from one node to another.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSize {
    /// Names of sender and receiver.
    pub names: [String; 2],
    /// Bytes per second.
    pub bytes: f64,
}

/// What the store is asked for, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StoreSize {
    /// Players who change regions, each with a write of its own.
    pub crossings: f64,
    /// Durable commands.
    pub durable: f64,
    /// Rows of players that are saved softly, many in one commit.
    pub soft: f64,
    /// Rows in all that the store of the table writes.
    pub rows_max: f64,
}

impl StoreSize {
    /// Rows that are written.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.crossings + self.durable + self.soft
    }
}

/// What a cluster takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    /// For whom.
    pub players: u32,
    /// Others that a player sees: on average, and at the fullest place.
    pub visible: [f64; 2],
    /// Ticks per second.
    pub tick_hz: u32,
    /// Every game server.
    pub servers: Vec<NodeSize>,
    /// Every proxy.
    pub proxies: Vec<NodeSize>,
    /// Links between game servers, and lanes from shards to game servers.
    pub links: [usize; 2],
    /// Pairs of nodes, the one with the most bytes first.
    pub pairs: Vec<PairSize>,
    /// The store.
    pub store: StoreSize,
    /// Everything that can be full, the fullest first: what, and which part of it is taken.
    pub shares: Vec<(String, f64)>,
    /// On which machine the unit costs were measured.
    pub machine: String,
}

impl Size {
    /// Predicts what `topology` takes under this load.
    #[must_use]
    pub fn predict(topology: &Topology, load: &Load, units: &UnitCosts) -> Self {
        let crowd = Crowd::new(topology, load);
        let flows = Flows::new(topology, &crowd, load, units);
        let visible = crowd.visible_mean_and_most();
        let mut size = Self {
            players: load.players,
            visible,
            tick_hz: topology.world().tick_hz,
            servers: flows.servers(),
            proxies: flows.proxies(),
            links: links(topology),
            pairs: flows.pairs(),
            store: flows.store(),
            shares: Vec::new(),
            machine: units.machine.clone(),
        };
        size.shares = size.all_shares(load);
        size
    }

    /// The fullest of all, and how many players fill it: found by trying, since what players see of each other grows faster
    /// than they do.
    #[must_use]
    pub fn first_full(topology: &Topology, load: &Load, units: &UnitCosts) -> Option<(String, u32)> {
        let fullest = |players: u32| {
            let load = Load {
                players,
                ..load.clone()
            };
            Self::predict(topology, &load, units).shares.into_iter().next()
        };
        let (mut holds, mut fails) = (0, 1);
        while fullest(fails)?.1 < 1.0 {
            holds = fails;
            fails = fails.checked_mul(2)?;
        }
        while fails - holds > 1 + holds / 200 {
            let middle = holds + (fails - holds) / 2;
            if fullest(middle)?.1 < 1.0 {
                holds = middle;
            } else {
                fails = middle;
            }
        }
        Some((fullest(fails)?.0, holds))
    }

    fn all_shares(&self, load: &Load) -> Vec<(String, f64)> {
        let mut shares = Vec::new();
        for (nodes, thread) in [(&self.servers, "world thread"), (&self.proxies, "shards")] {
            for node in nodes {
                shares.push((format!("{thread} of {}", node.name), node.cores / node.cores_max));
                shares.push((
                    format!("network into {}", node.name),
                    node.bytes_in / load.network,
                ));
                shares.push((
                    format!("network out of {}", node.name),
                    node.bytes_out / load.network,
                ));
            }
        }
        shares.push(("the store".to_owned(), self.store.rows() / self.store.rows_max));
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }
}

fn links(topology: &Topology) -> [usize; 2] {
    let peers = topology.servers().iter();
    let peers: usize = peers.map(|server| topology.peers_of(server.number).len()).sum();
    let shards = topology.proxies().iter().map(|proxy| usize::from(proxy.shards));
    [peers / 2, shards.sum::<usize>() * topology.servers().len()]
}

#[cfg(test)]
mod tests;
