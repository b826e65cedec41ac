//! What a game is to the mesh. A game implements [`GameLogic`]: the mesh calls it, one value per region, and hands it a
//! [`Ctx`], with which it acts. All of it is synchronous, takes no time and does no IO: a change of memory is seen at
//! once, and what has to be durable is committed before anybody is told.
//!
//! Ids, geometry and the reading of bytes are those of the protocol, named again here, so that a game needs this crate
//! alone.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod ctx;
mod fixed_map;
mod holding;
pub mod limits;
mod logic;
mod world;

pub use bytes;
pub use ctx::{Ctx, EntityView, HoldingRefused, Place, Reliability};
pub use fixed_map::FixedMap;
pub use holding::Holding;
pub use logic::{CommandKind, Entered, GameCommand, GameLogic};
pub use protocol::geometry::{CellGrid, CellIndex, Position, Rect};
pub use protocol::ids::{CommandNumber, EntityId, RegionNumber, Tick, UserId};
pub use protocol::wire;
pub use world::World;
