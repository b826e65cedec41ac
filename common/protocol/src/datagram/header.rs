//! The 17 bytes in front of the ciphertext: clear, and authenticated with it.

use std::fmt;

use super::error::DatagramError;
use crate::entropy::{self, Entropy};
use crate::keys::TAG_BYTES;
use crate::limits::DATAGRAM_BYTES_MAX;
use crate::wire::{Reader, Truncated};

/// Bytes before the ciphertext.
pub const DATAGRAM_HEADER_BYTES: usize = 17;
/// Bytes that sealing adds to a plaintext.
pub const DATAGRAM_OVERHEAD_BYTES: usize = DATAGRAM_HEADER_BYTES + TAG_BYTES;
/// Key phases that the flags tell apart.
pub(super) const PHASES: u8 = 32;

const _: () = assert!(DATAGRAM_OVERHEAD_BYTES == 33, "budgets count with 33");

/// What a client's datagrams are recognised by: random, issued by the proxy at the handshake, no secret.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub [u8; 8]);

impl ConnectionId {
    /// A fresh one; the proxy draws again when it is taken.
    #[must_use]
    pub fn new(entropy: &mut dyn Entropy) -> Self {
        Self(entropy::array(entropy))
    }

    /// The connection a datagram names; `None` when it is too short to be one. Costs nothing, proves nothing.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        let long_enough = datagram.len() >= DATAGRAM_OVERHEAD_BYTES;
        let cid = datagram.get(1..)?.first_chunk::<8>()?;
        long_enough.then_some(Self(*cid))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({:016x})", u64::from_be_bytes(self.0))
    }
}

/// What a datagram is for: bits 1 to 3 of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatagramKind {
    /// An `Input` (to the proxy) or a `Snapshot` (to the client).
    Data,
    /// Client to proxy: here I am. As long as a challenge, or it is not answered.
    Bind,
    /// Proxy to client: prove that you receive at this address.
    Challenge,
    /// Client to proxy: the challenge's token.
    Response,
}

impl DatagramKind {
    /// Every kind, by number.
    pub const ALL: [Self; 4] = [Self::Data, Self::Bind, Self::Challenge, Self::Response];

    const fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Bind => 1,
            Self::Challenge => 2,
            Self::Response => 3,
        }
    }
}

/// A datagram's clear header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramHeader {
    /// Key phase modulo 32: its lowest bit is bit 0 of the flags, the others are bits 4 to 7. More than the one bit
    /// that tells neighbours apart, so that a receiver that heard nothing for hours still finds the key.
    pub phase: u8,
    /// What the datagram is for.
    pub kind: DatagramKind,
    /// Whose it is.
    pub cid: ConnectionId,
    /// Counts a direction's datagrams; never restarts, whatever happens to keys and addresses.
    pub number: u64,
}

impl DatagramHeader {
    /// Reads the header of a whole datagram.
    ///
    /// # Errors
    /// `TooShort`, `TooLong` or `UnknownKind`.
    pub fn parse(datagram: &[u8]) -> Result<Self, DatagramError> {
        if datagram.len() < DATAGRAM_OVERHEAD_BYTES {
            return Err(DatagramError::TooShort);
        }
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(DatagramError::TooLong);
        }
        let mut reader = Reader::new(datagram);
        let flags = reader.u8()?;
        let kind = usize::from(flags >> 1 & 7);
        Ok(Self {
            phase: flags & 1 | flags >> 4 << 1,
            kind: *DatagramKind::ALL.get(kind).ok_or(DatagramError::UnknownKind)?,
            cid: ConnectionId(reader.array()?),
            number: reader.u64()?,
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; DATAGRAM_HEADER_BYTES] {
        let flags = self.phase & 1 | self.kind.number() << 1 | self.phase >> 1 << 4;
        let mut bytes = [flags; DATAGRAM_HEADER_BYTES];
        let fields = self.cid.0.into_iter().chain(self.number.to_le_bytes());
        for (byte, field) in bytes.iter_mut().skip(1).zip(fields) {
            *byte = field;
        }
        bytes
    }
}

/// The AEAD's number: 0u32 ‖ number, little-endian. Key phases have keys of their own.
pub(super) fn nonce_number(number: u64) -> [u8; 12] {
    (u128::from(number) << 32)
        .to_le_bytes()
        .first_chunk()
        .copied()
        .unwrap_or_default()
}

impl From<Truncated> for DatagramError {
    fn from(_: Truncated) -> Self {
        Self::TooShort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_and_kind_has_flags_of_its_own() {
        for phase in 0..PHASES {
            for kind in DatagramKind::ALL {
                let header = DatagramHeader {
                    phase,
                    kind,
                    cid: ConnectionId([7; 8]),
                    number: u64::from(phase) << 50,
                };
                let mut bytes = header.encode().to_vec();
                assert_eq!((bytes[0] & 1, bytes[0] >> 1 & 7), (phase & 1, kind.number()));
                bytes.extend_from_slice(&[0; TAG_BYTES]);
                assert_eq!(DatagramHeader::parse(&bytes), Ok(header));
                assert_eq!(ConnectionId::of(&bytes), Some(header.cid));
                bytes.pop();
                assert_eq!(DatagramHeader::parse(&bytes), Err(DatagramError::TooShort));
                assert_eq!(ConnectionId::of(&bytes), None);
            }
        }
        assert_eq!(DatagramHeader::parse(&[8; 40]), Err(DatagramError::UnknownKind));
        assert_eq!(nonce_number(0x0102), [0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
    }
}
