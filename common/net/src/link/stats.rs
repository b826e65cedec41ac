//! What went wrong on all links of a process: counters, passed on to the metrics recorder, and of each peer why it cannot
//! be dialed just now, for whoever asks why a node is not linked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::{Counter, counter};
use protocol::frame::FrameError;
use protocol::ids::NodeUuid;
use protocol::node_handshake::HandshakeError;

use crate::down_reason::DownReason;

/// Reasons of their own: of handshakes that were not finished.
const UNFINISHED: &[&str] = &["handshake_gave_way", "key_work"];

/// What happened on the links of one process.
#[derive(Debug)]
pub struct LinkStats(Mutex<Troubles>);

#[derive(Debug, Default)]
struct Troubles {
    refused: BTreeMap<&'static str, u64>,
    /// Of those we dial, and no others: as many as the topology lists.
    unreached: BTreeMap<NodeUuid, String>,
    clocks: Option<ClockTrouble>,
}

/// A handshake that failed because two wall clocks differ too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTrouble {
    /// By so much, milliseconds.
    pub differ_ms: u64,
    /// When, milliseconds of this process's monotonic clock.
    pub at_ms: u64,
}

impl Default for LinkStats {
    fn default() -> Self {
        let names = [
            HandshakeError::LABELS,
            FrameError::LABELS,
            DownReason::LABELS,
            UNFINISHED,
        ];
        for reason in names.concat() {
            refusals(reason).increment(0);
        }
        Self(Mutex::default())
    }
}

fn refusals(reason: &'static str) -> Counter {
    counter!("regionmesh_link_refused_total", "reason" => reason)
}

impl LinkStats {
    /// A connection or a frame was refused.
    pub fn count_refused(&self, reason: &'static str) {
        refusals(reason).increment(1);
        *self.lock().refused.entry(reason).or_default() += 1;
    }

    /// How often something was refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: &str) -> u64 {
        self.lock().refused.get(reason).copied().unwrap_or(0)
    }

    /// All reasons with their counts.
    #[must_use]
    pub fn all_refused(&self) -> BTreeMap<&'static str, u64> {
        self.lock().refused.clone()
    }

    /// Why the last dial of a peer came to nothing; none since one has come to something.
    #[must_use]
    pub fn why_unreached(&self, peer: NodeUuid) -> Option<String> {
        self.lock().unreached.get(&peer).cloned()
    }

    /// The last handshake that failed for the clocks.
    #[must_use]
    pub fn clock_trouble(&self) -> Option<ClockTrouble> {
        self.lock().clocks
    }

    pub(super) fn note_unreached(&self, peer: NodeUuid, why: String) {
        self.lock().unreached.insert(peer, why);
    }

    /// It has been reached, or is dialed no more.
    pub(super) fn forget_unreached(&self, peer: NodeUuid) {
        self.lock().unreached.remove(&peer);
    }

    pub(super) fn note_clocks(&self, trouble: ClockTrouble) {
        self.lock().clocks = Some(trouble);
    }

    fn lock(&self) -> MutexGuard<'_, Troubles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
