//! The game server: regions, cells, publication, handover and game logic, and the world of one process that links them
//! to others, all pure; the thread and the tasks around them are in `server`.

pub mod dispatch;
pub mod game_world;
pub mod join_check;
pub mod lease;
pub mod process_numbers;
pub mod proxy_lanes;
pub mod region;
pub mod server;
pub mod world;
