//! Where each user is: which region of this process simulates it, or may be about to, or has just handed it over.

use protocol::ids::{RegionNumber, UserId};

use crate::fixed_map::FixedMap;

/// How a region has a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It simulates the user.
    Active,
    /// The user may be about to arrive, or has been handed over: another region's word counts more.
    Passing,
}

/// The users of one process.
#[derive(Debug, Default)]
pub(super) struct Users(FixedMap<UserId, (RegionNumber, Claim)>);

impl Users {
    /// The region that a user is in.
    pub(super) fn region_of(&self, user: UserId) -> Option<RegionNumber> {
        self.0.get(&user).map(|(region, _)| *region)
    }

    /// Messages about the user go to this region from now on.
    pub(super) fn here(&mut self, user: UserId, region: RegionNumber) {
        self.0.insert(user, (region, Claim::Active));
    }

    /// A peer says that the user is about to arrive. Its word does not take a user away from a region that simulates it.
    pub(super) fn expected(&mut self, user: UserId, region: RegionNumber) {
        let (at, claim) = self.0.entry(user).or_insert((region, Claim::Passing));
        if *claim == Claim::Passing {
            *at = region;
        }
    }

    /// The user was handed over; the region answers for it a while.
    pub(super) fn passed(&mut self, user: UserId, region: RegionNumber) {
        if let Some((at, claim)) = self.0.get_mut(&user)
            && *at == region
        {
            *claim = Claim::Passing;
        }
    }

    /// The region says so; another one may have the user by now.
    pub(super) fn gone(&mut self, user: UserId, region: RegionNumber) {
        if self.region_of(user) == Some(region) {
            self.0.remove(&user);
        }
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
