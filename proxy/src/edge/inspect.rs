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

impl Edge {
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
