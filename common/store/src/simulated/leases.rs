//! Which start of each node may serve regions.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use protocol::ids::NodeNumber;

use crate::reply::StoreReply;
use crate::row::{Lease, LiveLease};

/// A lease, also one that was ended.
#[derive(Clone, Copy, Debug)]
struct Kept {
    lease: LiveLease,
    is_ended: bool,
}

/// The newest lease of each node.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(BTreeMap<NodeNumber, Kept>);

impl Leases {
    pub(super) fn begin(&mut self, Lease { node, incarnation }: Lease) {
        let lease = LiveLease { incarnation, beat: 0 };
        self.0.insert(
            node,
            Kept {
                lease,
                is_ended: false,
            },
        );
    }

    pub(super) fn live(&self, node: NodeNumber) -> Option<LiveLease> {
        let kept = self.0.get(&node).filter(|kept| !kept.is_ended);
        kept.map(|kept| kept.lease)
    }

    pub(super) fn is_live(&self, lease: Lease) -> bool {
        let live = self.live(lease.node);
        live.is_some_and(|live| live.incarnation == lease.incarnation)
    }

    /// The answer where a lease that is needed has ended.
    pub(super) fn ended(&self, node: NodeNumber) -> StoreReply {
        StoreReply::LeaseEnded(self.0.get(&node).map(|kept| kept.lease.incarnation))
    }

    pub(super) fn renew(&mut self, lease: Lease) -> StoreReply {
        let is_it = |kept: &&mut Kept| !kept.is_ended && kept.lease.incarnation == lease.incarnation;
        let Some(kept) = self.0.get_mut(&lease.node).filter(is_it) else {
            return self.ended(lease.node);
        };
        kept.lease.beat += 1;
        StoreReply::LeaseRenewed(kept.lease.beat)
    }

    pub(super) fn end(&mut self, lease: Lease) {
        if let Some(kept) = self.0.get_mut(&lease.node) {
            kept.is_ended |= kept.lease.incarnation == lease.incarnation;
        }
    }
}
