//! The suite of every store, on real PostgreSQL servers that the tests start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod alike;
mod cases;
mod cluster;
mod creatures;
mod durable;
mod game_states;
mod guests;
mod lease_races;
mod leases;
mod ownership;
mod postgres_scene;
mod races;
mod reports;
mod sanctions;
mod saves;
mod scene;
mod sessions;
mod trades;
mod valuables;

mod postgres {
    crate::cases::conformance!(crate::postgres_scene::postgres);
}

#[test]
fn postgres_and_simulated_answer_every_sequence_alike() {
    alike::answer_every_sequence_alike(postgres_scene::postgres, 48);
}
