//! Reading and writing fixed layouts without indexing: every byte is asked for, and a short buffer is an error.

use std::net::SocketAddr;

/// A layout ended before its last field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes end before the layout does")]
pub struct Truncated;

/// Takes fields off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// `Truncated` at the end.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next two bytes, little-endian.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes, little-endian.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes, little-endian.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next eight bytes, little-endian, signed.
    ///
    /// # Errors
    /// `Truncated` when there are fewer.
    pub fn i64(&mut self) -> Result<i64, Truncated> {
        self.array().map(i64::from_le_bytes)
    }

    /// A string of `u8 length ‖ UTF-8`; `None` when it is not UTF-8.
    ///
    /// # Errors
    /// `Truncated` when the length says more than there is.
    pub fn string(&mut self) -> Result<Option<&'a str>, Truncated> {
        let length = self.u8()?;
        self.bytes(usize::from(length))
            .map(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// An address, `u8 family (4, 6) | bytes | port u16`; `None` for another family.
    ///
    /// # Errors
    /// `Truncated` when the family needs more bytes than there are.
    pub fn address(&mut self) -> Result<Option<SocketAddr>, Truncated> {
        let address = match self.u8()? {
            4 => SocketAddr::from((self.array::<4>()?, self.u16()?)),
            6 => SocketAddr::from((self.array::<16>()?, self.u16()?)),
            _ => return Ok(None),
        };
        Ok(Some(address))
    }

    /// A base-128 varint of at most `u64::MAX`; `None` when it is longer than that.
    ///
    /// # Errors
    /// `Truncated` when its last byte is missing.
    pub fn varint(&mut self) -> Result<Option<u64>, Truncated> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.wrapping_shl(shift);
            if shifted.wrapping_shr(shift) != bits {
                return Ok(None);
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// Appends a string, `u8 length ‖ UTF-8`; one of more than 255 bytes is cut at a character.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u8::MAX));
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

/// Appends an address, `u8 family (4, 6) | bytes | port u16`.
pub fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend_from_slice(&v6.ip().octets());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

/// Appends a base-128 varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put_varint`] appends.
#[must_use]
pub fn varint_len(value: u64) -> usize {
    let bits = 64_u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_width_and_overlong_ones_are_refused() {
        for value in (0..64)
            .map(|bit| 1_u64 << bit)
            .flat_map(|power| [power - 1, power])
            .chain([u64::MAX])
        {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value));
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Ok(Some(value)));
            assert!(reader.is_empty());
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).varint(), Err(Truncated));
        }
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Ok(None));
        assert_eq!(
            Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]).varint(),
            Ok(None)
        );
    }

    #[test]
    fn a_reader_never_gives_more_than_there_is() {
        let mut reader = Reader::new(&[1, 2, 0, 3]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Err(Truncated));
        assert_eq!(reader.rest(), [3]);
        assert_eq!(Reader::new(&[2, b'a']).string(), Err(Truncated));
        assert_eq!(Reader::new(&[1, 0xff]).string(), Ok(None));
        assert_eq!(Reader::new(&[2, b'o', b'k']).string(), Ok(Some("ok")));
    }
}
