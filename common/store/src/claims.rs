//! Who serves which region, as far as anybody may believe: what a server says of itself is only a reason to ask the
//! store. A number that the store never issued is believed by nobody, however large it is, and does no lasting harm.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};

use crate::{Serving, StoreReply, StoreResult};

/// What the store could not judge is asked again after so long, milliseconds. So is what comes after a refusal: a liar
/// makes nobody ask faster.
pub const ASK_AGAIN_MS: u64 = 200;

/// What an announcement is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The store has said the same before: believed at once.
    Known,
    /// The store has to be asked now, with [`StoreRequest::ReadService`](crate::StoreRequest::ReadService).
    Ask,
    /// A question is open already; what it does not judge is asked about after it.
    Waits,
}

/// What the store's answer means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Believed from now on, whatever was before.
    pub confirmed: Option<Serving>,
    /// Announced, and not what the store says.
    pub refused: Vec<Serving>,
    /// Wait for [`ASK_AGAIN_MS`], and then see by [`ServiceClaims::ask_again`] whether something is to be asked.
    pub again: bool,
}

/// What servers have announced, and what of it the store has confirmed. The caller lets nobody announce what the
/// topology does not list it for: that bounds this.
#[derive(Clone, Debug, Default)]
pub struct ServiceClaims {
    regions: BTreeMap<RegionNumber, Region>,
}

#[derive(Clone, Debug, Default)]
struct Region {
    confirmed: Option<Serving>,
    /// Heard before the open question was asked: its answer judges these.
    asked: BTreeMap<NodeNumber, RegionEpoch>,
    /// Heard since.
    fresh: BTreeMap<NodeNumber, RegionEpoch>,
    is_open: bool,
}

impl ServiceClaims {
    /// Who serves a region, as the store last confirmed to somebody who had announced it.
    #[must_use]
    pub fn serving(&self, region: RegionNumber) -> Option<Serving> {
        self.regions.get(&region)?.confirmed
    }

    /// Every service that is believed, by region.
    pub fn services(&self) -> impl Iterator<Item = Serving> {
        self.regions.values().filter_map(|region| region.confirmed)
    }

    /// Believes without asking: of what this process serves itself, the store has told it.
    pub fn trust(&mut self, own: Serving) {
        self.regions.entry(own.region).or_default().confirmed = Some(own);
    }

    /// A server says that it serves a region.
    pub fn announce(&mut self, claim: Serving) -> Announced {
        let region = self.regions.entry(claim.region).or_default();
        if region.confirmed == Some(claim) {
            return Announced::Known;
        }
        region.fresh.insert(claim.node, claim.region_epoch);
        if region.is_open {
            return Announced::Waits;
        }
        region.open();
        Announced::Ask
    }

    /// Whether the store has to be asked once more, after a verdict that said so.
    pub fn ask_again(&mut self, region: RegionNumber) -> bool {
        let Some(region) = self.regions.get_mut(&region) else {
            return false;
        };
        region.open();
        region.is_open = !region.asked.is_empty();
        region.is_open
    }

    /// The store's answer.
    pub fn answer(&mut self, number: RegionNumber, answer: &StoreResult) -> Verdict {
        let Some(region) = self.regions.get_mut(&number) else {
            return Verdict::default();
        };
        let asked = std::mem::take(&mut region.asked);
        let Ok(StoreReply::Service(row)) = answer else {
            for (node, epoch) in asked {
                region.fresh.entry(node).or_insert(epoch);
            }
            return Verdict {
                again: true,
                ..Verdict::default()
            };
        };
        let claims = asked.into_iter().map(|(node, region_epoch)| Serving {
            node,
            region: number,
            region_epoch,
        });
        let (confirmed, refused): (Vec<_>, Vec<_>) = claims.partition(|claim| Some(*claim) == *row);
        region.confirmed = confirmed.first().copied().or(region.confirmed);
        // Said on every link between two nodes: once more is nothing new.
        let known = region.confirmed.map(|known| (known.node, known.region_epoch));
        region.fresh.retain(|node, epoch| Some((*node, *epoch)) != known);
        region.is_open = !refused.is_empty() || !region.fresh.is_empty();
        Verdict {
            confirmed: confirmed.first().copied(),
            refused,
            again: region.is_open,
        }
    }
}

