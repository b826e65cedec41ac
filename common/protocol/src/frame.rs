//! The frame: one authenticated, encrypted, counted record on a TCP stream between nodes, or client and proxy.
//!
//! One file per step of its way: [`FrameSealer`] → bytes → [`FrameDecoder`] → [`RawFrame`] → [`FrameOpener`] → [`Frame`].
//! Rules FR-n are in `docs/protocol.md`.

mod clock;
mod close;
mod decoder;
mod error;
mod handshake;
mod header;
mod kind;
mod opener;
mod raw;
mod sealer;

pub use clock::PeerClock;
pub use close::Close;
pub use decoder::FrameDecoder;
pub use error::FrameError;
pub use handshake::{HandshakeFrame, HandshakeKey};
pub use header::{HEADER_BYTES, Header};
pub use kind::FrameType;
pub use opener::{Frame, FrameOpener};
pub use raw::RawFrame;
pub use sealer::{FrameSealer, RekeyLimits};
