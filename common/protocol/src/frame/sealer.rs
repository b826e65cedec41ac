//! The sending side of one direction: encrypts where the bytes already lie, counts, and replaces its key in time.
//!
//! Sending side and receiving side never share a key; the other half is `opener.rs`.

use super::error::FrameError;
use super::header::{HEADER_BYTES, Header};
use super::kind::FrameType;
use crate::keys::{MacKey, SealingKey, TAG_BYTES, TrafficSecret};
use crate::limits;

/// How much one key may protect before it is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RekeyLimits {
    /// Frames, the REKEY among them; at most [`limits::REKEY_FRAMES`], which the receiver enforces.
    pub frames: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Age, milliseconds.
    pub age_ms: u64,
}

impl Default for RekeyLimits {
    fn default() -> Self {
        Self {
            frames: limits::REKEY_FRAMES,
            bytes: limits::REKEY_BYTES,
            age_ms: limits::REKEY_AGE_MS,
        }
    }
}

/// Seals the frames of one direction of one stream.
pub struct FrameSealer {
    secret: TrafficSecret,
    key: SealingKey,
    mac: MacKey,
    key_phase: u32,
    counter: u64,
    bytes: u64,
    phase_started_ms: u64,
    payload_bytes_max: u32,
    rekey: RekeyLimits,
}

impl FrameSealer {
    /// Starts at phase 0, counter 0. `payload_bytes_max` is ciphertext and tag, as agreed in the handshake.
    #[must_use]
    pub fn new(secret: TrafficSecret, payload_bytes_max: u32, now_ms: u64) -> Self {
        let (key, mac) = secret.keys();
        Self {
            secret,
            key,
            mac,
            key_phase: 0,
            counter: 0,
            bytes: 0,
            phase_started_ms: now_ms,
            payload_bytes_max,
            rekey: RekeyLimits::default(),
        }
    }

    /// Replaces the key earlier than by default.
    #[must_use]
    pub fn with_rekey(mut self, rekey: RekeyLimits) -> Self {
        self.rekey = RekeyLimits {
            frames: rekey.frames.clamp(2, limits::REKEY_FRAMES),
            ..rekey
        };
        self
    }

    /// Longest payload that [`seal`](Self::seal) takes, bytes.
    #[must_use]
    pub fn plain_bytes_max(&self) -> usize {
        (self.payload_bytes_max as usize).saturating_sub(TAG_BYTES)
    }

    /// Appends one sealed frame to `out`, and before it a REKEY when one is due. `wall_ms` is stamped on the frame.
    ///
    /// # Errors
    /// `TooLong` when the payload exceeds [`plain_bytes_max`](Self::plain_bytes_max), `Type` for a type that is not
    /// sealed under traffic keys, `PhasesExhausted` after 2³² keys. `out` is as it was then, but for a due REKEY.
    pub fn seal(
        &mut self,
        frame_type: FrameType,
        payload: &[u8],
        wall_ms: u64,
        now_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        if payload.len() > self.plain_bytes_max() {
            return Err(FrameError::TooLong);
        }
        self.seal_with(frame_type, wall_ms, now_ms, out, |out| {
            out.reserve(payload.len().saturating_add(TAG_BYTES));
            out.extend_from_slice(payload);
        })
    }

    /// As [`seal`](Self::seal), but `write` appends the payload to `out` itself, so that it is never copied.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_with(
        &mut self,
        frame_type: FrameType,
        wall_ms: u64,
        now_ms: u64,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError> {
        let first = self.key_phase == 0 && self.counter == 0;
        let welcome = frame_type == FrameType::NodeWelcome && first;
        if !welcome && !matches!(frame_type, FrameType::Batch | FrameType::Close) {
            return Err(FrameError::Type(frame_type.number()));
        }
        if self.is_rekey_due(now_ms) {
            self.rekey(wall_ms, now_ms, out)?;
        }
        self.seal_next(frame_type, wall_ms, out, write)
    }

    fn is_rekey_due(&self, now_ms: u64) -> bool {
        let full = self.counter.saturating_add(1) >= self.rekey.frames
            || self.bytes.saturating_add(u64::from(self.payload_bytes_max)) > self.rekey.bytes
            || now_ms.saturating_sub(self.phase_started_ms) >= self.rekey.age_ms;
        // A key that protected nothing is as good as a new one; receivers refuse a REKEY as the first frame of a phase.
        full && self.counter > 0
    }

    fn rekey(&mut self, wall_ms: u64, now_ms: u64, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let key_phase = self.key_phase.checked_add(1).ok_or(FrameError::PhasesExhausted)?;
        self.seal_next(FrameType::Rekey, wall_ms, out, |_| ())?;
        self.secret = self.secret.next();
        (self.key, self.mac) = self.secret.keys();
        self.key_phase = key_phase;
        self.counter = 0;
        self.bytes = 0;
        self.phase_started_ms = now_ms;
        Ok(())
    }

    fn seal_next(
        &mut self,
        frame_type: FrameType,
        wall_ms: u64,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError> {
        let start = out.len();
        out.resize(start.saturating_add(HEADER_BYTES), 0);
        write(out);
        let sealed = out
            .get_mut(start..)
            .and_then(|frame| frame.split_first_chunk_mut::<HEADER_BYTES>())
            .ok_or(FrameError::TooLong)
            .and_then(|(head, text)| self.seal_in_place(frame_type, wall_ms, head, text));
        match sealed {
            Ok((payload_len, tag)) => {
                out.extend_from_slice(&tag);
                self.counter = self.counter.saturating_add(1);
                self.bytes = self.bytes.saturating_add(u64::from(payload_len));
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    fn seal_in_place(
        &self,
        frame_type: FrameType,
        wall_ms: u64,
        head: &mut [u8; HEADER_BYTES],
        text: &mut [u8],
    ) -> Result<(u32, [u8; TAG_BYTES]), FrameError> {
        let payload_len = u32::try_from(text.len().saturating_add(TAG_BYTES))
            .ok()
            .filter(|bytes| *bytes <= self.payload_bytes_max)
            .ok_or(FrameError::TooLong)?;
        let mut header = Header {
            payload_len,
            hmac: [0; 32],
            key_phase: self.key_phase,
            counter: self.counter,
            frame_type,
            timestamp_ms: wall_ms,
        };
        let covered = header.covered();
        let tag = self.key.seal(header.nonce(), &covered, text);
        let tag = tag.map_err(|_| FrameError::TooLong)?;
        header.hmac = self.mac.mac(&[&covered, &tag]);
        *head = header.encode();
        Ok((payload_len, tag))
    }
}

#[cfg(test)]
impl FrameSealer {
    /// As if so many frames had been sealed under this key.
    pub(super) fn skip_to(&mut self, counter: u64) {
        self.counter = counter;
    }
}
