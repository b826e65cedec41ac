//! The wire of the mesh: identities, geometry, frames, handshakes, datagrams, messages and cells.
//!
//! Pure: bytes in, bytes out. Entropy and time are arguments; there is no socket, no file, no clock and no task
//! here, and the dependency list keeps it so. Layouts and numbered rules are in `docs/protocol.md`.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod api_proof;
pub mod attach;
pub mod awake;
pub mod cell;
pub mod client_handshake;
pub mod code;
pub mod datagram;
pub mod entropy;
pub mod frame;
pub mod geometry;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod message;
pub mod name;
pub mod network;
pub mod node_handshake;
pub mod sealed_deed;
pub mod shown;
pub mod ticket;
pub mod visibility;
pub mod wire;

pub use code::Code;
pub use entropy::Entropy;
pub use shown::{Shown, ShownLines};
