//! Who works on our store and who on another one, as handshakes tell: a node that belongs elsewhere must not go
//! unnoticed, on neither side.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::ids::NodeUuid;

/// A peer is warned of once in so long, milliseconds.
const WARN_EVERY_MS: u64 = 60_000;
/// A peer whose link was refused is dialed again within a second; one not heard of for so long is gone, milliseconds.
const FORGET_AFTER_MS: u64 = 10_000;

/// What handshakes have told of the stores of others. Bounded by the nodes that the topology lists: only they get so far.
#[derive(Debug, Default)]
pub struct StorePeers(Mutex<BTreeMap<NodeUuid, Word>>);

/// The last word on one peer.
#[derive(Clone, Copy, Debug)]
enum Word {
    Ours,
    Other { heard_ms: u64, warned_ms: u64 },
}

/// The peers that have been met, by their stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoresMet {
    /// How many work on ours.
    pub ours: usize,
    /// Who works on another one.
    pub others: Vec<NodeUuid>,
}

impl StorePeers {
    /// A link with this peer came up.
    pub(super) fn same(&self, peer: NodeUuid) {
        self.lock().insert(peer, Word::Ours);
    }

    /// A link with this peer was refused, by us or by it, because of its store. Whether to warn of it now.
    pub(super) fn other(&self, peer: NodeUuid, now_ms: u64) -> bool {
        let mut words = self.lock();
        let warned = match words.get(&peer) {
            Some(Word::Other { warned_ms, .. }) => Some(*warned_ms),
            Some(Word::Ours) | None => None,
        };
        let due = warned.is_none_or(|warned_ms| now_ms.saturating_sub(warned_ms) >= WARN_EVERY_MS);
        let word = Word::Other {
            heard_ms: now_ms,
            warned_ms: warned.filter(|_| !due).unwrap_or(now_ms),
        };
        words.insert(peer, word);
        due
    }

    /// Who has been met, as far as it still counts.
    #[must_use]
    pub fn met(&self, now_ms: u64) -> StoresMet {
        let mut met = StoresMet::default();
        for (peer, word) in self.lock().iter() {
            match word {
                Word::Ours => met.ours += 1,
                Word::Other { heard_ms, .. } if now_ms.saturating_sub(*heard_ms) < FORGET_AFTER_MS => {
                    met.others.push(*peer);
                }
                Word::Other { .. } => {}
            }
        }
        met
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeUuid, Word>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: NodeUuid = NodeUuid([1; 16]);
    const STRAY: NodeUuid = NodeUuid([2; 16]);

    #[test]
    fn a_stray_is_warned_of_once_a_minute_and_forgotten_when_it_is_gone_or_comes_to_our_store() {
        let peers = StorePeers::default();
        peers.same(GOOD);
        assert!(peers.other(STRAY, 1_000));
        assert!(!peers.other(STRAY, 2_000));
        assert!(!peers.other(STRAY, 60_999));
        assert!(peers.other(STRAY, 61_000));
        assert!(!peers.other(STRAY, 62_000));
        let met = |others: &[NodeUuid], ours| StoresMet {
            ours,
            others: others.to_vec(),
        };
        assert_eq!(peers.met(71_999), met(&[STRAY], 1));
        assert_eq!(peers.met(72_000), met(&[], 1));
        peers.same(STRAY);
        assert_eq!(peers.met(72_000), met(&[], 2));
        assert!(peers.other(GOOD, 73_000));
        assert_eq!(peers.met(73_000), met(&[GOOD], 1));
    }
}
