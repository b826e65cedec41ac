//! What all links of a process share: who we are, whom we trust, how busy everybody is, and what was refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::identity::{CertificateError, DiskCertificate};
use protocol::ids::NodeUuid;
use protocol::limits;
use protocol::node_handshake::{LocalNode, StoreIdentity};

use super::load_board::LoadBoard;
use super::peer::{LinkId, PeerDirectory};
use super::stats::LinkStats;
use super::store_peers::StorePeers;
use crate::clock::Monotonic;

/// Settings of all links of a process. Both sides of a link use the responder's.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// Time between heartbeats, milliseconds.
    pub heartbeat_ms: u16,
    /// Silence after which a peer counts as dead, milliseconds.
    pub dead_ms: u16,
    /// Longest frame payload, bytes of ciphertext and tag.
    pub max_frame_bytes: u32,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            heartbeat_ms: 500,
            dead_ms: 2_000,
            max_frame_bytes: limits::FRAME_PAYLOAD_BYTES_MAX,
        }
    }
}

/// What every link of a process is given.
pub struct LinkContext {
    /// Settings.
    pub config: LinkConfig,
    /// Who may be at the other end.
    pub directory: Arc<dyn PeerDirectory>,
    /// How busy everybody is.
    pub loads: LoadBoard,
    /// Counters.
    pub stats: LinkStats,
    /// Who works on our store, and who on another one.
    pub store_peers: StorePeers,
    /// The process's monotonic clock.
    pub clock: Monotonic,
    /// Changed when the certificate is renewed.
    local: Mutex<LocalNode>,
    ids: AtomicU64,
}

impl LinkContext {
    /// A context with no link in it yet.
    #[must_use]
    pub fn new(config: LinkConfig, local: LocalNode, directory: Arc<dyn PeerDirectory>) -> Self {
        Self {
            config,
            directory,
            loads: LoadBoard::default(),
            stats: LinkStats::default(),
            store_peers: StorePeers::default(),
            clock: Monotonic::default(),
            local: Mutex::new(local),
            ids: AtomicU64::new(0),
        }
    }

    /// A number for a connection that came up.
    pub(super) fn next_id(&self) -> LinkId {
        LinkId(self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Who we are.
    #[must_use]
    pub fn uuid(&self) -> NodeUuid {
        self.locked().uuid()
    }

    /// The store that we work on.
    #[must_use]
    pub fn store(&self) -> StoreIdentity {
        self.locked().store
    }

    /// Our side of a handshake, with the topology we have now.
    pub(super) fn local(&self) -> LocalNode {
        let mut local = self.locked().clone();
        local.topology_version = self.directory.topology_version();
        local
    }

    /// Shows this certificate in handshakes from now on; links that are up stay.
    ///
    /// # Errors
    /// When it is not this node's, or nobody here trusts who signed it.
    pub fn renew(&self, certificate: &DiskCertificate) -> Result<(), CertificateError> {
        let mut local = self.locked();
        *local = local.renewed(certificate)?;
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, LocalNode> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
