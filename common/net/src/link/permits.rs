//! How many handshakes of nodes may be under way, in all and from one address. Nobody is turned away: one too many makes
//! the oldest give way, of its own address first. A handshake takes milliseconds, so it is the silent who give way.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::limits::NODE_HANDSHAKES_PENDING_MAX;
use tokio_util::sync::CancellationToken;

/// Links that one node may have with another: as many as a proxy has shards at most.
const NODE_LANES_MAX: usize = 4;
/// Addresses that can have their whole share at once.
const ADDRESSES: usize = 8;

/// Permits of one address at once: all lanes of all listed nodes may come from one, as in a local cluster.
pub(super) fn share(nodes_listed: usize) -> usize {
    (nodes_listed * NODE_LANES_MAX).max(NODE_HANDSHAKES_PENDING_MAX)
}

/// Hands out permits. Clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct HandshakePermits(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    count: usize,
    // Outsiders choose these keys: an ordered map has no collisions to choose. The oldest of each comes first.
    by_address: BTreeMap<IpAddr, VecDeque<(u64, CancellationToken)>>,
}

/// The right to one handshake; given back when dropped.
#[derive(Debug)]
pub(super) struct HandshakePermit {
    permits: HandshakePermits,
    address: IpAddr,
    id: u64,
    give_way: CancellationToken,
}

impl HandshakePermits {
    /// A permit for a handshake with this address, of which `share` may be under way.
    pub(super) fn take(&self, address: IpAddr, share: usize) -> HandshakePermit {
        let mut pending = self.lock();
        let held = pending.by_address.get(&address).map_or(0, VecDeque::len);
        if held >= share {
            pending.oldest_gives_way(address);
        } else if pending.count >= share * ADDRESSES {
            let fullest = pending.by_address.iter().max_by_key(|(_, held)| held.len());
            if let Some(fullest) = fullest.map(|(address, _)| *address) {
                pending.oldest_gives_way(fullest);
            }
        }
        let (id, give_way) = (pending.next, CancellationToken::new());
        pending.next += 1;
        pending.count += 1;
        let held = pending.by_address.entry(address).or_default();
        held.push_back((id, give_way.clone()));
        drop(pending);
        HandshakePermit {
            permits: self.clone(),
            address,
            id,
            give_way,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn oldest_gives_way(&mut self, address: IpAddr) {
        let oldest = self.by_address.get(&address).and_then(|held| held.front());
        if let Some((id, give_way)) = oldest.cloned() {
            give_way.cancel();
            self.remove(address, id);
        }
    }

    fn remove(&mut self, address: IpAddr, id: u64) {
        let Some(held) = self.by_address.get_mut(&address) else {
            return;
        };
        if let Some(at) = held.iter().position(|(one, _)| *one == id) {
            held.remove(at);
            self.count -= 1;
        }
        if held.is_empty() {
            self.by_address.remove(&address);
        }
    }
}

impl HandshakePermit {
    /// Resolves when this handshake has to give way to a newer one.
    pub(super) async fn gives_way(&self) {
        self.give_way.cancelled().await;
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.permits.lock().remove(self.address, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn all_lanes_of_all_nodes_may_come_from_one_address() {
        assert_eq!(share(1), NODE_HANDSHAKES_PENDING_MAX);
        assert_eq!(share(100), 100 * NODE_LANES_MAX);
    }

    #[test]
    fn the_silent_of_an_address_give_way_to_its_next_and_other_addresses_notice_nothing() {
        let permits = HandshakePermits::default();
        let honest = permits.take(address(1), 4);
        let silent: Vec<_> = (0..40).map(|_| permits.take(address(66), 4)).collect();
        let given_way = silent
            .iter()
            .filter(|permit| permit.give_way.is_cancelled())
            .count();
        assert_eq!(given_way, 36, "the newest four are left");
        assert!(!silent[39].give_way.is_cancelled() && !honest.give_way.is_cancelled());
        assert_eq!(permits.lock().count, 5);
        drop((silent, honest));
        let pending = permits.lock();
        assert_eq!((pending.count, pending.by_address.len()), (0, 0));
    }

    #[test]
    fn many_addresses_together_cannot_hold_more_than_all_and_the_fullest_gives_way() {
        let permits = HandshakePermits::default();
        let flood: Vec<_> = (0..8)
            .flat_map(|from| (0..4).map(move |_| from))
            .map(|from| permits.take(address(from), 4))
            .collect();
        let honest = permits.take(address(200), 4);
        assert_eq!(permits.lock().count, 32);
        assert!(!honest.give_way.is_cancelled());
        assert_eq!(
            flood
                .iter()
                .filter(|permit| permit.give_way.is_cancelled())
                .count(),
            1
        );
    }
}
