//! Which region of this process a message belongs to: users by where they are, cells and handovers by the region that
//! they name.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;

use game::FixedMap;
use protocol::ids::{RegionNumber, UserId};
use protocol::message::family::{ProxyToServer, ServerToServer};

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// One region.
    Region(RegionNumber),
    /// Those of this process that border this region of another one or of the same.
    Bordering(RegionNumber),
    /// The world itself: the message is about the link, or has to be verified first.
    World,
    /// Nobody here: refused.
    Nobody,
}

/// The regions of this process and the users in them.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    regions: BTreeSet<RegionNumber>,
    users: FixedMap<UserId, (RegionNumber, Claim)>,
}

/// How a region has a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It simulates the user.
    Active,
    /// The user may be about to arrive, or has been handed over: another region's word counts more.
    Passing,
}

impl Directory {
    /// A directory of these regions, without users.
    #[must_use]
    pub fn new(regions: impl IntoIterator<Item = RegionNumber>) -> Self {
        Self {
            regions: regions.into_iter().collect(),
            users: FixedMap::default(),
        }
    }

    /// One more region.
    pub fn add(&mut self, region: RegionNumber) {
        self.regions.insert(region);
    }

    /// A region is no more, and nobody is in it.
    pub fn remove(&mut self, region: RegionNumber) {
        if self.regions.remove(&region) {
            self.users.retain(|_, (at, _)| *at != region);
        }
    }

    /// The regions, ascending.
    pub fn regions(&self) -> impl Iterator<Item = RegionNumber> {
        self.regions.iter().copied()
    }

    /// Whether a region is one of them.
    #[must_use]
    pub fn serves(&self, region: RegionNumber) -> bool {
        self.regions.contains(&region)
    }

    /// The region that a user is in.
    #[must_use]
    pub fn region_of(&self, user: UserId) -> Option<RegionNumber> {
        self.users.get(&user).map(|(region, _)| *region)
    }

    /// `PlayerHere`: messages about the user go to this region from now on.
    pub fn here(&mut self, user: UserId, region: RegionNumber) {
        self.users.insert(user, (region, Claim::Active));
    }

    /// `PlayerExpected`: a peer says that the user is about to arrive. Its word does not take a user away from a region
    /// that simulates it.
    pub fn expected(&mut self, user: UserId, region: RegionNumber) {
        let (at, claim) = self.users.entry(user).or_insert((region, Claim::Passing));
        if *claim == Claim::Passing {
            *at = region;
        }
    }

    /// `PlayerPassed`: the user was handed over; the region answers for it a while.
    pub fn passed(&mut self, user: UserId, region: RegionNumber) {
        if let Some((at, claim)) = self.users.get_mut(&user)
            && *at == region
        {
            *claim = Claim::Passing;
        }
    }

    /// `PlayerGone`: the region says so; another one may have the user by now.
    pub fn gone(&mut self, user: UserId, region: RegionNumber) {
        if self.region_of(user) == Some(region) {
            self.users.remove(&user);
        }
    }

    /// Users known.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Who gets a proxy's message. `home` is the region to ask about users who are nowhere: any region answers from
    /// the row.
    #[must_use]
    pub fn proxy_message(&self, message: &ProxyToServer) -> Addressee {
        match message {
            ProxyToServer::Subscribe(message) => self.region(message.region),
            ProxyToServer::Unsubscribe(message) => self.region(message.region),
            ProxyToServer::Leave(message) => self.user(message.user),
            ProxyToServer::Inputs(message) => self.user(message.user),
            ProxyToServer::Command(message) => self.user(message.user),
            ProxyToServer::EventAck(message) => self.user(message.user),
            ProxyToServer::Join(_)
            | ProxyToServer::Heartbeat(_)
            | ProxyToServer::GetTopology(_)
            | ProxyToServer::Topology(_)
            | ProxyToServer::WatchMap(_) => Addressee::World,
        }
    }

    /// The region that serves a verified join: where the user is, else the one that the ticket names, else any.
    #[must_use]
    pub fn join(&self, user: UserId, hint: RegionNumber) -> Option<RegionNumber> {
        let hinted = Some(hint).filter(|hint| self.regions.contains(hint));
        self.region_of(user)
            .or(hinted)
            .or_else(|| self.regions.first().copied())
    }

    /// Who gets a peer's message.
    #[must_use]
    pub fn peer_message(&self, message: &ServerToServer) -> Addressee {
        match message {
            ServerToServer::Subscribe(message) => self.region(message.region),
            ServerToServer::Unsubscribe(message) => self.region(message.region),
            ServerToServer::Prepare(message) => self.region(message.to_region),
            ServerToServer::Prepared(message) => self.region(message.to_region),
            ServerToServer::Refuse(message) => self.region(message.to_region),
            ServerToServer::Commit(message) => self.region(message.to_region),
            ServerToServer::Done(message) => self.region(message.to_region),
            ServerToServer::Effect(message) => self.region(message.to_region),
            ServerToServer::Refresh(message) => self.region(message.to_region),
            ServerToServer::Roam(message) => self.region(message.to_region),
            ServerToServer::Arrivals(message) => self.region(message.to_region),
            ServerToServer::Serving(message) => Addressee::Bordering(RegionNumber(message.region)),
            ServerToServer::CellUpdates(message) => Addressee::Bordering(RegionNumber(message.region)),
            ServerToServer::Heartbeat(_) | ServerToServer::GetTopology(_) | ServerToServer::Topology(_) => {
                Addressee::World
            }
        }
    }

    fn region(&self, number: u32) -> Addressee {
        let number = RegionNumber(number);
        if self.serves(number) {
            Addressee::Region(number)
        } else {
            Addressee::Nobody
        }
    }

    fn user(&self, user: u64) -> Addressee {
        let region = self
            .region_of(UserId(user))
            .or_else(|| self.regions.first().copied());
        region.map_or(Addressee::Nobody, Addressee::Region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::player::Inputs;

    #[test]
    fn users_are_followed_and_a_late_goodbye_does_not_lose_them() {
        let (a, b, user) = (RegionNumber(1), RegionNumber(2), UserId(7));
        let mut directory = Directory::new([a, b]);
        let inputs = ProxyToServer::from(Inputs {
            user: 7,
            ..Inputs::default()
        });
        directory.here(user, a);
        directory.here(user, b);
        directory.gone(user, a);
        assert_eq!(directory.proxy_message(&inputs), Addressee::Region(b));
        directory.gone(user, b);
        assert_eq!(
            directory.proxy_message(&inputs),
            Addressee::Region(a),
            "any region answers from the row"
        );
        directory.here(user, b);
        directory.expected(user, a);
        assert_eq!(
            directory.region_of(user),
            Some(b),
            "a peer's word takes nobody away"
        );
        directory.passed(user, b);
        directory.expected(user, a);
        assert_eq!(directory.region_of(user), Some(a));
        directory.gone(user, a);
        assert_eq!(directory.join(user, b), Some(b));
        assert_eq!(directory.join(user, RegionNumber(9)), Some(a));
    }
}
