//! P4: the proxy's answer to a login, a welcome or a refusal.
//!
//! ```text
//! welcome  SEALED{ 0 u8 | user_id u64 | session_id 16 | session_generation u64 | ticket 180 | udp_cid 8 | udp address
//!                  | count u8, addresses of other proxies | wall_ms u64 }
//! refusal  SEALED{ code u8 | retry_ms u32 | reason (u8 length ‖ UTF-8) | count u8, addresses of other proxies
//!                  | wall_ms u64 }
//! address  4 u8 | ip 4 | port u16, or 6 u8 | ip 16 | port u16; a udp address of 0 u8 alone: no datagrams here
//! ```

use std::net::{IpAddr, SocketAddr};

use super::error::ClientHandshakeError;
use crate::Code;
use crate::ids::{SessionGeneration, SessionId, UserId};
use crate::limits::PROXIES_NAMED_MAX;
use crate::ticket::{RawTicket, TICKET_BYTES};
use crate::wire::{Reader, put_string};

const MALFORMED: ClientHandshakeError = ClientHandshakeError::Malformed("P4");

/// The client is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The user.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// Which login of the user this is.
    pub session_generation: SessionGeneration,
    /// Good at any proxy, for the client's session key only.
    pub ticket: RawTicket,
    /// Names the session's datagrams.
    pub datagram_cid: [u8; 8],
    /// Where datagrams go; `None`: everything stays on the stream.
    pub datagram_address: Option<SocketAddr>,
    /// Where else the ticket is good; at most 16 are sent.
    pub proxies: Vec<SocketAddr>,
    /// The proxy's wall clock, Unix milliseconds.
    pub wall_ms: u64,
}

/// The client is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why; never `OK`.
    pub code: Code,
    /// When to try again, milliseconds; 0: not worth it, or at once elsewhere.
    pub retry_ms: u32,
    /// For people; empty where the code says it all. At most 255 bytes are sent.
    pub reason: String,
    /// Where to try instead; at most 16 are sent.
    pub proxies: Vec<SocketAddr>,
    /// The proxy's wall clock, Unix milliseconds.
    pub wall_ms: u64,
}

/// P4 as read.
pub(super) enum Answer {
    Welcome(Box<Welcome>),
    Refusal(Refusal),
}

impl Welcome {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut plain = vec![Code::Ok.number()];
        plain.extend_from_slice(&self.user.0.to_le_bytes());
        plain.extend_from_slice(&self.session.0);
        plain.extend_from_slice(&self.session_generation.0.to_le_bytes());
        plain.extend_from_slice(&self.ticket.encode());
        plain.extend_from_slice(&self.datagram_cid);
        match self.datagram_address {
            Some(address) => put_address(&mut plain, address),
            None => plain.push(0),
        }
        put_tail(&mut plain, &self.proxies, self.wall_ms);
        plain
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, ClientHandshakeError> {
        let user = UserId(reader.u64()?);
        let session = SessionId(reader.array()?);
        let session_generation = SessionGeneration(reader.u64()?);
        let ticket = RawTicket::parse(&reader.array::<TICKET_BYTES>()?).map_err(|_| MALFORMED)?;
        let datagram_cid = reader.array()?;
        let datagram_address = address(reader)?;
        let (proxies, wall_ms) = tail(reader)?;
        Ok(Self {
            user,
            session,
            session_generation,
            ticket,
            datagram_cid,
            datagram_address,
            proxies,
            wall_ms,
        })
    }
}

impl Refusal {
    pub(super) fn encode(&self) -> Vec<u8> {
        // A refusal that says OK would be read as a welcome.
        let code = if self.code.number() == Code::Ok.number() {
            Code::Generic
        } else {
            self.code
        };
        let mut plain = vec![code.number()];
        plain.extend_from_slice(&self.retry_ms.to_le_bytes());
        put_string(&mut plain, &self.reason);
        put_tail(&mut plain, &self.proxies, self.wall_ms);
        plain
    }
}

impl Answer {
    pub(super) fn parse(plain: &[u8]) -> Result<Self, ClientHandshakeError> {
        let mut reader = Reader::new(plain);
        let answer = match Code::from_number(reader.u8()?) {
            Code::Ok => Self::Welcome(Box::new(Welcome::parse(&mut reader)?)),
            code => {
                let retry_ms = reader.u32()?;
                let reason = reader.string()?.ok_or(MALFORMED)?.to_owned();
                let (proxies, wall_ms) = tail(&mut reader)?;
                Self::Refusal(Refusal {
                    code,
                    retry_ms,
                    reason,
                    proxies,
                    wall_ms,
                })
            }
        };
        if reader.is_empty() {
            Ok(answer)
        } else {
            Err(MALFORMED)
        }
    }
}

fn put_tail(out: &mut Vec<u8>, proxies: &[SocketAddr], wall_ms: u64) {
    let named = proxies.iter().take(PROXIES_NAMED_MAX);
    out.push(named.len() as u8);
    named.for_each(|&proxy| put_address(out, proxy));
    out.extend_from_slice(&wall_ms.to_le_bytes());
}

fn tail(reader: &mut Reader<'_>) -> Result<(Vec<SocketAddr>, u64), ClientHandshakeError> {
    let count = usize::from(reader.u8()?);
    if count > PROXIES_NAMED_MAX {
        return Err(MALFORMED);
    }
    let proxies = (0..count).map(|_| address(reader)?.ok_or(MALFORMED));
    let proxies = proxies.collect::<Result<_, _>>()?;
    Ok((proxies, reader.u64()?))
}

fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

fn address(reader: &mut Reader<'_>) -> Result<Option<SocketAddr>, ClientHandshakeError> {
    let ip = match reader.u8()? {
        0 => return Ok(None),
        4 => IpAddr::from(reader.array::<4>()?),
        6 => IpAddr::from(reader.array::<16>()?),
        _ => return Err(MALFORMED),
    };
    Ok(Some(SocketAddr::new(ip, reader.u16()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Refusal {
        Refusal {
            code: Code::Full,
            retry_ms: 9,
            reason: "why".to_owned(),
            proxies: vec![
                SocketAddr::from(([10, 0, 0, 1], 7000)),
                SocketAddr::from(([7_u16; 8], 7001)),
            ],
            wall_ms: 11,
        }
    }

    fn parsed(plain: &[u8]) -> Result<Refusal, ClientHandshakeError> {
        match Answer::parse(plain)? {
            Answer::Refusal(refusal) => Ok(refusal),
            Answer::Welcome(_) => panic!("a welcome"),
        }
    }

    // CH-16: a client does not take a proxy's sealed bytes on trust either.
    #[test]
    fn ch_16_an_authentic_answer_that_is_malformed_is_refused() {
        let plain = refusal().encode();
        assert_eq!(parsed(&plain), Ok(refusal()));
        for length in 0..plain.len() {
            assert!(parsed(&plain[..length]).is_err());
        }
        let changed = |at: usize, value: u8| {
            let mut plain = plain.clone();
            plain[at] = value;
            parsed(&plain)
        };
        assert_eq!(changed(6, 0xff), Err(MALFORMED));
        assert_eq!(changed(9, 17), Err(MALFORMED));
        assert_eq!(changed(10, 0), Err(MALFORMED));
        assert_eq!(changed(10, 5), Err(MALFORMED));
        assert_eq!(parsed(&[plain.as_slice(), &[0]].concat()), Err(MALFORMED));
        assert_eq!(changed(0, 200).unwrap().code, Code::Unknown(200));
        let no_ticket = vec![0; 260];
        assert!(matches!(Answer::parse(&no_ticket), Err(MALFORMED)));
    }
}
