//! The handover protocol as an exhaustive model: one player, two servers, a proxy, a store, and everything that fails.
//!
//! Every order of deliveries, crashes, lost and doubled messages, lost store answers, dropped commands, logouts and
//! zombies within [`Bounds`] is visited. A [`Rule`] taken out on purpose must lead to a broken property; the shortest
//! way there is told as a story. The protocol is described in `docs/design/handover.md`.

mod bounds;
mod explore;
mod message;
mod outside;
mod process;
mod properties;
mod proxy;
mod state;
mod steps;
mod store;

pub use bounds::{Bounds, Rule, Rules};
pub use explore::{Outcome, Verdict, explore};
