//! Regions into which players are to be put, and who serves them as the store has said lately: they may lie anywhere, where
//! nobody announces to this region who serves.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{RegionNumber, UserId};
use store::Serving;

/// What the store has said is asked again after so long, milliseconds.
const ASK_AGAIN_MS: u64 = 1_000;
/// … and so soon, when nobody served the region or the store did not say.
const ASK_SOON_MS: u64 = 200;

/// What is known of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing; the store is to be asked.
    Unknown,
    /// The store is being asked, or has just said that nobody serves it.
    Asked,
    /// Who serves it.
    Served(Serving),
}

#[derive(Clone, Copy, Debug)]
struct Destination {
    serving: Option<Serving>,
    /// `None` while the store is being asked, milliseconds.
    ask_again_ms: Option<u64>,
}

/// All of one region, and the players for whom they are looked for.
#[derive(Debug, Default)]
pub(in crate::region) struct Destinations {
    waiting: BTreeSet<UserId>,
    by_region: BTreeMap<RegionNumber, Destination>,
}

impl Destinations {
    /// A player is to go somewhere.
    pub(in crate::region) fn wait(&mut self, user: UserId) {
        self.waiting.insert(user);
    }

    /// It is not, or not from here any more.
    pub(super) fn forget(&mut self, user: UserId) {
        self.waiting.remove(&user);
        if self.waiting.is_empty() {
            // Answers to what is asked still are of no use to anybody.
            self.by_region.clear();
        }
    }

    pub(super) fn waiting(&self) -> Vec<UserId> {
        self.waiting.iter().copied().collect()
    }

    pub(super) fn known(&self, region: RegionNumber, now_ms: u64) -> Known {
        let Some(destination) = self.by_region.get(&region) else {
            return Known::Unknown;
        };
        match (destination.ask_again_ms, destination.serving) {
            (Some(again_ms), _) if again_ms <= now_ms => Known::Unknown,
            (_, Some(serving)) => Known::Served(serving),
            (_, None) => Known::Asked,
        }
    }

    /// The store is asked. What it said before is good until it answers.
    pub(super) fn asked(&mut self, region: RegionNumber) {
        let destination = self.by_region.entry(region).or_insert(Destination {
            serving: None,
            ask_again_ms: None,
        });
        destination.ask_again_ms = None;
    }

    pub(super) fn answered(&mut self, region: RegionNumber, serving: Option<Serving>, now_ms: u64) {
        if let Some(destination) = self.by_region.get_mut(&region) {
            let after_ms = serving.map_or(ASK_SOON_MS, |_| ASK_AGAIN_MS);
            *destination = Destination {
                serving,
                ask_again_ms: Some(now_ms + after_ms),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{NodeNumber, RegionEpoch};

    const FAR: RegionNumber = RegionNumber(9);
    const SERVING: Serving = Serving {
        node: NodeNumber(4),
        region: FAR,
        region_epoch: RegionEpoch(2),
    };

    #[test]
    fn the_store_is_asked_once_at_a_time_and_its_word_is_good_for_a_while() {
        let mut destinations = Destinations::default();
        destinations.wait(UserId(1));
        assert_eq!(destinations.known(FAR, 0), Known::Unknown);
        destinations.asked(FAR);
        assert_eq!(
            destinations.known(FAR, 60_000),
            Known::Asked,
            "one question at a time"
        );
        destinations.answered(FAR, None, 1_000);
        assert_eq!(destinations.known(FAR, 999 + ASK_SOON_MS), Known::Asked);
        assert_eq!(destinations.known(FAR, 1_000 + ASK_SOON_MS), Known::Unknown);
        destinations.asked(FAR);
        destinations.answered(FAR, Some(SERVING), 2_000);
        assert_eq!(
            destinations.known(FAR, 1_999 + ASK_AGAIN_MS),
            Known::Served(SERVING)
        );
        assert_eq!(destinations.known(FAR, 2_000 + ASK_AGAIN_MS), Known::Unknown);
        destinations.asked(FAR);
        assert_eq!(
            destinations.known(FAR, 9_000),
            Known::Served(SERVING),
            "until it says otherwise"
        );
        destinations.forget(UserId(1));
        assert_eq!(destinations.known(FAR, 9_000), Known::Unknown);
        destinations.answered(FAR, Some(SERVING), 9_000);
        assert_eq!(
            destinations.known(FAR, 9_000),
            Known::Unknown,
            "nobody waits for it"
        );
        assert!(destinations.waiting().is_empty());
    }
}
