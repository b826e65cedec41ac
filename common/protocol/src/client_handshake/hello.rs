//! C1 and P2: who speaks which versions, the ephemeral keys, and the proxy's sealed proof of who it is.
//!
//! ```text
//! C1 256  "RMC1" 4 | ver u8 | min_ver u8 | flags u16 (bit 0: goes elsewhere when told to) | cluster_id 16 | eph_c 32 | random_c 32 | padding 168
//! P2 409  ver u8 | reserved 3 | eph_p 32 | random_p 32 | SEALED{ certificate 133 | voucher 120 | sig_p 64 | wall_ms u64 }
//! or   4  0 u8 | code u8 | reserved 2                      turned away, not authenticated
//! ```

use super::error::ClientHandshakeError;
use crate::Code;
use crate::identity::{CERTIFICATE_BYTES, VOUCHER_BYTES};
use crate::ids::ClusterId;
use crate::keys::TAG_BYTES;
use crate::wire::Reader;

/// The version this crate speaks, and the only one: the frames of version 1 have another HMAC.
pub const PROTOCOL_VERSION: u8 = 3;
/// Length of C1: large enough that a proxy's answer is less than twice as large.
pub const C1_BYTES: usize = 256;
/// Length of the clear head of P2.
pub(super) const P2_CLEAR_BYTES: usize = 68;
/// Length of what is sealed in P2.
pub(super) const P2_PLAIN_BYTES: usize = CERTIFICATE_BYTES + VOUCHER_BYTES + 64 + 8;
/// Length of P2.
pub const P2_BYTES: usize = P2_CLEAR_BYTES + P2_PLAIN_BYTES + TAG_BYTES;
/// Length of what a proxy says in place of P2 when it turns a client away.
pub(super) const HELLO_REFUSAL_BYTES: usize = 4;
const MAGIC: [u8; 4] = *b"RMC1";

/// The versions one side speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The newest.
    pub highest: u8,
    /// The oldest.
    pub lowest: u8,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            highest: PROTOCOL_VERSION,
            lowest: PROTOCOL_VERSION,
        }
    }
}

impl Versions {
    /// The newest version that both speak; never 0, which marks a refusal.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let version = self.highest.min(other.highest);
        (version >= self.lowest.max(other.lowest).max(1)).then_some(version)
    }

    /// Whether a version is among them.
    #[must_use]
    pub fn contains(self, version: u8) -> bool {
        (self.lowest..=self.highest).contains(&version)
    }
}

/// Whether a client goes to another proxy in place of a login, if this one tells it to. Clients of before the question stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moving {
    /// It was sent here, or does not know how to.
    #[default]
    Stays,
    /// It goes, once.
    Goes,
}

impl Moving {
    const BIT: u16 = 1;

    fn flags(self) -> u16 {
        match self {
            Self::Stays => 0,
            Self::Goes => Self::BIT,
        }
    }

    fn of_flags(flags: u16) -> Self {
        match flags & Self::BIT {
            0 => Self::Stays,
            _ => Self::Goes,
        }
    }
}

/// What a proxy sends in place of P2 before it closes. Only `VERSION`, `BUSY`, `DRAINING` and `MAINTENANCE` are heeded by
/// clients: nobody vouches for it, so it must not make them give up a ticket.
#[must_use]
pub fn hello_refusal(code: Code) -> [u8; HELLO_REFUSAL_BYTES] {
    [0, code.number(), 0, 0]
}

/// C1 as read.
pub(super) struct ClientHello {
    pub(super) versions: Versions,
    pub(super) moving: Moving,
    pub(super) cluster_id: ClusterId,
    pub(super) ephemeral: [u8; 32],
    pub(super) random: [u8; 32],
}

impl ClientHello {
    pub(super) fn encode(&self) -> [u8; C1_BYTES] {
        let fields = MAGIC
            .into_iter()
            .chain([self.versions.highest, self.versions.lowest])
            .chain(self.moving.flags().to_le_bytes())
            .chain(self.cluster_id.0)
            .chain(self.ephemeral)
            .chain(self.random);
        let mut bytes = [0; C1_BYTES];
        bytes
            .iter_mut()
            .zip(fields)
            .for_each(|(byte, field)| *byte = field);
        bytes
    }

    /// Other flags and padding are for versions to come: the transcript covers them, this version does not look at them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ClientHandshakeError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() != C1_BYTES || reader.array()? != MAGIC {
            return Err(ClientHandshakeError::Malformed("C1"));
        }
        let (highest, lowest) = (reader.u8()?, reader.u8()?);
        if lowest > highest {
            return Err(ClientHandshakeError::Malformed("C1"));
        }
        let moving = Moving::of_flags(reader.u16()?);
        Ok(Self {
            versions: Versions { highest, lowest },
            moving,
            cluster_id: ClusterId(reader.array()?),
            ephemeral: reader.array()?,
            random: reader.array()?,
        })
    }
}

/// The clear head of P2.
pub(super) struct ProxyHello {
    pub(super) version: u8,
    pub(super) ephemeral: [u8; 32],
    pub(super) random: [u8; 32],
}

impl ProxyHello {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&[self.version, 0, 0, 0], self.ephemeral.as_slice(), &self.random].concat()
    }

    /// The head, its bytes and the sealed rest.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, &[u8], &[u8]), ClientHandshakeError> {
        if bytes.len() == HELLO_REFUSAL_BYTES {
            return Err(turned_away(bytes)?);
        }
        let (clear, sealed) = bytes
            .split_at_checked(P2_CLEAR_BYTES)
            .filter(|_| bytes.len() == P2_BYTES)
            .ok_or(ClientHandshakeError::Malformed("P2"))?;
        let mut reader = Reader::new(clear);
        let version = reader.u8()?;
        if reader.array()? != [0; 3] {
            return Err(ClientHandshakeError::Malformed("P2"));
        }
        let hello = Self {
            version,
            ephemeral: reader.array()?,
            random: reader.array()?,
        };
        Ok((hello, clear, sealed))
    }
}

fn turned_away(bytes: &[u8]) -> Result<ClientHandshakeError, ClientHandshakeError> {
    let mut reader = Reader::new(bytes);
    let (zero, code, reserved) = (reader.u8()?, Code::from_number(reader.u8()?), reader.u16()?);
    let heeded = matches!(
        code,
        Code::Version | Code::Busy | Code::Draining | Code::Maintenance
    );
    if zero == 0 && reserved == 0 && heeded {
        Ok(ClientHandshakeError::TurnedAway(code))
    } else {
        Err(ClientHandshakeError::Malformed("P2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_wins_and_disjoint_ranges_have_none() {
        let versions = |lowest, highest| Versions { highest, lowest };
        assert_eq!(versions(1, 3).common(versions(2, 5)), Some(3));
        assert_eq!(versions(2, 5).common(versions(1, 3)), Some(3));
        assert_eq!(versions(4, 5).common(versions(1, 3)), None);
        assert_eq!(versions(1, 3).common(versions(4, 5)), None);
        assert_eq!(versions(0, 0).common(versions(0, 3)), None);
    }
}
