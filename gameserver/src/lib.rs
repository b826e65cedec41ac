//! The game server: regions, cells, publication, handover and game logic, all pure; sockets and tasks around them
//! are in `server`.

pub mod demo;
pub mod dispatch;
pub mod fixed_map;
pub mod join_check;
pub mod logic;
pub mod proxy_lanes;
pub mod region;
pub mod server;
