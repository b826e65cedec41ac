//! Checks that nodes of every role have: who is linked, whether clocks agree, whether papers are good, whether memory is
//! left.

mod clocks;
mod links;
mod memory;
mod papers;

pub use clocks::clock_check;
pub use links::{Wanted, link_check};
pub(super) use memory::memory_check;
pub use papers::Papers;
