//! One suite for every store: whatever implements the trait gives exactly these answers.
//!
//! The cases stand in `cases.rs`. A new implementation is a new line below and a scene that opens it twice; one that needs a
//! service is a target of its own, as `postgres.rs` is.
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
mod races;
mod reports;
mod sanctions;
mod saves;
mod scene;
mod sessions;
mod sqlite_scene;
mod trades;
mod valuables;

mod sqlite {
    crate::cases::conformance!(crate::sqlite_scene::sqlite);
}

mod simulated {
    crate::cases::conformance!(crate::scene::simulated);
}

#[test]
fn sqlite_and_simulated_answer_every_sequence_alike() {
    alike::answer_every_sequence_alike(sqlite_scene::sqlite, 96);
}
