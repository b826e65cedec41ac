//! Frames of a handshake: same header, clear payload, and an HMAC under a public key that silences scanners.
//!
//! The hello HMAC proves nothing about the sender; it lets a responder drop strangers before any public-key work.

use bytes::Bytes;

use super::error::FrameError;
use super::header::{HEADER_BYTES, Header};
use super::kind::FrameType;
use super::raw::RawFrame;
use crate::ids::{ClusterId, NodeUuid};
use crate::keys::MacKey;
use crate::limits;

/// The key of handshake frames, known to everybody who knows whom they are talking to.
#[derive(Clone)]
pub struct HandshakeKey {
    mac: MacKey,
    skew_ms_max: u64,
}

/// A handshake frame that somebody sent who knows the hello key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFrame {
    /// The sender's wall clock, milliseconds since 1970; between nodes within [`limits::HANDSHAKE_CLOCK_SKEW_MS_MAX`] of ours.
    pub timestamp_ms: u64,
    /// The payload, a view into the receive buffer.
    pub payload: Bytes,
}

impl HandshakeKey {
    /// The key towards one responding node: HMAC-SHA256("S2S/1 hello", authority's public key ‖ responder's uuid).
    #[must_use]
    pub fn node(authority: &[u8; 32], responder: NodeUuid) -> Self {
        Self {
            mac: derive(b"S2S/1 hello", &[authority, &responder.0]),
            skew_ms_max: limits::HANDSHAKE_CLOCK_SKEW_MS_MAX,
        }
    }

    /// The key of a cluster's clients: HMAC-SHA256("RMC/1 hello", authority's public key ‖ cluster id).
    /// Nobody sets players' clocks right, so none is refused for its time.
    #[must_use]
    pub fn client(authority: &[u8; 32], cluster: ClusterId) -> Self {
        Self {
            mac: derive(b"RMC/1 hello", &[authority, &cluster.0]),
            skew_ms_max: u64::MAX,
        }
    }

    /// Appends one handshake frame to `out`.
    ///
    /// # Errors
    /// `TooLong` beyond [`limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX`], `Type` for a type outside handshakes.
    pub fn seal(
        &self,
        frame_type: FrameType,
        payload: &[u8],
        wall_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        if !frame_type.is_handshake() {
            return Err(FrameError::Type(frame_type.number()));
        }
        let payload_len = u32::try_from(payload.len())
            .ok()
            .filter(|bytes| *bytes <= limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX)
            .ok_or(FrameError::TooLong)?;
        let mut header = Header {
            payload_len,
            hmac: [0; 32],
            key_phase: 0,
            counter: 0,
            frame_type,
            timestamp_ms: wall_ms,
        };
        header.hmac = self.mac.mac(&[&header.covered(), payload]);
        out.reserve(HEADER_BYTES.saturating_add(payload.len()));
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(payload);
        Ok(())
    }

    /// Verifies a frame that must be `expected`.
    ///
    /// # Errors
    /// Why the stream must be closed, silently.
    pub fn open(
        &self,
        raw: RawFrame,
        expected: FrameType,
        wall_ms: u64,
    ) -> Result<HandshakeFrame, FrameError> {
        let RawFrame { header, payload } = raw;
        let (bytes, limit) = (header.payload_len, limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX);
        if bytes > limit {
            return Err(FrameError::Oversized { bytes, limit });
        }
        if header.frame_type != expected {
            return Err(FrameError::Type(header.frame_type.number()));
        }
        if header.nonce() != [0; 12] {
            return Err(FrameError::Phase);
        }
        if !self.mac.verify(&[&header.covered(), &payload], &header.hmac) {
            return Err(FrameError::Hmac);
        }
        let skew_ms = header.timestamp_ms.abs_diff(wall_ms);
        if skew_ms > self.skew_ms_max {
            return Err(FrameError::Clock(skew_ms));
        }
        Ok(HandshakeFrame {
            timestamp_ms: header.timestamp_ms,
            payload: payload.freeze(),
        })
    }
}

fn derive(label: &[u8; 11], context: &[&[u8]]) -> MacKey {
    // HMAC fills short keys up with zeros, so the label filled up with zeros is the label.
    let mut key = [0; 32];
    for (key, byte) in key.iter_mut().zip(label) {
        *key = *byte;
    }
    MacKey::new(&MacKey::new(&key).mac(context))
}
