//! Checks that nodes of every role have: who is linked, whether clocks agree, whether papers are good, whether memory is
//! left, whether the store answers and is the world's.

mod clocks;
mod links;
mod memory;
mod papers;
mod store;
mod world;

pub use clocks::clock_check;
pub use links::{Wanted, link_check};
pub(super) use memory::memory_check;
pub use papers::{Papers, SOON_MS, span};
pub use store::{probe_store, store_watch};
pub use world::world_check;
