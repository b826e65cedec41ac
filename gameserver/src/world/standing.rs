//! What was said to all regions and counts for those that come later as well.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::Arc;

use net::link_core::Sealing;
use protocol::ids::RegionNumber;
use store::Mutes;

use super::{Moment, World};
use crate::region::{RegionInput, Reload};

/// See the module.
#[derive(Default)]
pub(super) struct Standing {
    /// What they may have been made without.
    reload: Option<Reload>,
    mutes: Option<Arc<Mutes>>,
}

impl<S: Sealing> World<S> {
    /// The settings of the game were read anew: all regions play by them from now on. How many there are.
    pub fn reload(&mut self, reload: Reload, now: Moment) -> usize {
        self.tell_all(&RegionInput::Reloaded(reload.clone()), now);
        self.standing.reload = Some(reload);
        self.settle(now);
        self.slots.numbers().len()
    }

    /// These may say nothing to others, and nobody else.
    pub fn mute(&mut self, mutes: Arc<Mutes>, now: Moment) {
        self.tell_all(&RegionInput::Muted(Arc::clone(&mutes)), now);
        self.standing.mutes = Some(mutes);
        self.settle(now);
    }

    /// A region has come.
    pub(super) fn tell_standing(&mut self, number: RegionNumber, now: Moment) {
        if let Some(mutes) = self.standing.mutes.clone() {
            self.tell(number, RegionInput::Muted(mutes), now);
        }
        if let Some(reload) = self.standing.reload.clone() {
            self.tell(number, RegionInput::Reloaded(reload), now);
        }
    }
}
