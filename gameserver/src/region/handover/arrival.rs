//! Somebody who may be about to arrive, as the target of a handover remembers it.

use std::collections::BTreeMap;

use protocol::ids::{AttemptId, LiveLane, NodeNumber, OwnerEpoch, RegionNumber, UserId};
use protocol::message::player::{Command, EventAck, Inputs};
use store::{Holding, PlayerRow};

/// The row of a shadow is read again this often, milliseconds.
pub(super) const READ_MS: u64 = 200;

/// A message of a player who is not here yet.
#[derive(Clone, Debug)]
pub(in super::super) enum EarlyMessage {
    Inputs(Inputs),
    Command(Command),
    EventAck(EventAck),
}

/// Who prepared or committed a handover to here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) node: NodeNumber,
    pub(super) region: RegionNumber,
    pub(super) attempt: AttemptId,
    pub(super) version: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// The epoch under which the player is to be active here.
    pub(super) epoch: OwnerEpoch,
    pub(super) sender: Option<Sender>,
    pub(super) committed: bool,
    pub(super) since_ms: u64,
    pub(super) read_at_ms: u64,
    pub(super) reading: bool,
    /// A row that makes the player active, while its holdings are read.
    pub(super) row: Option<PlayerRow>,
    pub(super) holdings: Option<Vec<Holding>>,
    pub(super) early: Vec<(u64, LiveLane, EarlyMessage)>,
    /// Somebody changed the holdings meanwhile.
    pub(super) refresh: bool,
}

impl Arrival {
    pub(super) fn new(epoch: OwnerEpoch, now_ms: u64) -> Self {
        Self {
            epoch,
            sender: None,
            committed: false,
            since_ms: now_ms,
            read_at_ms: now_ms + READ_MS,
            reading: false,
            row: None,
            holdings: None,
            early: Vec::new(),
            refresh: false,
        }
    }
}

/// Players who may be about to arrive.
#[derive(Debug, Default)]
pub(in super::super) struct Arrivals {
    pub(super) by_user: BTreeMap<UserId, Arrival>,
}

impl Arrivals {
    pub(in super::super) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Arrivals that a source has announced.
    pub(super) fn announced(&self) -> usize {
        self.by_user
            .values()
            .filter(|arrival| arrival.sender.is_some())
            .count()
    }

    /// Whether the user may be about to arrive.
    pub(in super::super) fn expects(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    /// Whether exactly this row is what an arrival waits for.
    pub(in super::super) fn is_due(&self, user: UserId, row: &PlayerRow) -> bool {
        let arrival = self.by_user.get(&user);
        arrival.is_some_and(|arrival| {
            let attempt = arrival.sender.map(|sender| sender.attempt);
            arrival.epoch == row.owner_epoch && attempt == Some(row.attempt)
        })
    }

    /// Has the holdings of an arrival read once more; whether there is one.
    pub(in super::super) fn refresh_again(&mut self, user: UserId) -> bool {
        let arrival = self.by_user.get_mut(&user);
        arrival.is_some_and(|arrival| {
            arrival.refresh = true;
            true
        })
    }
}
