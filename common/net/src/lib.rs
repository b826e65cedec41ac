//! Sockets: batched UDP, sealed TCP streams, links between nodes.
//!
//! Knows sockets, tokio and links; knows nothing of regions, players or who serves whom. What decides without IO
//! (`queue`, `link_state`) is pure; tasks around it own sockets and timers.

pub mod clock;
mod down_reason;
pub mod entropy;
pub mod key_work;
pub mod link;
pub mod link_core;
pub mod link_state;
pub mod panics;
pub mod queue;
pub mod sealed_stream;
pub mod stream_socket;
pub mod udp;
