//! The 57 bytes before every payload. Each field earns its place; the offsets are checked at compile time.

use super::error::FrameError;
use super::kind::FrameType;
use crate::wire::Reader;

/// Length of a header, bytes.
pub const HEADER_BYTES: usize = 57;
/// Length of what HMAC and AEAD cover of it, bytes: all but the HMAC itself.
pub(super) const COVERED_BYTES: usize = 25;

/// Where each field starts, bytes.
pub(super) mod offset {
    pub(crate) const PAYLOAD_LEN: usize = 0;
    pub(crate) const HMAC: usize = 4;
    pub(crate) const NONCE: usize = 36;
    pub(crate) const TYPE: usize = 48;
    pub(crate) const TIMESTAMP: usize = 49;
}

const _: () = {
    assert!(offset::PAYLOAD_LEN + size_of::<u32>() == offset::HMAC);
    assert!(offset::HMAC + size_of::<[u8; 32]>() == offset::NONCE);
    assert!(offset::NONCE + size_of::<u32>() + size_of::<u64>() == offset::TYPE);
    assert!(offset::TYPE + size_of::<FrameType>() == offset::TIMESTAMP);
    assert!(offset::TIMESTAMP + size_of::<u64>() == HEADER_BYTES);
    assert!(COVERED_BYTES + size_of::<[u8; 32]>() == HEADER_BYTES);
};

/// A header, every field as written; nothing in it is authentic yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes that follow the header: ciphertext and tag. Known before anything can be verified, so limited first.
    pub payload_len: u32,
    /// Over the other fields and the AEAD tag, which stands for the ciphertext (over the whole payload in handshakes):
    /// silences strangers at a cost that does not grow with the frame, and commits to the key.
    pub hmac: [u8; 32],
    /// Which key of the direction, counted from 0.
    pub key_phase: u32,
    /// Frames under this key before this one: makes replay, loss and reordering visible.
    pub counter: u64,
    /// What the payload is.
    pub frame_type: FrameType,
    /// The sender's wall clock, milliseconds since 1970: latency and drift; on a live link it never cuts.
    pub timestamp_ms: u64,
}

impl Header {
    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 5] = [
            &self.payload_len.to_le_bytes(),
            &self.hmac,
            &self.nonce(),
            &[self.frame_type.number()],
            &self.timestamp_ms.to_le_bytes(),
        ];
        fill(&mut bytes, &fields);
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// `Type` for a frame type that does not exist.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(bytes);
        let mut read = || {
            Ok::<_, crate::wire::Truncated>((
                reader.u32()?,
                reader.array()?,
                reader.u32()?,
                reader.u64()?,
                reader.u8()?,
                reader.u64()?,
            ))
        };
        let (payload_len, hmac, key_phase, counter, kind, timestamp_ms) =
            read().map_err(|_| FrameError::Truncated)?;
        let frame_type = FrameType::from_number(kind)?;
        Ok(Self {
            payload_len,
            hmac,
            key_phase,
            counter,
            frame_type,
            timestamp_ms,
        })
    }

    /// The nonce field: key phase ‖ counter. The AEAD nonce is this XOR the iv of the direction.
    #[must_use]
    pub fn nonce(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        fill(
            &mut bytes,
            &[&self.key_phase.to_le_bytes(), &self.counter.to_le_bytes()],
        );
        bytes
    }

    /// What HMAC and AEAD cover: the header without the HMAC.
    #[must_use]
    pub fn covered(&self) -> [u8; COVERED_BYTES] {
        let mut bytes = [0; COVERED_BYTES];
        let fields: [&[u8]; 4] = [
            &self.payload_len.to_le_bytes(),
            &self.nonce(),
            &[self.frame_type.number()],
            &self.timestamp_ms.to_le_bytes(),
        ];
        fill(&mut bytes, &fields);
        bytes
    }
}

fn fill(out: &mut [u8], fields: &[&[u8]]) {
    let bytes = fields.iter().flat_map(|field| field.iter());
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr_1_every_field_stands_at_its_offset() {
        let header = Header {
            payload_len: 0x0403_0201,
            hmac: [0xaa; 32],
            key_phase: 0x1413_1211,
            counter: 0x2827_2625_2423_2221,
            frame_type: FrameType::Batch,
            timestamp_ms: 0x3837_3635_3433_3231,
        };
        let bytes = header.encode();
        assert_eq!(bytes[offset::PAYLOAD_LEN..offset::HMAC], [1, 2, 3, 4]);
        assert_eq!(bytes[offset::HMAC..offset::NONCE], [0xaa; 32]);
        assert_eq!(bytes[offset::NONCE..40], [0x11, 0x12, 0x13, 0x14]);
        assert_eq!(
            bytes[40..offset::TYPE],
            [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]
        );
        assert_eq!(bytes[offset::TYPE], 0x20);
        assert_eq!(
            bytes[offset::TIMESTAMP..],
            [0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38]
        );
        assert_eq!(Header::parse(&bytes), Ok(header));
        let without_hmac = [&bytes[..offset::HMAC], &bytes[offset::NONCE..]].concat();
        assert_eq!(header.covered().to_vec(), without_hmac);
    }
}
