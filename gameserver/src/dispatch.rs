//! Which region of this server a message belongs to: users by where they are, cells and handovers by the region that
//! they name. Pure, so that the shell only carries.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{RegionNumber, UserId};
use protocol::message::family::{ProxyToServer, ServerToServer};

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// One region.
    Region(RegionNumber),
    /// Every region of this server.
    Every,
    /// The shell itself: the message is about the link, or has to be verified first.
    Shell,
    /// Nobody here: refused.
    Nobody,
}

/// The regions of this server and the users in them.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    regions: BTreeSet<RegionNumber>,
    users: BTreeMap<UserId, RegionNumber>,
}

impl Directory {
    /// A directory of these regions, without users.
    #[must_use]
    pub fn new(regions: impl IntoIterator<Item = RegionNumber>) -> Self {
        Self {
            regions: regions.into_iter().collect(),
            users: BTreeMap::new(),
        }
    }

    /// The regions, ascending.
    pub fn regions(&self) -> impl Iterator<Item = RegionNumber> {
        self.regions.iter().copied()
    }

    /// The region that a user is in.
    #[must_use]
    pub fn region_of(&self, user: UserId) -> Option<RegionNumber> {
        self.users.get(&user).copied()
    }

    /// `PlayerHere`: messages about the user go to this region from now on.
    pub fn here(&mut self, user: UserId, region: RegionNumber) {
        self.users.insert(user, region);
    }

    /// `PlayerGone`: the region says so; another one may have the user by now.
    pub fn gone(&mut self, user: UserId, region: RegionNumber) {
        if self.users.get(&user) == Some(&region) {
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
            | ProxyToServer::Topology(_) => Addressee::Shell,
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
            ServerToServer::Serving(_) | ServerToServer::CellUpdates(_) | ServerToServer::TickEnd(_) => {
                Addressee::Every
            }
            ServerToServer::Heartbeat(_) | ServerToServer::GetTopology(_) | ServerToServer::Topology(_) => {
                Addressee::Shell
            }
        }
    }

    fn region(&self, number: u32) -> Addressee {
        let number = RegionNumber(number);
        if self.regions.contains(&number) {
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
        assert_eq!(directory.join(user, b), Some(b));
        assert_eq!(directory.join(user, RegionNumber(9)), Some(a));
    }
}
