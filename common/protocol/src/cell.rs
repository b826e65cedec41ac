//! What one cell publishes: the columns of a `CellUpdate`, how they are written, checked and applied, and the snapshot
//! that carries them to a client. Encoded once by the owner, passed on as they are by everybody else
//! (`docs/protocol.md`, "Cells and snapshots").

mod column;
mod columns;
mod decoded;
mod encoder;
mod entity;
mod motion;
mod snapshot;
mod state;

pub use crate::message::client::UpdateKind;
pub use decoded::{Add, CellError, DecodedCell, Move, Remove, State};
pub use encoder::{CellEncodeError, CellEncoder};
pub use entity::{CellEntity, RemoveReason, StateBytes, StateTooLong};
pub use motion::{CELL_SIZE_MAX, CellPoint, Motion, POINTS_PER_UNIT, PositionForm, heading, speed};
pub use snapshot::{CellDoesNotFit, ParsedSnapshot, SnapshotError, SnapshotHead, SnapshotWriter, parse_head};
pub use state::{Applied, CellState, Change, Gap};
