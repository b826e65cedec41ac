//! The last word of a side that closes an authenticated stream: why, when to come back, and where to go instead.
//!
//! Before authentication there is no such word: streams close silently.

use std::net::SocketAddr;

use super::error::FrameError;
use crate::code::Code;
use crate::limits;
use crate::wire::{Reader, put_address, put_string};

/// The payload of a CLOSE frame: `code u8 | retry_ms u32 | reason (u8 length ‖ UTF-8) | count u8 | addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub code: Code,
    /// How long to stay away, milliseconds; 0 where it does not matter.
    pub retry_ms: u32,
    /// For people; empty where the code says it all.
    pub reason: String,
    /// Proxies to try instead, at most [`limits::PROXIES_NAMED_MAX`].
    pub proxies: Vec<SocketAddr>,
}

impl From<Code> for Close {
    fn from(code: Code) -> Self {
        Self {
            code,
            retry_ms: 0,
            reason: String::new(),
            proxies: Vec::new(),
        }
    }
}

impl Close {
    /// The payload. A reason beyond 255 bytes is cut at a character, and proxies beyond the limit are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.code.number()];
        out.extend_from_slice(&self.retry_ms.to_le_bytes());
        put_string(&mut out, &self.reason);
        let named = self.proxies.len().min(limits::PROXIES_NAMED_MAX);
        out.push(u8::try_from(named).unwrap_or(u8::MAX));
        for proxy in self.proxies.iter().take(named) {
            put_address(&mut out, *proxy);
        }
        out
    }

    /// Reads a payload; all of it must be there, and nothing else.
    ///
    /// # Errors
    /// `Truncated` when the bytes are not exactly one CLOSE.
    pub fn parse(payload: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(payload);
        let close = Self::read(&mut reader).ok_or(FrameError::Truncated)?;
        reader.is_empty().then_some(close).ok_or(FrameError::Truncated)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let code = Code::from_number(reader.u8().ok()?);
        let retry_ms = reader.u32().ok()?;
        let reason = reader.string().ok()??.to_owned();
        let named = usize::from(reader.u8().ok()?);
        if named > limits::PROXIES_NAMED_MAX {
            return None;
        }
        let mut proxies = Vec::with_capacity(named);
        for _ in 0..named {
            proxies.push(reader.address().ok()??);
        }
        Some(Self {
            code,
            retry_ms,
            reason,
            proxies,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draining() -> Close {
        Close {
            code: Code::Draining,
            retry_ms: 1_500,
            reason: "upgrade".to_owned(),
            proxies: vec!["127.0.0.1:7000".parse().unwrap(), "[::1]:7001".parse().unwrap()],
        }
    }

    #[test]
    fn fr_15_a_close_stands_as_the_table_says_and_every_cut_is_refused() {
        let bytes = draining().encode();
        let mut golden = vec![11, 0xdc, 0x05, 0, 0, 7];
        golden.extend_from_slice(b"upgrade");
        golden.extend_from_slice(&[2, 4, 127, 0, 0, 1, 0x58, 0x1b, 6]);
        golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x59, 0x1b]);
        assert_eq!(bytes, golden);
        assert_eq!(Close::parse(&bytes), Ok(draining()));
        for end in 0..bytes.len() {
            assert_eq!(Close::parse(&bytes[..end]), Err(FrameError::Truncated), "{end}");
        }
        assert_eq!(
            Close::parse(&[bytes, vec![0]].concat()),
            Err(FrameError::Truncated)
        );
    }

    #[test]
    fn fr_15_maxima_are_kept_by_the_sender_and_demanded_by_the_receiver() {
        let close = Close {
            reason: "ä".repeat(200),
            proxies: vec!["127.0.0.1:1".parse().unwrap(); 40],
            ..draining()
        };
        let kept = Close::parse(&close.encode()).unwrap();
        assert_eq!(kept.reason.len(), 254);
        assert_eq!(kept.proxies.len(), limits::PROXIES_NAMED_MAX);
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 17];
        bytes.extend([4, 127, 0, 0, 1, 1, 0].repeat(17));
        assert_eq!(Close::parse(&bytes), Err(FrameError::Truncated));
    }
}
