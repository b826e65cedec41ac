//! M4, responder to initiator, the first frame under traffic keys: yes, or no and why.
//!
//! `status u8 | code u8 | rsv u16 | wall_ms u64`

use super::error::HandshakeError;
use crate::Code;
use crate::wire::Reader;

const STATUS_ESTABLISHED: u8 = 0;
const STATUS_REFUSED: u8 = 1;

/// M4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    /// The verdict.
    pub(super) verdict: Result<(), Code>,
    /// The responder's wall clock, milliseconds since 1970.
    pub(super) wall_ms: u64,
}

impl Welcome {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (status, code) = match self.verdict {
            Ok(()) => (STATUS_ESTABLISHED, Code::Ok),
            Err(code) => (STATUS_REFUSED, code),
        };
        let mut out = vec![status, code.number(), 0, 0];
        out.extend_from_slice(&self.wall_ms.to_le_bytes());
        out
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(bytes);
        let (status, code) = (reader.u8()?, Code::from_number(reader.u8()?));
        let (reserved, wall_ms) = (reader.u16()?, reader.u64()?);
        let verdict = match (status, code) {
            (STATUS_ESTABLISHED, Code::Ok) => Ok(()),
            (STATUS_REFUSED, code) => Err(code),
            _ => return Err(HandshakeError::Malformed),
        };
        if reserved != 0 || !reader.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { verdict, wall_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nh_9_a_welcome_stands_as_the_table_says() {
        let refused = Welcome {
            verdict: Err(Code::Revoked),
            wall_ms: 0x0102,
        };
        assert_eq!(refused.encode(), [1, 32, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Welcome::parse(&refused.encode()), Ok(refused));
        let bad: [&[u8]; 5] = [
            &[0, 32, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0],
            &[0, 0, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in bad {
            assert_eq!(Welcome::parse(bytes), Err(HandshakeError::Malformed), "{bytes:?}");
        }
    }
}
