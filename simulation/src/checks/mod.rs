//! What must hold, looked at after every event: H1–H3, H8 and H9 of the handover's properties. H4, H5 and H7 are looked
//! at when all is calm, in `cluster::calm`.

mod chain;
mod creatures;
mod players;
mod rows;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::ids::{NodeNumber, OwnerEpoch, ProxyLane, RegionNumber, SessionGeneration, UserId};
use protocol::message::player::CommandClass;
use proxy::edge::SessionHandle;
use store::{GameState, PlayerRow};

/// A command that a device has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) class: CommandClass,
    pub(crate) body: Bytes,
}

/// What a login has said and heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    pub(crate) issued: Vec<Issued>,
    pub(crate) acked: u64,
    pub(crate) input_ack: u64,
    /// How often what was acknowledged may have been lost: with a server, or with a commit that was refused.
    pub(crate) input_acks_lost: u32,
    /// Events that tell what became of a durable command.
    pub(crate) outcomes: usize,
}

/// Everything remembered from event to event.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    broken: Option<String>,
    rows: BTreeMap<UserId, PlayerRow>,
    logins: BTreeMap<(UserId, SessionGeneration), Login>,
    /// How often a user's memory died with its server, or was given up for a commit that was refused.
    losses: BTreeMap<UserId, u32>,
    applied: BTreeMap<(UserId, SessionGeneration, u64), u32>,
    routes: BTreeMap<(ProxyLane, u32, SessionHandle), OwnerEpoch>,
    held: BTreeSet<(UserId, u64)>,
    /// The holdings that each region began with.
    holdings: BTreeMap<RegionNumber, BTreeSet<u64>>,
    /// What rules keep, by place, as it is in the store.
    kept: BTreeMap<u32, (u64, u64)>,
    refusal_due: Option<String>,
    seen_creatures: creatures::SeenCreatures,
    /// Things that devices heard they had given.
    gives: u64,
}

impl Checks {
    /// The first property broken is the one that counts.
    pub(crate) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// How often somebody heard that something was given.
    pub(crate) fn gives(&self) -> u64 {
        self.gives
    }

    pub(crate) fn row(&self, user: UserId) -> Option<&PlayerRow> {
        self.rows.get(&user)
    }

    pub(crate) fn login(&self, user: UserId, generation: SessionGeneration) -> Option<&Login> {
        self.logins.get(&(user, generation))
    }

    /// A server died that simulated the user, or the user begins again from its row: what was not saved is lost.
    pub(crate) fn memory_lost(&mut self, user: UserId) {
        *self.losses.entry(user).or_default() += 1;
        for ((of, _), login) in &mut self.logins {
            if *of == user {
                login.input_acks_lost += 1;
            }
        }
    }

    /// The region's rules panicked: it begins anew from what was saved.
    pub(crate) fn memory_lost_in(&mut self, region: RegionNumber, node: NodeNumber) {
        let here = |row: &&PlayerRow| row.region == region && row.owner == Some(node);
        let users: Vec<UserId> = self.rows.values().filter(here).map(|row| row.user).collect();
        users.into_iter().for_each(|user| self.memory_lost(user));
    }

    /// What rules keep only goes forward, and where they count, so does the count.
    pub(crate) fn kept<'a>(
        &mut self,
        states: impl Iterator<Item = (u32, &'a GameState)>,
        count: impl Fn(&[u8]) -> u64,
    ) {
        for (place, state) in states {
            let now = (state.serial, count(&state.state));
            let before = self.kept.insert(place, now).unwrap_or_default();
            if now.0 < before.0 || now.1 < before.1 {
                self.fail(format!(
                    "H7: what is kept at {place} went back from {before:?} to {now:?}"
                ));
            }
        }
    }

    fn losses(&self, user: UserId) -> u32 {
        self.losses.get(&user).copied().unwrap_or(0)
    }
}
