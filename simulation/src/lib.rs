//! The whole cluster in one thread under a made-up clock, network and store.

pub mod model;
