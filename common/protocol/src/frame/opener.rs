//! The receiving side of one direction: exactly the next frame opens, anything else ends the stream.
//!
//! TCP keeps order, so the one acceptable (phase, counter) is always known; there is no window and nothing to remember.

use bytes::{Bytes, BytesMut};

use super::error::FrameError;
use super::header::Header;
use super::kind::FrameType;
use super::raw::RawFrame;
use crate::keys::{MacKey, SealingKey, TAG_BYTES, TrafficSecret};
use crate::limits;

/// An authentic, decrypted frame, in its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the payload is; never `Rekey`, which the opener consumes.
    pub frame_type: FrameType,
    /// The sender's wall clock, milliseconds since 1970: compare with [`PeerClock`](super::PeerClock).
    pub timestamp_ms: u64,
    /// The plaintext, a view into the receive buffer.
    pub payload: Bytes,
}

/// Opens the frames of one direction of one stream.
pub struct FrameOpener {
    secret: TrafficSecret,
    key: SealingKey,
    mac: MacKey,
    key_phase: u32,
    counter: u64,
    payload_bytes_max: u32,
    awaits_welcome: bool,
    broken: Option<FrameError>,
}

impl FrameOpener {
    /// Expects phase 0, counter 0, and until [`establish`](Self::establish) nothing but a `NodeWelcome` no longer than a
    /// handshake's payload may be.
    #[must_use]
    pub fn new(secret: TrafficSecret) -> Self {
        let (key, mac) = secret.keys();
        Self {
            secret,
            key,
            mac,
            key_phase: 0,
            counter: 0,
            payload_bytes_max: limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX,
            awaits_welcome: true,
            broken: None,
        }
    }

    /// The handshake is over: from now on there are batches, and payloads (ciphertext and tag) as long as it agreed, in bytes.
    pub fn establish(&mut self, payload_bytes_max: u32) {
        self.payload_bytes_max = payload_bytes_max;
        self.awaits_welcome = false;
    }

    /// Longest payload acceptable now, bytes of ciphertext and tag.
    #[must_use]
    pub fn payload_bytes_max(&self) -> u32 {
        self.payload_bytes_max
    }

    /// Verifies and decrypts a frame where it lies; `None` for a REKEY, after which the next key is in force.
    ///
    /// # Errors
    /// Why the stream must be closed. Every later call answers with the same error.
    pub fn open(&mut self, raw: RawFrame) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let opened = self.open_next(raw);
        self.broken = opened.as_ref().err().copied();
        opened
    }

    fn open_next(&mut self, raw: RawFrame) -> Result<Option<Frame>, FrameError> {
        let RawFrame { header, payload } = raw;
        self.check_limit(&header)?;
        self.check_place(&header)?;
        let payload = self.decrypt(&header, payload)?;
        self.counter = self.counter.saturating_add(1);
        match (self.awaits_welcome, header.frame_type) {
            (false, FrameType::Rekey) => self.rekey(&payload).map(|()| None),
            (false, FrameType::Batch | FrameType::Close) | (true, FrameType::NodeWelcome) => {
                Ok(Some(frame(&header, payload)))
            }
            (_, kind) => Err(FrameError::Type(kind.number())),
        }
    }

    fn check_limit(&self, header: &Header) -> Result<(), FrameError> {
        let (bytes, limit) = (header.payload_len, self.payload_bytes_max);
        if bytes > limit {
            return Err(FrameError::Oversized { bytes, limit });
        }
        Ok(())
    }

    fn check_place(&self, header: &Header) -> Result<(), FrameError> {
        if header.key_phase != self.key_phase {
            Err(FrameError::Phase)
        } else if header.counter < self.counter {
            Err(FrameError::Replayed)
        } else if header.counter > self.counter {
            Err(FrameError::Reordered)
        } else if header.counter >= limits::REKEY_FRAMES {
            Err(FrameError::KeyOverused)
        } else {
            Ok(())
        }
    }

    fn decrypt(&self, header: &Header, mut payload: BytesMut) -> Result<Bytes, FrameError> {
        let covered = header.covered();
        let text_len = payload.len().checked_sub(TAG_BYTES);
        let (text, tag) = payload
            .split_last_chunk_mut::<TAG_BYTES>()
            .ok_or(FrameError::Truncated)?;
        // The tag stands for the ciphertext; nothing is used before it has verified, too.
        if !self.mac.verify(&[&covered, tag], &header.hmac) {
            return Err(FrameError::Hmac);
        }
        let opened = self.key.open(header.nonce(), &covered, text, tag);
        opened.map_err(|_| FrameError::Tag)?;
        payload.truncate(text_len.ok_or(FrameError::Truncated)?);
        Ok(payload.freeze())
    }

    fn rekey(&mut self, payload: &Bytes) -> Result<(), FrameError> {
        // An honest sender never replaces a key that protected nothing; accepting it would buy key derivations cheaply.
        let protected_something = self.counter > 1;
        if !payload.is_empty() || !protected_something {
            return Err(FrameError::Phase);
        }
        self.key_phase = self.key_phase.checked_add(1).ok_or(FrameError::Phase)?;
        self.secret = self.secret.next();
        (self.key, self.mac) = self.secret.keys();
        self.counter = 0;
        Ok(())
    }
}

fn frame(header: &Header, payload: Bytes) -> Frame {
    Frame {
        frame_type: header.frame_type,
        timestamp_ms: header.timestamp_ms,
        payload,
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::HEADER_BYTES;
    use super::super::sealer::FrameSealer;
    use super::*;
    use crate::keys::{Direction, Prk};

    #[test]
    fn fr_8_a_key_is_refused_beyond_its_last_frame() {
        let secret = TrafficSecret::new(&Prk::extract(&[1; 32], b"x"), Direction::InitiatorToResponder);
        let mut opener = FrameOpener::new(secret.clone());
        opener.counter = limits::REKEY_FRAMES;
        let (key, mac) = secret.keys();
        let mut header = Header {
            payload_len: TAG_BYTES as u32,
            hmac: [0; 32],
            key_phase: 0,
            counter: limits::REKEY_FRAMES,
            frame_type: FrameType::Batch,
            timestamp_ms: 0,
        };
        let tag = key.seal(header.nonce(), &header.covered(), &mut []).unwrap();
        header.hmac = mac.mac(&[&header.covered(), &tag]);
        let payload = BytesMut::from(&tag[..]);
        assert_eq!(
            opener.open(RawFrame { header, payload }),
            Err(FrameError::KeyOverused)
        );
    }

    #[test]
    fn fr_8_the_last_frame_a_sealer_makes_under_a_key_is_one_that_opens() {
        let secret = TrafficSecret::new(&Prk::extract(&[1; 32], b"x"), Direction::InitiatorToResponder);
        let mut sealer = FrameSealer::new(secret.clone(), 4096, 0);
        let mut opener = FrameOpener::new(secret);
        opener.establish(4096);
        sealer.skip_to(limits::REKEY_FRAMES - 2);
        opener.counter = limits::REKEY_FRAMES - 2;
        for _ in 0..3 {
            let mut out = Vec::new();
            sealer.seal(FrameType::Batch, b"x", 0, 0, &mut out).unwrap();
            let mut rest = BytesMut::from(&out[..]);
            while !rest.is_empty() {
                let payload_len = u32::from_le_bytes(*rest.first_chunk().unwrap()) as usize;
                let raw = RawFrame::parse(rest.split_to(HEADER_BYTES + payload_len)).unwrap();
                opener.open(raw).unwrap();
            }
        }
        assert_eq!((opener.key_phase, opener.counter), (1, 2));
    }
}
