//! The HTTP request that a WebSocket begins with, and its answer: both ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// What RFC 6455 has a server add to the key.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The bytes of a key.
const KEY_BYTES: usize = 16;
/// An answer that is longer is none, bytes.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// What shows a client that its server speaks WebSocket; `None` for what is no key.
#[must_use]
pub fn accept_of(key: &str) -> Option<String> {
    let bytes = STANDARD.decode(key).ok()?;
    let digest = || Sha1::new().chain_update(key).chain_update(SALT).finalize();
    (bytes.len() == KEY_BYTES).then(|| STANDARD.encode(digest()))
}

/// Why an answer lets nobody in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Not a whole answer, or not one of HTTP.
    #[error("the answer to the WebSocket request is not HTTP")]
    NotHttp,
    /// Another answer than 101.
    #[error("the WebSocket was refused with status {0}")]
    Refused(u16),
    /// It answers another request, or speaks another protocol.
    #[error("the answer to the WebSocket request is of somebody who did not read it")]
    Mismatch,
}

/// A client's request.
#[derive(Debug)]
pub struct Request {
    key: String,
    protocol: &'static str,
}

impl Request {
    /// For this subprotocol; `random` goes into the key.
    #[must_use]
    pub fn new(protocol: &'static str, random: [u8; KEY_BYTES]) -> Self {
        Self {
            key: STANDARD.encode(random),
            protocol,
        }
    }

    /// The bytes to send to `host`.
    #[must_use]
    pub fn bytes(&self, host: &str, path: &str) -> Vec<u8> {
        let Self { key, protocol } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )
        .into_bytes()
    }

    /// Reads the answer: how many bytes it has, behind which the stream begins; `None` until all of it came.
    ///
    /// # Errors
    /// `UpgradeError`.
    pub fn answered(&self, came: &[u8]) -> Result<Option<usize>, UpgradeError> {
        let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match came.len() > ANSWER_BYTES_MAX {
                true => Err(UpgradeError::NotHttp),
                false => Ok(None),
            };
        };
        let head = came.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| UpgradeError::NotHttp)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        match status.ok_or(UpgradeError::NotHttp)? {
            101 => {}
            other => return Err(UpgradeError::Refused(other)),
        }
        let header = |wanted: &str| {
            let mut pairs = head.split("\r\n").filter_map(|line| line.split_once(':'));
            pairs.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value.trim()))
        };
        let accepted = header("sec-websocket-accept").map(str::to_owned);
        let is_ours =
            accepted == accept_of(&self.key) && header("sec-websocket-protocol") == Some(self.protocol);
        match is_ours {
            true => Ok(Some(end + 4)),
            false => Err(UpgradeError::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_is_that_of_the_standard() {
        let accept = accept_of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for wrong in ["", "dGhlIHNhbXBsZQ==", "!", "dGhlIHNhbXBsZSBub25jZSBhbmQ="] {
            assert_eq!(accept_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_counts_when_it_is_whole_and_to_this_request() {
        let request = Request::new("regionmesh.v1", *b"the sample nonce");
        let text = String::from_utf8(request.bytes("edge:1", "/mesh")).unwrap();
        assert!(text.starts_with("GET /mesh HTTP/1.1\r\nHost: edge:1\r\n") && text.ends_with("\r\n\r\n"));
        let answer = |status: &str, accept: &str, protocol: &str| {
            format!(
                "HTTP/1.1 {status}\r\nupgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n\r\nrest"
            )
        };
        let (ok, accept) = ("101 Switching Protocols", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let good = answer(ok, accept, "regionmesh.v1");
        let end = good.len() - 4;
        assert_eq!(request.answered(good.as_bytes()), Ok(Some(end)));
        for cut in 0..end {
            assert_eq!(request.answered(&good.as_bytes()[..cut]), Ok(None));
        }
        for (bytes, error) in [
            (
                answer("403 Forbidden", accept, "regionmesh.v1"),
                UpgradeError::Refused(403),
            ),
            (answer(ok, "other", "regionmesh.v1"), UpgradeError::Mismatch),
            (answer(ok, accept, "regionmesh.v2"), UpgradeError::Mismatch),
            ("SSH-2.0\r\n\r\n".to_owned(), UpgradeError::NotHttp),
            ("x".repeat(ANSWER_BYTES_MAX + 1), UpgradeError::NotHttp),
        ] {
            assert_eq!(request.answered(bytes.as_bytes()), Err(error), "{bytes}");
        }
    }
}
