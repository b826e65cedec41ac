//! A message too long for one frame travels in fragments of its class, between which other classes pass.
//!
//! Family 0x2F, body `class u8 | last u8 | bytes`: the bytes of all fragments together are one message as a batch
//! would hold it, family and length included. Fragments of a class follow each other; no other message of that class
//! comes between them.

use bytes::Bytes;

use super::family::{Class, MessageError};
use crate::limits::{FRAGMENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::wire::{self, Reader};

/// The family of fragments; it belongs to links themselves, not to what they carry.
pub const FRAGMENT_FAMILY: u8 = 0x2F;

/// Bytes of a fragment's body before its share of the message.
const HEAD_BYTES: usize = 2;

const _: () = assert!(FRAGMENT_BYTES_MAX < MESSAGE_BYTES_MAX);

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The class of the whole message.
    pub class: Class,
    /// What comes after it in the message.
    pub place: Place,
    /// This piece, between 1 and [`FRAGMENT_BYTES_MAX`] bytes.
    pub bytes: Bytes,
}

/// Whether a fragment is the last of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// More follows.
    Before,
    /// The message ends here.
    Last,
}

impl Fragment {
    /// Cuts an encoded message into fragments of at most `bytes_max` of it ([`FRAGMENT_BYTES_MAX`] at most), each ready to
    /// stand in a batch: calls `put` with the length of each and what appends it.
    pub fn cut(
        class: Class,
        message: &[u8],
        bytes_max: usize,
        mut put: impl FnMut(usize, &dyn Fn(&mut Vec<u8>)),
    ) {
        let bytes_max = bytes_max.clamp(1, FRAGMENT_BYTES_MAX);
        let mut pieces = message.chunks(bytes_max).peekable();
        while let Some(piece) = pieces.next() {
            let last = u8::from(pieces.peek().is_none());
            let body = piece.len().saturating_add(HEAD_BYTES);
            let length = wire::varint_len(body as u64)
                .saturating_add(body)
                .saturating_add(1);
            put(length, &|out| {
                out.push(FRAGMENT_FAMILY);
                wire::put_varint(out, body as u64);
                out.extend_from_slice(&[class.number(), last]);
                out.extend_from_slice(piece);
            });
        }
    }

    /// Reads the body of one.
    ///
    /// # Errors
    /// `Malformed` for a class or mark that does not exist and for a piece of no bytes or too many.
    pub fn parse(body: &Bytes) -> Result<Self, MessageError> {
        let malformed = MessageError::Malformed(FRAGMENT_FAMILY);
        let mut reader = Reader::new(body);
        let (class, last) = (reader.u8()?, reader.u8()?);
        let class = Class::from_number(class).ok_or(malformed.clone())?;
        let place = match last {
            0 => Place::Before,
            1 => Place::Last,
            _ => return Err(malformed),
        };
        let bytes = body.slice(HEAD_BYTES..);
        if bytes.is_empty() || bytes.len() > FRAGMENT_BYTES_MAX {
            return Err(malformed);
        }
        Ok(Self { class, place, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::family::BatchReader;

    fn cut(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Fragment::cut(Class::Handover, message, FRAGMENT_BYTES_MAX, |length, put| {
            let before = out.len();
            put(&mut out);
            assert_eq!(out.len() - before, length);
        });
        out
    }

    #[test]
    fn fg_1_golden_fragments_of_a_message() {
        let message = vec![7; FRAGMENT_BYTES_MAX + 3];
        let bytes = cut(&message);
        // 32,770 as a varint, class 1, more follows.
        assert_eq!(bytes[..6], [0x2f, 0x82, 0x80, 0x02, 1, 0]);
        assert_eq!(bytes[6 + FRAGMENT_BYTES_MAX..], [0x2f, 5, 1, 1, 7, 7, 7]);
        let mut reader = BatchReader::new(bytes.into());
        let mut whole = Vec::new();
        while let Some((family, body)) = reader.next_body().unwrap() {
            assert_eq!(family, FRAGMENT_FAMILY);
            whole.extend_from_slice(&Fragment::parse(&body).unwrap().bytes);
        }
        assert_eq!(whole, message);
    }

    #[test]
    fn fg_2_what_is_no_fragment_is_refused() {
        for body in [&[][..], &[0], &[0, 1], &[4, 1, 9], &[0, 2, 9]] {
            assert!(
                Fragment::parse(&Bytes::copy_from_slice(body)).is_err(),
                "{body:?}"
            );
        }
        let long = [&[0, 1][..], &vec![0; FRAGMENT_BYTES_MAX + 1]].concat();
        assert!(Fragment::parse(&long.into()).is_err());
        assert!(Fragment::parse(&Bytes::from_static(&[0, 1, 9])).is_ok());
    }
}
