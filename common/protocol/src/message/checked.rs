//! Where wire messages become typed values: the border that every message crosses before anything acts on it.
//!
//! One conversion per message that has limits (`X::check(&wire)`, or `TryFrom`), one error for all of them. What passed
//! here is within its limits; whether it is true is for the receiver to judge. Rules MS-n are in `docs/protocol.md`.

mod attach;
mod auth;
mod brief;
mod command;
mod creature;
mod effect;
mod error;
mod field;
mod handover;
mod input;
mod news;
mod output;
mod owner_word;
mod player_state;
mod roam;
mod session;
mod subscription;
mod word;

pub use attach::CheckedAttach;
pub use auth::{CheckedAnswer, CheckedAsk};
pub use brief::{CheckedBrief, brief_period_ms};
pub use command::{CheckedCommand, CheckedEvent};
pub use creature::{CheckedArrivals, CheckedCreature};
pub use effect::CheckedEffect;
pub use error::CheckError;
pub use field::node_number;
pub use handover::{CheckedClaim, CheckedClaims, CheckedPrepare};
pub use input::{CheckedInput, InputRun, SnapshotAck};
pub use news::CheckedNews;
pub use output::CheckedOutput;
pub use owner_word::{
    CheckedCommandAck, CheckedElsewhere, CheckedJoinRefused, CheckedMove, CheckedPresence, CheckedSuperseded,
    CheckedUserEvent,
};
pub use player_state::{CheckedPlayer, PlayerTimer};
pub use roam::{Birth, CheckedRoam};
pub use session::SessionIdentity;
pub use subscription::{CheckedCellUpdates, CheckedSubscription};
pub use word::{CheckedLeave, UserSays, UserWord};
