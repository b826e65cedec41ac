//! What lies in a region from the first day on: made once, by whoever serves it first.

use store::{StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::calling::Callback;
use super::ground::lying;
use super::state::RegionConfig;

impl super::Region {
    /// The region's first holdings are made once, by whoever serves it first.
    pub(super) fn seed(&mut self) {
        if let Some(request) = self.seeding() {
            self.state.ask(Asked::Seed, request);
        }
    }

    /// `None`: the rules do not say, so nothing is made for good.
    fn seeding(&mut self) -> Option<StoreRequest> {
        let RegionConfig {
            number, seed, world, ..
        } = &self.state.config;
        let first = self
            .rules
            .call(Callback::FirstHoldings, |logic| {
                logic.first_holdings(world, *number, *seed)
            })?
            .into_iter();
        Some(StoreRequest::SeedHoldings {
            region: *number,
            seed: *seed,
            holdings: first.map(|holding| lying(*number, holding)).collect(),
        })
    }

    pub(super) fn seeded(&mut self, answer: &Result<StoreReply, StoreError>) {
        match answer {
            Ok(StoreReply::Seeded(_)) => self.state.read_ground(),
            // The game's mistake, which asking again does not mend: the ground stays unknown.
            Err(StoreError::Invalid(_)) => self.state.count("first_holdings_invalid"),
            _ => {
                if let Some(request) = self.seeding() {
                    self.state.ask_later(Asked::Seed, request);
                }
            }
        }
    }
}
