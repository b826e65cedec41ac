//! Seals one direction's datagrams in the caller's buffer.

use super::error::DatagramSealError;
use super::header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, DATAGRAM_OVERHEAD_BYTES, DatagramHeader, DatagramKind, PHASES,
    nonce_number,
};
use crate::keys::{DatagramSecret, SealingKey};
use crate::limits::{BROWSER_DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_REKEY_MS};

/// Numbers, keys and phase of the datagrams that one side sends.
pub struct DatagramSealer {
    cid: ConnectionId,
    next_number: u64,
    phase: u8,
    phase_began_ms: u64,
    secret: DatagramSecret,
    key: SealingKey,
}

impl DatagramSealer {
    /// The most plaintext that fits a datagram, bytes.
    pub const PLAIN_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - DATAGRAM_OVERHEAD_BYTES;
    /// The same for a datagram that travels in one of WebTransport.
    pub const BROWSER_PLAIN_BYTES_MAX: usize = BROWSER_DATAGRAM_BYTES_MAX - DATAGRAM_OVERHEAD_BYTES;

    /// The sender's half of a handshake's result.
    #[must_use]
    pub fn new(secret: DatagramSecret, cid: ConnectionId, now_ms: u64) -> Self {
        Self {
            cid,
            next_number: 1,
            phase: 0,
            phase_began_ms: now_ms,
            key: secret.key(),
            secret,
        }
    }

    /// Leaves room for a header at the end of `buffer` and returns where the datagram starts. The caller then appends
    /// the plaintext; several datagrams may stand one after the other.
    pub fn begin(buffer: &mut Vec<u8>) -> usize {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; DATAGRAM_HEADER_BYTES]);
        start
    }

    /// Seals the datagram that starts at `start` and reaches to the end of `buffer`; appends the tag.
    ///
    /// # Errors
    /// `DatagramSealError`; no number is used up then.
    pub fn seal(
        &mut self,
        kind: DatagramKind,
        buffer: &mut Vec<u8>,
        start: usize,
        now_ms: u64,
    ) -> Result<(), DatagramSealError> {
        self.rekey_when_due(now_ms);
        let number = self.next_number;
        let next_number = number.checked_add(1).ok_or(DatagramSealError::Exhausted)?;
        let header = DatagramHeader {
            phase: self.phase,
            kind,
            cid: self.cid,
            number,
        };
        let header = header.encode();
        let datagram = buffer.get_mut(start..).ok_or(DatagramSealError::NotBegun)?;
        let (place, plain) = datagram
            .split_first_chunk_mut::<DATAGRAM_HEADER_BYTES>()
            .ok_or(DatagramSealError::NotBegun)?;
        let too_long = DatagramSealError::TooLong(plain.len());
        if plain.len() > Self::PLAIN_BYTES_MAX {
            return Err(too_long);
        }
        *place = header;
        let tag = self.key.seal(nonce_number(number), &header, plain);
        buffer.extend_from_slice(&tag.map_err(|_| too_long)?);
        self.next_number = next_number;
        Ok(())
    }

    /// Appends one sealed datagram to `buffer`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal); `buffer` is as it was then.
    pub fn seal_onto(
        &mut self,
        kind: DatagramKind,
        plain: &[u8],
        buffer: &mut Vec<u8>,
        now_ms: u64,
    ) -> Result<(), DatagramSealError> {
        let start = Self::begin(buffer);
        buffer.extend_from_slice(plain);
        let sealed = self.seal(kind, buffer, start, now_ms);
        if sealed.is_err() {
            buffer.truncate(start);
        }
        sealed
    }

    /// One phase at a time, so that receivers can tell from the time how far the phase can have come.
    fn rekey_when_due(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.phase_began_ms) < DATAGRAM_REKEY_MS {
            return;
        }
        self.secret = self.secret.next();
        self.key = self.secret.key();
        self.phase = self.phase.wrapping_add(1) & (PHASES - 1);
        self.phase_began_ms = now_ms;
    }
}
