//! Where wire messages become typed values: the border that every message crosses before anything acts on it.
//!
//! One conversion per message that has limits (`X::check(&wire)`, or `TryFrom`), one error for all of them. What passed
//! here is within its limits; whether it is true is for the receiver to judge. Rules MS-n are in `docs/protocol.md`.

mod command;
mod error;
mod field;
mod handover;
mod input;
mod join;
mod output;
mod player_state;
mod session;
mod subscription;

pub use command::{CheckedCommand, CheckedEvent};
pub use error::CheckError;
pub use field::{node_number, region_number};
pub use handover::{CheckedClaim, CheckedPassenger, check_claims, check_passengers};
pub use input::{CheckedInput, InputRun, SnapshotAck};
pub use join::CheckedJoin;
pub use output::CheckedOutput;
pub use player_state::{CheckedPlayer, PendingEvent};
pub use session::SessionIdentity;
pub use subscription::{CheckedCellUpdates, CheckedSubscription};
