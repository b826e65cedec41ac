//! The whole cluster in one thread under a made-up clock, network and store: `cluster` runs the cores that ship and
//! checks them after every event, `model` explores the handover protocol exhaustively.

mod bot;
#[cfg(feature = "broken-rules")]
mod broken_rules;
mod checks;
mod chronicle;
mod clocks;
mod cluster;
mod crafts;
mod dice;
mod flock;
mod herd;
mod links;
mod matrix;
mod minimise;
pub mod model;
mod options;
mod overflow;
mod own_bot;
mod own_game;
mod own_storms;
mod pieces;
mod progress;
mod recorder;
mod scenario;
mod schedule;
mod sights;
mod sweep;
mod trace;
mod veils;
mod world;

#[cfg(feature = "broken-rules")]
pub use broken_rules::OtherRule;
pub use cluster::{Outcome, Patience, faults_of, run, run_with_lines, run_within};
pub use matrix::{Ambush, Coverage, Fault, Step, cells};
pub use minimise::{Minimised, minimise};
pub use options::{Options, Room, STORM_RUN};
pub use overflow::Overflow;
pub use own_game::{Calm, CalmEntity, CalmPlayer, Held, OwnGame};
pub use own_storms::{STORM_SEEDS, storms};
pub use progress::Progress;
pub use scenario::{Scenario, Scenarios};
pub use sweep::{BrokenSeed, RunningSeed, RunningSweep, Sweep, Swept};

/// A run allocates and frees on one thread, millions of times.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
