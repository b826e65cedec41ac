//! A look at the sessions of a shard from outside, for those who check from step to step whom it trusts. Reads only.

use protocol::ids::{AttachNo, NodeNumber, OwnerEpoch, RegionNumber, SessionGeneration, UserId};

use super::{Edge, SessionHandle};

/// One session and its owner, as trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub handle: SessionHandle,
    /// Whose.
    pub user: UserId,
    /// Which login.
    pub generation: SessionGeneration,
    /// Which attach of the login.
    pub attach_no: AttachNo,
    /// The owner's node, region and epoch; `None` before the first is known.
    pub owner: Option<(NodeNumber, RegionNumber, OwnerEpoch)>,
    /// Whether inputs and commands go to the owner just now.
    pub is_playing: bool,
}

/// Sessions that have waited for their place in the world for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: usize,
    /// The longest of them, milliseconds.
    pub longest_ms: u64,
}

/// A join or a crossing to another server takes less; a server that starts again takes longer, and that is worth telling.
const WAITING_MS: u64 = 3_000;

impl Edge {
    /// Who has attached, and has had no owner that is known and up for three seconds.
    #[must_use]
    pub fn waiting(&self, now_ms: u64) -> Waiting {
        let mut waiting = Waiting::default();
        for session in self.sessions.values() {
            let waited_ms = now_ms.saturating_sub(session.placed_ms);
            if session.attached.is_some() && waited_ms >= WAITING_MS {
                waiting.count += 1;
                waiting.longest_ms = waiting.longest_ms.max(waited_ms);
            }
        }
        waiting
    }

    pub(super) fn note_places(&mut self, now_ms: u64) {
        for session in self.sessions.values_mut() {
            if session.route.playing().is_some() {
                session.placed_ms = now_ms;
            }
        }
    }

    /// All sessions.
    pub fn session_views(&self) -> impl Iterator<Item = SessionView> {
        self.sessions.iter().map(|(key, session)| SessionView {
            handle: SessionHandle(key),
            user: session.user,
            generation: session.generation,
            attach_no: session.attach_no,
            owner: session
                .route
                .owner
                .map(|owner| (owner.node, owner.region, owner.epoch)),
            is_playing: session.route.playing().is_some(),
        })
    }
}
