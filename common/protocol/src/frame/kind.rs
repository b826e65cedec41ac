//! The byte that says what a frame is. Messages have families of their own, inside `Batch`.

use super::error::FrameError;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// M1, initiator to responder, clear.
    NodeHello = 0x01,
    /// M2, responder to initiator: its identity, sealed inside.
    NodeAnswer = 0x02,
    /// M3, initiator to responder: its identity, sealed inside.
    NodeProof = 0x03,
    /// M4, responder to initiator: the first frame under traffic keys.
    NodeWelcome = 0x04,
    /// C1, client to proxy, clear.
    ClientHello = 0x05,
    /// P2, proxy to client: its identity, sealed inside.
    ProxyAnswer = 0x06,
    /// C3, client to proxy: credentials or ticket, sealed inside.
    ClientLogin = 0x07,
    /// P4, proxy to client: the verdict, sealed inside.
    ProxyWelcome = 0x08,
    /// The last frame under a key; empty. Sealed and consumed inside this module.
    Rekey = 0x0E,
    /// The sender is about to close, and says why: [`Close`](super::Close).
    Close = 0x0F,
    /// Messages.
    Batch = 0x20,
}

impl FrameType {
    /// Every type.
    pub const ALL: [Self; 11] = [
        Self::NodeHello,
        Self::NodeAnswer,
        Self::NodeProof,
        Self::NodeWelcome,
        Self::ClientHello,
        Self::ProxyAnswer,
        Self::ClientLogin,
        Self::ProxyWelcome,
        Self::Rekey,
        Self::Close,
        Self::Batch,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type with this number.
    ///
    /// # Errors
    /// `Type` for a number that stands for nothing.
    pub const fn from_number(number: u8) -> Result<Self, FrameError> {
        match number {
            0x01 => Ok(Self::NodeHello),
            0x02 => Ok(Self::NodeAnswer),
            0x03 => Ok(Self::NodeProof),
            0x04 => Ok(Self::NodeWelcome),
            0x05 => Ok(Self::ClientHello),
            0x06 => Ok(Self::ProxyAnswer),
            0x07 => Ok(Self::ClientLogin),
            0x08 => Ok(Self::ProxyWelcome),
            0x0E => Ok(Self::Rekey),
            0x0F => Ok(Self::Close),
            0x20 => Ok(Self::Batch),
            other => Err(FrameError::Type(other)),
        }
    }

    /// Whether a frame of this type travels under the hello key.
    #[must_use]
    pub const fn is_handshake(self) -> bool {
        !matches!(self, Self::NodeWelcome | Self::Rekey | Self::Close | Self::Batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_map_back_to_their_types_and_all_others_are_refused() {
        let known: Vec<u8> = FrameType::ALL.iter().map(|kind| kind.number()).collect();
        assert_eq!(known, [1, 2, 3, 4, 5, 6, 7, 8, 0x0E, 0x0F, 0x20]);
        for number in 0..=u8::MAX {
            match FrameType::from_number(number) {
                Ok(kind) => assert_eq!(kind.number(), number),
                Err(error) => {
                    assert_eq!(error, FrameError::Type(number));
                    assert!(!known.contains(&number));
                }
            }
        }
    }
}