impl Region {
    fn open(&mut self) {
        self.is_open = true;
        self.asked.append(&mut self.fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;

    const WEST: RegionNumber = RegionNumber(1);

    fn serving(node: u16, epoch: u64) -> Serving {
        Serving {
            node: NodeNumber(node),
            region: WEST,
            region_epoch: RegionEpoch(epoch),
        }
    }

    fn row(node: u16, epoch: u64) -> StoreResult {
        Ok(StoreReply::Service(Some(serving(node, epoch))))
    }

    /// Node 1 serves at epoch 5, and everybody has heard of it.
    fn served() -> ServiceClaims {
        let mut claims = ServiceClaims::default();
        assert_eq!(claims.announce(serving(1, 5)), Announced::Ask);
        assert_eq!(
            claims.serving(WEST),
            None,
            "nobody is believed before the store says so"
        );
        let verdict = claims.answer(WEST, &row(1, 5));
        assert_eq!(verdict.confirmed, Some(serving(1, 5)));
        assert_eq!(claims.announce(serving(1, 5)), Announced::Known);
        claims
    }

    #[test]
    fn an_epoch_that_nobody_issued_is_refused_and_changes_nothing() {
        let mut claims = served();
        for epoch in [u64::MAX, 6, 4] {
            assert_eq!(claims.announce(serving(2, epoch)), Announced::Ask);
            let verdict = claims.answer(WEST, &row(1, 5));
            assert_eq!(verdict.refused, [serving(2, epoch)]);
            assert_eq!((verdict.confirmed, verdict.again), (None, true));
            assert_eq!(claims.serving(WEST), Some(serving(1, 5)));
            assert!(!claims.ask_again(WEST), "there is nothing to ask");
        }
        assert_eq!(claims.announce(serving(1, 5)), Announced::Known);
    }

    #[test]
    fn a_new_service_is_believed_though_a_liar_names_a_higher_one() {
        let mut claims = served();
        claims.announce(serving(2, u64::MAX));
        assert_eq!(claims.announce(serving(3, 6)), Announced::Waits);
        // What was read may be older than what was heard since.
        let verdict = claims.answer(WEST, &row(1, 5));
        assert_eq!((verdict.confirmed, verdict.again), (None, true));
        assert_eq!(
            claims.announce(serving(2, u64::MAX)),
            Announced::Waits,
            "a liar asks no faster"
        );
        assert!(claims.ask_again(WEST));
        let verdict = claims.answer(WEST, &row(3, 6));
        assert_eq!(verdict.confirmed, Some(serving(3, 6)));
        assert_eq!(verdict.refused, [serving(2, u64::MAX)]);
        assert_eq!(claims.serving(WEST), Some(serving(3, 6)));
    }

    #[test]
    fn what_is_said_twice_is_asked_once() {
        let mut claims = ServiceClaims::default();
        claims.announce(serving(1, 5));
        assert_eq!(claims.announce(serving(1, 5)), Announced::Waits);
        assert!(!claims.answer(WEST, &row(1, 5)).again);
    }

    #[test]
    fn the_store_overrides_what_was_believed_downwards_too() {
        let mut claims = served();
        claims.announce(serving(1, 2));
        assert_eq!(claims.answer(WEST, &row(1, 2)).confirmed, Some(serving(1, 2)));
        assert_eq!(claims.serving(WEST), Some(serving(1, 2)));
    }

    #[test]
    fn a_store_that_does_not_answer_is_asked_until_it_does() {
        let mut claims = served();
        claims.announce(serving(2, 6));
        let silence = Err(StoreError::Unavailable("away".to_owned()));
        for _ in 0..3 {
            assert!(claims.answer(WEST, &silence).again);
            assert_eq!(claims.serving(WEST), Some(serving(1, 5)));
            assert!(claims.ask_again(WEST));
        }
        assert_eq!(claims.answer(WEST, &row(2, 6)).confirmed, Some(serving(2, 6)));
    }
}
