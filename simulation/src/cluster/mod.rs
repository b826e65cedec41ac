//! The whole cluster in one thread: the cores that ship, under a made-up clock, network and store.

mod calm;
mod clients;
mod event;
mod leases;
mod own_calm;
mod patience;
mod plan;
mod processes;
mod run;
mod servers;
mod shards;
mod state;
mod stores;
#[cfg(test)]
mod tests;
mod times;
mod topologies;
mod troubles;
mod wires;

pub use patience::Patience;
pub use run::{Outcome, faults_of, run, run_with_lines, run_within};
