//! A whole frame as it came: right in length, not yet in anything else.

use bytes::{Buf, BytesMut};

use super::error::FrameError;
use super::header::{HEADER_BYTES, Header};

/// A header and exactly as many payload bytes as it says; nothing in it is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// The header as written.
    pub header: Header,
    /// What follows it.
    pub payload: BytesMut,
}

impl RawFrame {
    /// Splits the bytes of one whole frame.
    ///
    /// # Errors
    /// `Truncated` when there are fewer or more bytes than the header says, `Type` for an unknown frame type.
    pub fn parse(mut bytes: BytesMut) -> Result<Self, FrameError> {
        let head = bytes.first_chunk::<HEADER_BYTES>().ok_or(FrameError::Truncated)?;
        let header = Header::parse(head)?;
        bytes.advance(HEADER_BYTES);
        if u32::try_from(bytes.len()) == Ok(header.payload_len) {
            Ok(Self {
                header,
                payload: bytes,
            })
        } else {
            Err(FrameError::Truncated)
        }
    }
}
