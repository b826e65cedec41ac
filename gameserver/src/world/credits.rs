//! How much each subscriber may be told in a tick: what its link takes, shared by all regions of the process.

use std::collections::BTreeMap;

use crate::region::{CREDIT_BYTES, Subscriber};

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    period: u64,
    /// What had been said to it in all when the period began.
    said_before: u64,
}

/// The accounts of all subscribers.
#[derive(Debug)]
pub(super) struct Credits {
    /// What each is told in a period at most.
    pub(super) bytes: usize,
    accounts: BTreeMap<Subscriber, Account>,
}

impl Default for Credits {
    fn default() -> Self {
        Self {
            bytes: CREDIT_BYTES,
            accounts: BTreeMap::new(),
        }
    }
}

impl Credits {
    /// What may still be said in this period to a subscriber that has been told `said` bytes since its link came up.
    pub(super) fn left(&mut self, subscriber: Subscriber, period: u64, said: u64) -> usize {
        let account = self.accounts.entry(subscriber).or_default();
        // A new link counts from nothing.
        if account.period != period || said < account.said_before {
            *account = Account {
                period,
                said_before: said,
            };
        }
        let used = said - account.said_before;
        usize::try_from(used).map_or(0, |used| self.bytes.saturating_sub(used))
    }

    /// The subscriber is gone.
    pub(super) fn forget(&mut self, subscriber: Subscriber) {
        self.accounts.remove(&subscriber);
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::NodeNumber;

    use super::*;

    #[test]
    fn a_period_has_its_credit_and_what_was_said_in_it_is_taken_off() {
        let mut credits = Credits::default();
        let peer = Subscriber::Server(NodeNumber(2));
        assert_eq!(credits.left(peer, 1, 1_000), CREDIT_BYTES);
        assert_eq!(credits.left(peer, 1, 5_000), CREDIT_BYTES - 4_000);
        assert_eq!(credits.left(peer, 1, 9_000_000), 0);
        assert_eq!(credits.left(peer, 2, 9_000_000), CREDIT_BYTES);
        assert_eq!(credits.left(peer, 2, 10), CREDIT_BYTES, "a new link");
    }
}
