//! Forwardings: where those went who were handed over lately. Whoever speaks of one of them here is told.

use std::collections::BTreeMap;

use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, UserId};
use protocol::message::player::Elsewhere;

/// How long those who ask for a player that left are told where it is, milliseconds.
const FORWARD_MS: u64 = 5_000;

/// Where a user is, as far as is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// 0: nobody's.
    pub(super) node: NodeNumber,
    pub(super) region: RegionNumber,
    pub(super) owner_epoch: OwnerEpoch,
}

impl Whereabouts {
    /// As a proxy is told.
    pub(super) fn elsewhere(self, user: UserId) -> Elsewhere {
        Elsewhere {
            user: user.0,
            node: u32::from(self.node.0),
            region: self.region.0,
            owner_epoch: self.owner_epoch.0,
        }
    }
}

/// All that are in force.
#[derive(Debug, Default)]
pub(super) struct Forwardings {
    by_user: BTreeMap<UserId, (Whereabouts, u64)>,
}

impl Forwardings {
    pub(super) fn put(&mut self, user: UserId, to: Whereabouts, now_ms: u64) {
        self.by_user.insert(user, (to, now_ms + FORWARD_MS));
    }

    pub(super) fn get(&self, user: UserId) -> Option<Whereabouts> {
        self.by_user.get(&user).map(|(to, _)| *to)
    }

    /// The user is here again.
    pub(super) fn remove(&mut self, user: UserId) {
        self.by_user.remove(&user);
    }

    /// Takes those whose time is over.
    pub(super) fn take_over(&mut self, now_ms: u64) -> Vec<UserId> {
        let over = self
            .by_user
            .extract_if(.., |_, (_, until_ms)| *until_ms <= now_ms);
        over.map(|(user, _)| user).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_is_forwarded_for_a_while_and_not_when_it_is_back() {
        let [gone, back] = [1, 2].map(UserId);
        let to = Whereabouts {
            node: NodeNumber(2),
            region: RegionNumber(3),
            owner_epoch: OwnerEpoch(4),
        };
        let mut forwardings = Forwardings::default();
        forwardings.put(gone, to, 1_000);
        forwardings.put(back, to, 1_000);
        forwardings.remove(back);
        assert_eq!((forwardings.get(gone), forwardings.get(back)), (Some(to), None));
        // Once more handed over, from then on again.
        forwardings.put(gone, to, 2_000);
        assert_eq!(forwardings.take_over(1_999 + FORWARD_MS), []);
        assert_eq!(forwardings.take_over(2_000 + FORWARD_MS), [gone]);
        assert!(forwardings.is_empty());
    }
}
