//! Regions on their way to another server: everything in such a region is written down, as in a drain; then it stands still while
//! the store passes it on, with its players, and is let go of. When that fails it goes on as if nothing had been. When the store does not
//! know whether it has done it, the region's epoch is burnt: it could still do it later, when players have gone on here.

use std::collections::BTreeMap;

use net::link_core::Sealing;
use protocol::ids::{NodeNumber, RegionNumber};
use store::{Serving, StoreError, StoreReply, StoreRequest, StoreResult};

use super::effect::{NotGiven, QuestionId, WorldEffect};
use super::{Moment, World};
use crate::region::RegionInput;

/// How long a region may take to write everything down, microseconds. Until then it plays on.
const WRITING_US: u64 = 5_000_000;
/// What the store did not answer is asked again after so long, microseconds.
const AGAIN_US: u64 = 200_000;

/// As much is kept of what a region that stands still has not heard: what a few thousand players say until a store has answered.
const MISSED_MAX: usize = 1 << 18;

/// Where it stands.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Since when, microseconds.
    Writing(u64),
    /// The store is to pass it on; or, in doubt, says who serves it now.
    Asked { id: QuestionId, in_doubt: bool },
    /// Whether it was passed on is not known; asked again at this time, microseconds.
    Unknown(u64),
}

#[derive(Debug)]
struct Giving {
    to: NodeNumber,
    stage: Stage,
    /// What it is to hear when it goes on.
    missed: Vec<RegionInput>,
}

/// All of one world.
#[derive(Debug, Default)]
pub(super) struct Givings(BTreeMap<RegionNumber, Giving>);

impl Givings {
    /// Whether a region stands still, and does not hear this.
    pub(super) fn holds(&mut self, region: RegionNumber, input: &RegionInput) -> bool {
        let Some(giving) = self.0.get_mut(&region) else {
            return false;
        };
        if matches!(giving.stage, Stage::Writing(_)) {
            return false;
        }
        if giving.missed.len() < MISSED_MAX {
            giving.missed.push(input.clone());
        }
        true
    }

    /// Whether the region is on its way.
    pub(super) fn has(&self, region: RegionNumber) -> bool {
        self.0.contains_key(&region)
    }

    /// Whether it was on its way.
    pub(super) fn forget(&mut self, region: RegionNumber) -> bool {
        self.0.remove(&region).is_some()
    }

    /// When something is to be asked again, microseconds.
    pub(super) fn due_us(&self) -> Option<u64> {
        let due = |giving: &Giving| match giving.stage {
            Stage::Unknown(at_us) => Some(at_us),
            Stage::Writing(_) | Stage::Asked { .. } => None,
        };
        self.0.values().filter_map(due).min()
    }

    fn asked(&self, id: QuestionId) -> Option<RegionNumber> {
        let is_it = |giving: &Giving| matches!(giving.stage, Stage::Asked { id: asked, .. } if asked == id);
        let found = self.0.iter().find(|(_, giving)| is_it(giving));
        found.map(|(region, _)| *region)
    }
}

impl<S: Sealing> World<S> {
    /// Gives a region to another server; [`WorldEffect::Gave`] says what came of it. `false`: it is not served here, or on its way already.
    pub fn give(&mut self, region: RegionNumber, to: NodeNumber, now: Moment) -> bool {
        if !self.slots.has(region) || self.givings.0.contains_key(&region) {
            return false;
        }
        let giving = Giving {
            to,
            stage: Stage::Writing(now.mono_us),
            missed: Vec::new(),
        };
        self.givings.0.insert(region, giving);
        self.tell(region, RegionInput::Drain, now);
        self.settle(now);
        self.slots.hurry(region, now.mono_us);
        true
    }

    /// Looks whether a region is written down by now, or may not take any longer.
    pub(super) fn go_on_giving(&mut self, now: Moment) {
        let regions: Vec<RegionNumber> = self.givings.0.keys().copied().collect();
        for region in regions {
            let giving = self.givings.0.get(&region);
            // Who is listed no more may have started anew since, and would not look for it.
            let is_listed = giving.is_some_and(|giving| self.topology.may_serve(giving.to, region));
            match giving.map(|giving| giving.stage) {
                Some(Stage::Writing(_)) if !is_listed => self.keep(region, NotGiven::Unlisted, now),
                Some(Stage::Writing(_)) if self.is_written(region) => self.pass_on(region),
                Some(Stage::Writing(since_us)) if now.mono_us >= since_us + WRITING_US => {
                    self.keep(region, NotGiven::Unwritten, now);
                }
                Some(Stage::Unknown(at_us)) if at_us <= now.mono_us => {
                    self.burn_epoch(region);
                }
                _ => {}
            }
        }
    }

