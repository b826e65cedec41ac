//! What every node process needs: configuration, telemetry, admin endpoint, data directory, life cycle.
//!
//! A process is `life::run`: config → build → start → drain. What it is *for* comes from its crate.

pub mod addresses;
pub mod admin;
pub mod authority_dir;
pub mod clock;
pub mod cluster_file;
pub mod config;
pub mod data_dir;
pub mod dial_plan;
pub mod files;
pub mod join_file;
pub mod life;
pub mod listen_file;
pub mod paper_task;
pub mod ports;
pub mod sanction_board;
pub mod settings;
pub mod telemetry;
pub mod topology_in_force;
pub mod utf8_path;

pub use ::settings::{settings, settings_table};
pub use net::entropy::OsEntropy;
