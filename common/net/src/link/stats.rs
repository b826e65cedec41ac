//! What went wrong on all links of a process: counters, passed on to the metrics recorder, and of each peer why it cannot
//! be dialed just now, for whoever asks why a node is not linked.

use std::collections::BTreeMap;
use std::fmt;
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
    papers: BTreeMap<NodeUuid, PaperWord>,
    own_papers_warned_ms: Option<u64>,
}

/// A handshake that failed because two wall clocks differ too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTrouble {
    /// By so much, milliseconds.
    pub differ_ms: u64,
    /// When, milliseconds of this process's monotonic clock.
    pub at_ms: u64,
}

/// Whose papers are out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PapersOf {
    /// Ours, as the peer says.
    ThisNode,
    /// The peer's, as we see it.
    Peer,
}

/// A handshake that failed since a certificate has expired, or is not valid yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperTrouble {
    /// Whose certificate.
    pub whose: PapersOf,
    /// How far the peer's clock is ahead of ours, milliseconds.
    pub ahead_ms: i64,
}

impl fmt::Display for PaperTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = self.ahead_ms.unsigned_abs() as f64 / 1e3;
        let side = if self.ahead_ms < 0 { "behind" } else { "ahead of" };
        let what = match self.whose {
            PapersOf::ThisNode => {
                "the peer refuses this node's certificate, which has expired or is not valid yet"
            }
            PapersOf::Peer => "the peer's certificate has expired or is not valid yet",
        };
        write!(
            f,
            "{what}; its clock is {apart:.1} s {side} this host's; renew the certificate, or set the clock"
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct PaperWord {
    trouble: PaperTrouble,
    warned_ms: u64,
}

/// A peer whose papers are out of time is warned of once in so long, milliseconds.
const WARN_EVERY_MS: u64 = 60_000;
/// Of so many peers at most is told whose papers were out of time: more than a topology lists.
const PAPER_WORDS_MAX: usize = 1_024;

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

    /// Whose papers were out of time when this peer and we last shook hands in vain.
    #[must_use]
    pub fn paper_trouble(&self, peer: NodeUuid) -> Option<PaperTrouble> {
        self.lock().papers.get(&peer).map(|word| word.trouble)
    }

    /// Whether to warn of it now.
    pub(super) fn note_papers(&self, peer: NodeUuid, trouble: PaperTrouble, now_ms: u64) -> bool {
        let mut troubles = self.lock();
        let papers = &mut troubles.papers;
        let before = papers
            .get(&peer)
            .filter(|word| word.trouble.whose == trouble.whose);
        let due = before.is_none_or(|word| now_ms.saturating_sub(word.warned_ms) >= WARN_EVERY_MS);
        let warned_ms = before.filter(|_| !due).map_or(now_ms, |word| word.warned_ms);
        if papers.len() < PAPER_WORDS_MAX || papers.contains_key(&peer) {
            papers.insert(peer, PaperWord { trouble, warned_ms });
        }
        due
    }

    /// Whether somebody who dialed us left while our certificate was out of time.
    #[must_use]
    pub fn own_papers_ended(&self) -> bool {
        self.lock().own_papers_warned_ms.is_some()
    }

    /// Whether to warn of it now.
    pub(super) fn note_own_papers(&self, now_ms: u64) -> bool {
        let mut troubles = self.lock();
        let before = troubles.own_papers_warned_ms;
        let due = before.is_none_or(|warned_ms| now_ms.saturating_sub(warned_ms) >= WARN_EVERY_MS);
        if due {
            troubles.own_papers_warned_ms = Some(now_ms);
        }
        due
    }

    /// A link with it came up.
    pub(super) fn forget_papers(&self, peer: NodeUuid) {
        self.lock().papers.remove(&peer);
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
