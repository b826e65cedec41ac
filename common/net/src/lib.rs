//! Sockets: batched UDP, sealed TCP streams, WebSocket and TLS around them, links between nodes.
//!
//! Knows sockets, tokio and links; knows nothing of regions, players or who serves whom. What decides without IO
//! (`link_core`, `link_state`) is pure; tasks around it own sockets and timers.

pub mod accept_errors;
pub mod clock;
pub mod connection;
mod down_reason;
pub mod entropy;
pub mod key_work;
pub mod link;
pub mod link_core;
pub mod link_state;
pub mod mailbox;
pub mod names;
pub mod panics;
pub mod sealed_stream;
pub mod stream_socket;
mod tls;
pub mod udp;
pub mod websocket;
