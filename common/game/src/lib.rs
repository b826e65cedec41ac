//! What a game is to the mesh. Its rules implement [`GameLogic`]: the mesh calls them, one value per region, and hands
//! them a [`Ctx`], with which they act. All of it is synchronous, takes no time and does no IO: a change of memory is seen at
//! once, and what has to be durable is committed before anybody is told.
//!
//! Ids, geometry and the reading of bytes are those of the protocol, named again here, so that a game needs this crate
//! alone.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod bot;
mod ctx;
mod fixed_map;
mod game;
mod holding;
pub mod limits;
mod logic;
mod world;

pub use bytes;
pub use ctx::{
    AskFailed, Ctx, EntityView, HoldingRefused, LogLevel, Offer, Place, Reliability, ReportRefused,
    TeleportFailed,
};
pub use fixed_map::FixedMap;
pub use game::{Edition, Game, Settings, Unreadable};
pub use holding::{Holding, Thing};
pub use logic::{CommandKind, Entered, GameCommand, GameInput, GameLogic};
pub use protocol::geometry::{CellGrid, CellIndex, Position, Rect};
pub use protocol::ids::{CommandNumber, EntityId, InputNumber, RegionNumber, Tick, UserId};
pub use protocol::visibility::Visibility;
pub use protocol::wire;
pub use settings::{Mistake, NoSettings, settings_table};
pub use world::World;
