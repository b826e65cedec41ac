//! The datagram: one sealed packet of inputs or of a snapshot, and the address it may be sent to.
//!
//! `flags u8 | cid 8 | number u64 | ciphertext | tag 16`. [`ConnectionId::of`] finds the session before any
//! cryptography, [`DatagramOpener`] asks the replay window before it decrypts and records only what was authentic, and
//! [`PathValidator`] decides which address gets data. Rules DG-n are in `docs/protocol.md`.

mod client_path;
mod error;
mod header;
mod opener;
mod path;
mod sealer;
mod window;

pub use client_path::{BIND_PAUSE_MS, BIND_REPEAT_MS, ClientPath, SNAPSHOT_SILENCE_MS, Transport};
pub use error::{DatagramError, DatagramSealError};
pub use header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, DATAGRAM_OVERHEAD_BYTES, DatagramHeader, DatagramKind,
};
pub use opener::{DatagramOpener, Opened};
pub use path::{BIND_PAYLOAD, CHALLENGE_PAUSE_MS, CHALLENGE_VALID_MS, PathEffect, PathToken, PathValidator};
pub use sealer::DatagramSealer;
pub use window::ReplayWindow;
