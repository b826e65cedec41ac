//! The whole cluster in one thread under a made-up clock, network and store: `cluster` runs the cores that ship and
//! checks them after every event, `model` explores the handover protocol exhaustively.

mod bot;
#[cfg(feature = "broken-rules")]
mod broken_rules;
mod checks;
mod chronicle;
mod cluster;
mod crafts;
mod dice;
mod flock;
mod herd;
mod links;
mod matrix;
pub mod model;
mod options;
mod overflow;
mod pieces;
mod progress;
mod recorder;
mod schedule;
mod sights;
mod sweep;
mod trace;
mod world;

#[cfg(feature = "broken-rules")]
pub use broken_rules::CreatureRule;
pub use cluster::{Outcome, Patience, run, run_with_lines, run_within};
pub use matrix::{Ambush, Coverage, Fault, Step, cells};
pub use options::{Options, Room};
pub use overflow::Overflow;
pub use progress::Progress;
pub use sweep::{BrokenSeed, RunningSweep, Sweep, Swept};
