//! What all links of a process share: who we are, whom we trust, and where links are listed and counted.

use std::sync::Arc;

use protocol::identity::Role;
use protocol::ids::NodeUuid;
use protocol::limits;
use protocol::node_handshake::LocalNode;

use super::load_board::LoadBoard;
use super::peer::PeerDirectory;
use super::registry::LinkRegistry;
use super::stats::LinkStats;
use crate::clock::Monotonic;
use crate::queue::QueueLimits;

/// Settings of all links of a process. Both sides of a link use the responder's first three.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// Time between heartbeats, milliseconds.
    pub heartbeat_ms: u16,
    /// Silence after which a peer counts as dead, milliseconds.
    pub dead_ms: u16,
    /// Longest frame payload, bytes of ciphertext and tag.
    pub max_frame_bytes: u32,
    /// Bounds of each link's queue; `batch_bytes_max` is cut to what frames carry.
    pub queue: QueueLimits,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            heartbeat_ms: 500,
            dead_ms: 2_000,
            max_frame_bytes: limits::FRAME_PAYLOAD_BYTES_MAX,
            queue: QueueLimits::default(),
        }
    }
}

/// What every link of a process is given.
pub struct LinkContext {
    /// Settings.
    pub config: LinkConfig,
    /// What we are: a game server passes on the loads of its proxies.
    pub role: Role,
    /// Who may be at the other end.
    pub directory: Arc<dyn PeerDirectory>,
    /// All links that are up.
    pub registry: LinkRegistry,
    /// How busy everybody is.
    pub loads: LoadBoard,
    /// Counters.
    pub stats: LinkStats,
    /// The process's monotonic clock.
    pub clock: Monotonic,
    local: LocalNode,
}

impl LinkContext {
    /// A context with no link in it yet.
    #[must_use]
    pub fn new(config: LinkConfig, local: LocalNode, role: Role, directory: Arc<dyn PeerDirectory>) -> Self {
        Self {
            config,
            role,
            directory,
            registry: LinkRegistry::default(),
            loads: LoadBoard::default(),
            stats: LinkStats::default(),
            clock: Monotonic::default(),
            local,
        }
    }

    /// Asks the directory again about every live link: call it when the topology has changed. Links that are no longer
    /// of the node, role and key they were admitted with are closed.
    pub fn recheck(&self) {
        self.registry.recheck(&*self.directory);
    }

    /// Who we are.
    #[must_use]
    pub fn uuid(&self) -> NodeUuid {
        self.local.uuid()
    }

    /// Our side of a handshake, with the topology we have now.
    pub(super) fn local(&self) -> LocalNode {
        let mut local = self.local.clone();
        local.topology_version = self.directory.topology_version();
        local
    }
}