    /// The store's answer to a question about a region on its way; whether it was one.
    pub(super) fn giving_answered(&mut self, id: QuestionId, result: &StoreResult, now: Moment) -> bool {
        let Some(region) = self.givings.asked(id) else {
            return false;
        };
        match result {
            Ok(StoreReply::Serving(_)) if self.is_in_doubt(region) => {
                self.part_with(region, Err(NotGiven::NotDone), now);
            }
            // A service that is not this one: of whom it was to go to, as a lost answer would have said, or of somebody else.
            Ok(StoreReply::Serving(_) | StoreReply::Service(_)) => self.part_with(region, Ok(()), now),
            Ok(StoreReply::LeaseEnded(_)) => self.keep(region, NotGiven::NotRunning, now),
            Err(error) if error.is_surely_not_applied() && !self.is_in_doubt(region) => {
                let why = match error {
                    StoreError::NotCandidate { .. } => NotGiven::NotListed,
                    _ => NotGiven::NoAnswer,
                };
                self.keep(region, why, now);
            }
            _ => {
                if let Some(giving) = self.givings.0.get_mut(&region) {
                    giving.stage = Stage::Unknown(now.mono_us + AGAIN_US);
                }
            }
        }
        self.settle(now);
        true
    }

    fn is_written(&mut self, region: RegionNumber) -> bool {
        self.slots.get_mut(region).is_some_and(|slot| {
            let status = slot.region.status();
            status.unsaved
                + status.ground_unwritten
                + status.creatures_unwritten
                + status.store_waiting
                + status.frozen
                + status.joining
                == 0
        })
    }

    /// From here on nothing happens in it.
    fn pass_on(&mut self, region: RegionNumber) {
        let (Some(from), Some(giving)) = (self.serving(region), self.givings.0.get(&region)) else {
            return;
        };
        let to = giving.to;
        self.slots.hold(region);
        self.ask_for(region, StoreRequest::GiveRegion { from, to });
    }

    fn ask_for(&mut self, region: RegionNumber, request: StoreRequest) {
        let id = QuestionId(self.next_question);
        self.next_question += 1;
        if let Some(giving) = self.givings.0.get_mut(&region) {
            let in_doubt = matches!(giving.stage, Stage::Unknown(_));
            giving.stage = Stage::Asked { id, in_doubt };
            self.effects.push(WorldEffect::Ask(id, request));
        }
    }

    /// Nobody knows whether the store has passed it on, or will: it never does after this. Where it has not, the region begins anew here.
    fn burn_epoch(&mut self, region: RegionNumber) {
        if let Some(Serving {
            node, region_epoch, ..
        }) = self.serving(region)
        {
            let after = Some(region_epoch);
            self.ask_for(region, StoreRequest::ServeRegion { region, node, after });
        }
    }

    /// This service of it is over.
    fn part_with(&mut self, region: RegionNumber, outcome: Result<(), NotGiven>, now: Moment) {
        let epoch = self.serving(region).map(|serving| serving.region_epoch);
        self.givings.forget(region);
        self.let_go(region, now);
        if let Some(epoch) = epoch {
            self.effects.push(WorldEffect::Superseded(region, epoch));
            self.effects.push(WorldEffect::Gave(region, outcome));
        }
    }

    /// It stays, and hears what it has missed.
    fn keep(&mut self, region: RegionNumber, why: NotGiven, now: Moment) {
        let giving = self.givings.0.remove(&region);
        self.slots.release(region, now.mono_us);
        for input in giving.into_iter().flat_map(|giving| giving.missed) {
            self.tell(region, input, now);
        }
        if !self.draining {
            self.tell(region, RegionInput::GoOn, now);
        }
        self.effects.push(WorldEffect::Gave(region, Err(why)));
    }

    fn is_in_doubt(&self, region: RegionNumber) -> bool {
        let giving = self.givings.0.get(&region);
        giving.is_some_and(|giving| matches!(giving.stage, Stage::Asked { in_doubt: true, .. }))
    }

    fn serving(&mut self, region: RegionNumber) -> Option<Serving> {
        let region_epoch = self.slots.get_mut(region)?.region.epoch();
        Some(Serving {
            node: self.node,
            region,
            region_epoch,
        })
    }
}
