//! How busy this node and the others are. Links carry it in heartbeats; whoever balances reads it here.
//!
//! Proxies do not know each other: game servers pass on what proxies tell them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::ids::NodeNumber;
use protocol::message::node::{Heartbeat, Load, NodeLoad};

/// Nodes remembered at most: as many as there can be node numbers.
const NODES_MAX: usize = 1023;
/// A load not renewed for this long says nothing any more, milliseconds: four heartbeats.
const FRESH_MS: u64 = 2_000;

/// What is known of another node's load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerLoad {
    /// Its own words.
    pub load: Load,
    /// It wants nothing new.
    pub draining: bool,
    /// When we learned it, milliseconds of this process's monotonic clock.
    pub at_ms: u64,
}

#[derive(Debug, Default)]
struct Board {
    own: Load,
    draining: bool,
    /// From the node itself.
    direct: BTreeMap<NodeNumber, PeerLoad>,
    /// Proxies, from a game server's mouth.
    hearsay: BTreeMap<NodeNumber, PeerLoad>,
}

/// The loads of one process's world.
#[derive(Debug, Default)]
pub struct LoadBoard(Mutex<Board>);

impl LoadBoard {
    /// Sets what this node tells others.
    pub fn set_own(&self, load: Load) {
        self.with(|board| board.own = load);
    }

    /// From now on this node wants nothing new.
    pub fn start_draining(&self) {
        self.with(|board| board.draining = true);
    }

    /// The load of a node linked to this one.
    #[must_use]
    pub fn of(&self, node: NodeNumber) -> Option<PeerLoad> {
        self.with(|board| board.direct.get(&node).copied())
    }

    /// The proxies' loads, as game servers pass them on. One that none of them has passed on lately is dead, draining or
    /// cut off.
    #[must_use]
    pub fn proxies(&self, now_ms: u64) -> Vec<(NodeNumber, PeerLoad)> {
        let is_fresh = |load: &PeerLoad| now_ms.saturating_sub(load.at_ms) <= FRESH_MS;
        self.with(|board| {
            let fresh = board.hearsay.iter().filter(|(_, load)| is_fresh(load));
            fresh.map(|(node, load)| (*node, *load)).collect()
        })
    }

    /// Takes what a peer says.
    pub fn handle_heartbeat(&self, from: NodeNumber, heartbeat: &Heartbeat, now_ms: u64) {
        let fresh = |load: Option<&Load>, draining| PeerLoad {
            load: load.copied().unwrap_or_default(),
            draining,
            at_ms: now_ms,
        };
        self.with(|board| {
            board
                .direct
                .insert(from, fresh(heartbeat.load.as_ref(), heartbeat.draining));
            for NodeLoad { node, load } in heartbeat.proxies.iter().take(NODES_MAX) {
                if let Ok(node) = u16::try_from(*node)
                    && usize::from(node) <= NODES_MAX
                {
                    board
                        .hearsay
                        .insert(NodeNumber(node), fresh(load.as_ref(), false));
                }
            }
        });
    }

    /// Fills in what this node tells; `proxies` are the linked nodes whose loads it passes on.
    pub fn fill(&self, heartbeat: &mut Heartbeat, proxies: &[NodeNumber], now_ms: u64) {
        self.with(|board| {
            heartbeat.load = Some(board.own);
            heartbeat.draining = board.draining;
            let known = proxies
                .iter()
                .filter_map(|node| Some((node, board.direct.get(node)?)));
            heartbeat.proxies = known
                .filter(|(_, known)| !known.draining && now_ms.saturating_sub(known.at_ms) <= FRESH_MS)
                .map(|(node, known)| NodeLoad {
                    node: u32::from(node.0),
                    load: Some(known.load),
                })
                .collect();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Board) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn players(players: u32) -> Load {
        Load {
            players,
            ..Load::default()
        }
    }

    #[test]
    fn a_proxy_learns_of_another_through_a_game_server() {
        let (edge_1, server, edge_2) = (LoadBoard::default(), LoadBoard::default(), LoadBoard::default());
        edge_1.set_own(players(40));
        let mut told = Heartbeat::default();
        edge_1.fill(&mut told, &[], 0);
        server.handle_heartbeat(NodeNumber(101), &told, 1_000);
        assert_eq!(server.of(NodeNumber(101)).unwrap().load, players(40));

        let mut passed_on = Heartbeat::default();
        server.fill(&mut passed_on, &[NodeNumber(101), NodeNumber(102)], 1_500);
        edge_2.handle_heartbeat(NodeNumber(1), &passed_on, 9);
        let known = edge_2.proxies(2_009);
        assert_eq!(
            known,
            [(
                NodeNumber(101),
                PeerLoad {
                    load: players(40),
                    draining: false,
                    at_ms: 9
                }
            )]
        );

        let mut stale = Heartbeat::default();
        server.fill(&mut stale, &[NodeNumber(101)], 3_001);
        assert_eq!(stale.proxies, []);
        assert_eq!(edge_2.proxies(2_010), [], "nobody passes it on any more");
    }

    #[test]
    fn a_proxy_that_drains_is_not_passed_on() {
        let (edge, server) = (LoadBoard::default(), LoadBoard::default());
        edge.start_draining();
        let mut told = Heartbeat::default();
        edge.fill(&mut told, &[], 0);
        server.handle_heartbeat(NodeNumber(101), &told, 0);
        let mut passed_on = Heartbeat::default();
        server.fill(&mut passed_on, &[NodeNumber(101)], 1);
        assert_eq!(passed_on.proxies, []);
    }

    #[test]
    fn a_number_no_node_can_have_is_not_remembered() {
        let board = LoadBoard::default();
        let heartbeat = Heartbeat {
            proxies: [1024, 70_000, u32::MAX]
                .map(|node| NodeLoad { node, load: None })
                .to_vec(),
            ..Heartbeat::default()
        };
        board.handle_heartbeat(NodeNumber(1), &heartbeat, 0);
        assert_eq!(board.proxies(0), []);
    }
}
