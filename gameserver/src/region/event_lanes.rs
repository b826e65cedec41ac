//! Lanes that events go out by: how much each takes until the next tick, and which players are behind. What waits is what
//! the players keep anyway, so a lane that comes up is told all of it without ever being too slow for it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{ProxyLane, UserId};
use protocol::limits::EVENT_BYTES_MAX;

/// What an event takes beside its body, at most: family, length, four numbers of up to eleven bytes, tag and length of
/// the body.
const EVENT_HEAD_BYTES: usize = 53;
/// What the longest event takes of a lane's room, bytes.
pub const EVENT_ROOM_BYTES_MAX: usize = EVENT_BYTES_MAX + EVENT_HEAD_BYTES;

/// One lane.
#[derive(Debug, Default)]
pub(super) struct EventLane {
    /// What it still takes until the next tick, bytes.
    left: usize,
    /// Players who have not been told all that they may hear.
    behind: BTreeSet<UserId>,
    /// Who was told last: the next one is first when there is room again.
    last: Option<UserId>,
}

impl EventLane {
    /// Whether an event with a body of so many bytes finds room, which it takes.
    pub(super) fn takes(&mut self, body_bytes: usize) -> bool {
        let left = self.left.checked_sub(body_bytes + EVENT_HEAD_BYTES);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// The player was told all that it may hear.
    pub(super) fn has_all(&mut self, user: UserId) {
        self.behind.remove(&user);
    }

    /// The player was not told all that it may hear.
    pub(super) fn is_behind(&mut self, user: UserId) {
        self.behind.insert(user);
    }

    fn next(&self) -> Option<UserId> {
        let after = self.last.map(|last| UserId(last.0.saturating_add(1)));
        let mut later = self.behind.range(after.unwrap_or(UserId(0))..);
        later.next().or_else(|| self.behind.first()).copied()
    }
}

/// The lanes that are up.
#[derive(Debug, Default)]
pub(super) struct EventLanes {
    lanes: BTreeMap<ProxyLane, EventLane>,
}

impl EventLanes {
    /// It has come up, and has room from the next tick on.
    pub(super) fn up(&mut self, lane: ProxyLane) {
        self.lanes.insert(lane, EventLane::default());
    }

    /// Its link is gone.
    pub(super) fn gone(&mut self, lane: ProxyLane) {
        self.lanes.remove(&lane);
    }

    pub(super) fn get_mut(&mut self, lane: ProxyLane) -> Option<&mut EventLane> {
        self.lanes.get_mut(&lane)
    }

    /// A tick: each lane takes so much until the next one.
    pub(super) fn open(&mut self, mut room_bytes: impl FnMut(ProxyLane) -> usize) -> Vec<ProxyLane> {
        for (at, lane) in &mut self.lanes {
            lane.left = room_bytes(*at);
        }
        self.lanes.keys().copied().collect()
    }

    /// Whose turn it is at a lane, of those that are behind. Who is not reached by it any more is forgotten.
    pub(super) fn next(&mut self, at: ProxyLane, is_reached: impl Fn(UserId) -> bool) -> Option<UserId> {
        let lane = self.lanes.get_mut(&at)?;
        while let Some(user) = lane.next() {
            if is_reached(user) {
                lane.last = Some(user);
                return Some(user);
            }
            lane.behind.remove(&user);
        }
        None
    }
}
