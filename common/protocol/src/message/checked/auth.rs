//! Questions to auth nodes and their answers: the lengths of all that is in them.

use super::error::CheckError;
use super::field;
use crate::Code;
use crate::identity::ClientPublic;
use crate::limits::NAME_BYTES_MAX;
use crate::message::auth;
use crate::sealed_deed::SEALED_DEED_BYTES_MAX;
use crate::ticket::TICKET_BYTES;

/// Bytes of a reason, as in a refusal of a handshake.
const REASON_BYTES_MAX: usize = 255;

/// A question of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAsk {
    /// Comes back with the answer.
    pub number: u64,
    /// Whose box it is, says the proxy.
    pub client: ClientPublic,
    /// Not opened yet.
    pub sealed: Vec<u8>,
    /// Not verified yet.
    pub ticket: Option<[u8; TICKET_BYTES]>,
}

impl TryFrom<auth::Ask> for CheckedAsk {
    type Error = CheckError;

    fn try_from(message: auth::Ask) -> Result<Self, CheckError> {
        field::at_most("sealed", &message.sealed, SEALED_DEED_BYTES_MAX)?;
        let client = <[u8; 32]>::try_from(&message.client[..]);
        let client = client.ok().and_then(|bytes| ClientPublic::parse(&bytes).ok());
        Ok(Self {
            number: message.number,
            client: client.ok_or(CheckError::OutOfRange("client"))?,
            sealed: message.sealed.to_vec(),
            ticket: ticket(&message.ticket)?,
        })
    }
}

/// An answer of an auth node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAnswer {
    /// Of the question.
    pub number: u64,
    /// What came of it.
    pub code: Code,
    /// When to try again, milliseconds.
    pub retry_ms: u32,
    /// Beyond the code.
    pub reason: String,
    /// What the account is called.
    pub name: String,
    /// Not verified yet.
    pub ticket: Option<[u8; TICKET_BYTES]>,
}

impl TryFrom<auth::Answer> for CheckedAnswer {
    type Error = CheckError;

    fn try_from(message: auth::Answer) -> Result<Self, CheckError> {
        field::at_most("reason", message.reason.as_bytes(), REASON_BYTES_MAX)?;
        field::at_most("name", message.name.as_bytes(), NAME_BYTES_MAX)?;
        let code = u8::try_from(message.code).map_err(|_| CheckError::OutOfRange("code"))?;
        Ok(Self {
            number: message.number,
            code: Code::from_number(code),
            retry_ms: message.retry_ms,
            reason: message.reason,
            name: message.name,
            ticket: ticket(&message.ticket)?,
        })
    }
}

fn ticket(bytes: &[u8]) -> Result<Option<[u8; TICKET_BYTES]>, CheckError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let ticket = bytes.try_into().map_err(|_| CheckError::Length {
        field: "ticket",
        bytes: bytes.len(),
        expected: TICKET_BYTES,
    })?;
    Ok(Some(ticket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ClientKey;
    use crate::message::family::{AuthToProxy, BatchMessage as _, ProxyToAuth};

    fn ask() -> auth::Ask {
        auth::Ask {
            number: 7,
            client: ClientKey::from_seed(&[4; 32]).public().to_bytes().to_vec().into(),
            sealed: vec![5; 3].into(),
            ticket: vec![6; TICKET_BYTES].into(),
        }
    }

    fn answer() -> auth::Answer {
        auth::Answer {
            number: 7,
            code: 3,
            retry_ms: 500,
            reason: "later".to_owned(),
            name: "Ada".to_owned(),
            ticket: bytes::Bytes::new(),
        }
    }

    // Frozen: both ends may be of other versions.
    #[test]
    fn questions_and_answers_have_the_bytes_that_they_always_had() {
        let mut bytes = Vec::new();
        AuthToProxy::from(answer()).encode(&mut bytes);
        assert_eq!(
            bytes,
            b"\xa1\x13\x08\x07\x10\x03\x18\xf4\x03\x22\x05later\x2a\x03Ada"
        );
        bytes.clear();
        ProxyToAuth::from(auth::Ask {
            ticket: bytes::Bytes::new(),
            ..ask()
        })
        .encode(&mut bytes);
        assert_eq!(
            (&bytes[..6], &bytes[38..]),
            (&b"\xa0\x29\x08\x07\x12\x20"[..], &b"\x1a\x03\x05\x05\x05"[..])
        );
    }

    #[test]
    fn whatever_is_longer_than_it_may_be_is_refused() {
        assert_eq!(
            CheckedAsk::try_from(ask()).unwrap().ticket,
            Some([6; TICKET_BYTES])
        );
        let long = vec![0; SEALED_DEED_BYTES_MAX + 1].into();
        let refused = [
            auth::Ask {
                sealed: long,
                ..ask()
            },
            auth::Ask {
                client: vec![4; 31].into(),
                ..ask()
            },
            auth::Ask {
                client: vec![0; 32].into(),
                ..ask()
            },
            auth::Ask {
                ticket: vec![6; 179].into(),
                ..ask()
            },
        ];
        assert!(refused.into_iter().all(|ask| CheckedAsk::try_from(ask).is_err()));
        let heard = CheckedAnswer::try_from(answer()).unwrap();
        assert_eq!((heard.code, heard.ticket), (Code::Busy, None));
        let refused = [
            auth::Answer {
                code: 256,
                ..answer()
            },
            auth::Answer {
                reason: "x".repeat(256),
                ..answer()
            },
            auth::Answer {
                name: "x".repeat(33),
                ..answer()
            },
            auth::Answer {
                ticket: vec![6; 181].into(),
                ..answer()
            },
        ];
        assert!(
            refused
                .into_iter()
                .all(|answer| CheckedAnswer::try_from(answer).is_err())
        );
    }
}
