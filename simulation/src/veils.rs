//! Who hides: the rules of a run show players to all who are near, to those far away as well, to one user, or to nobody, and change
//! their minds until shortly before all has to be well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use game::{Ctx, EntityId, Visibility};
use protocol::ids::UserId;

/// Somebody in each region is shown otherwise once in so many ticks.
const VEIL_TICKS: u64 = 12;
/// Users of the smallest run that has all it may have.
const USERS: u64 = 4;

/// How often somebody was shown otherwise, in all regions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

impl Changes {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Those of one region.
#[derive(Debug, Default)]
pub(crate) struct Veils {
    here: BTreeMap<UserId, EntityId>,
    changes: Changes,
}

impl Veils {
    pub(crate) fn new(changes: Changes) -> Self {
        Self {
            here: BTreeMap::new(),
            changes,
        }
    }

    pub(crate) fn entered(&mut self, user: UserId, entity: EntityId) {
        self.here.insert(user, entity);
    }

    pub(crate) fn left(&mut self, user: UserId) {
        self.here.remove(&user);
    }

    pub(crate) fn tick(&self, ctx: &mut dyn Ctx) {
        if !ctx.tick().0.is_multiple_of(VEIL_TICKS) {
            return;
        }
        let dice = ctx.random();
        let who = (dice as usize).checked_rem(self.here.len());
        let Some(entity) = who.and_then(|who| self.here.values().nth(who).copied()) else {
            return;
        };
        let to = match dice >> 32 & 7 {
            0 | 1 => Visibility::Hidden,
            2 => Visibility::Only(UserId(1 + (dice >> 40) % USERS)),
            3 => Visibility::Far,
            _ => Visibility::Near,
        };
        let before = ctx.entity(entity).map(|entity| entity.visibility);
        if before != Some(to) && ctx.show(entity, to) {
            self.changes.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
