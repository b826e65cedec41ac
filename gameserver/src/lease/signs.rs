//! The fast sign of a death: a process that was seen to be there, and is not any more.

use std::collections::BTreeMap;

use store::{Lease, RegionHolder};

/// Looks that are further apart than this are no sequence: what ended meanwhile may have been the store's own end.
const GAP_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Sign {
    /// Since when it is gone.
    gone_since_us: Option<u64>,
    seen_us: u64,
}

/// The processes that were seen.
#[derive(Debug, Default)]
pub(super) struct Signs(BTreeMap<Lease, Sign>);

impl Signs {
    /// A look: only who was seen to be there can be gone, and only if all looks since have been answered.
    pub(super) fn note(&mut self, lease: Lease, is_shown: Option<bool>, now_us: u64) {
        self.0
            .retain(|_, sign| now_us.saturating_sub(sign.seen_us) <= GAP_US);
        match is_shown {
            Some(true) => {
                let sign = Sign {
                    gone_since_us: None,
                    seen_us: now_us,
                };
                self.0.insert(lease, sign);
            }
            Some(false) => {
                if let Some(sign) = self.0.get_mut(&lease) {
                    sign.gone_since_us.get_or_insert(now_us);
                    sign.seen_us = now_us;
                }
            }
            None => {
                self.0.remove(&lease);
            }
        }
    }

    /// For how long the process of a holder has been gone, microseconds.
    pub(super) fn gone_us(&self, holder: &RegionHolder, now_us: u64) -> Option<u64> {
        let lease = Lease {
            node: holder.service.node,
            incarnation: holder.since,
        };
        let since_us = self.0.get(&lease)?.gone_since_us?;
        Some(now_us.saturating_sub(since_us))
    }
}
