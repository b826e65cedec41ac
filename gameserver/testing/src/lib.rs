//! A small world for the tests of a game. The rules run in the regions that ship, with a store that is exact and a clock
//! that moves when the test says so: what crosses a border, is committed or is repeated here is so in a cluster as well.
//!
//! ```
//! use game::{CommandKind, Game as _, Position};
//! use game_testing::Playground;
//! use demo::{Command, DemoGame, DemoSettings, Input};
//!
//! let mut ground = Playground::two(DemoGame::new(DemoSettings { creatures: 0 }));
//! let ann = ground.join_at("ann", Position { x: 120.0, y: 60.0 });
//! ground.input(ann, &Input { heading: 0, speed: 255 }.encode());
//! ground.run_ms(3_000);
//! assert_eq!(ground.region_of(ann), Some(Playground::RIGHT), "she has walked across the border");
//! let number = ground.command(ann, CommandKind::Soft, &Command::Emote(1).encode());
//! ground.tick();
//! assert!(ground.is_applied(ann, number));
//! ```
//!
//! After each tick the playground looks whether somebody is simulated twice or a holding has two holders, and panics then:
//! that would be a fault of the mesh.

// A test fails by a panic, and this is for tests.
#![allow(clippy::expect_used, clippy::panic)]

mod asks;
mod player;
mod playground;
mod seen;
mod setting;

pub use playground::{Playground, Thing};
