//! The proxy's side of finding out where a client really is: data goes only to an address that answered a challenge. What an
//! address is, is for the proxy to say: of a socket, or of whatever else carries datagrams.

use std::net::SocketAddr;

use super::header::DatagramKind;
use super::opener::Opened;
use crate::entropy::{self, Entropy};

/// Length of a challenge's token, bytes.
const TOKEN_BYTES: usize = 8;
/// Plaintext of a BIND: as long as a challenge's, so that the answer is never larger than what came.
pub const BIND_PAYLOAD: [u8; TOKEN_BYTES] = [0; TOKEN_BYTES];
/// Between two challenges of a session, milliseconds: an address changes at most once a second.
pub const CHALLENGE_PAUSE_MS: u64 = 1_000;
/// How long a challenge may be answered, milliseconds.
pub const CHALLENGE_VALID_MS: u64 = 3_000;

/// What a challenge asks to be repeated: its plaintext, and that of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathToken(pub [u8; TOKEN_BYTES]);

impl PathToken {
    /// The token of a challenge or response; `None` unless the plaintext is exactly one.
    #[must_use]
    pub fn parse(plain: &[u8]) -> Option<Self> {
        plain.try_into().ok().map(Self)
    }
}

/// What to do about an authentic datagram besides using its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEffect<A = SocketAddr> {
    /// Nothing.
    None,
    /// Seal a challenge with this token and send it to this address, once.
    Challenge {
        /// Where to.
        to: A,
        /// The plaintext.
        token: PathToken,
    },
    /// From now on data goes here.
    Adopted(A),
}

#[derive(Clone, Copy, Debug)]
struct Challenge<A> {
    to: A,
    token: PathToken,
    sent_at_ms: u64,
}

/// Where one session's datagrams go.
#[derive(Clone, Debug)]
pub struct PathValidator<A = SocketAddr> {
    address: Option<A>,
    challenge: Option<Challenge<A>>,
}

impl<A> Default for PathValidator<A> {
    fn default() -> Self {
        Self {
            address: None,
            challenge: None,
        }
    }
}

impl<A: Copy + PartialEq> PathValidator<A> {
    /// Where data goes; `None` until a first address answered, and after [`forget`](Self::forget).
    #[must_use]
    pub const fn address(&self) -> Option<A> {
        self.address
    }

    /// The client has turned to TCP: nothing is sent until it binds again.
    pub fn forget(&mut self) {
        self.address = None;
    }

    /// Takes an authentic datagram. What challenges cost is bounded by [`CHALLENGE_PAUSE_MS`] and by what came.
    pub fn handle_datagram(
        &mut self,
        from: A,
        opened: &Opened<'_>,
        now_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> PathEffect<A> {
        match opened.kind {
            DatagramKind::Response => self.handle_response(from, opened.plain, now_ms),
            DatagramKind::Bind => self.challenge_when_due(from, opened, now_ms, entropy),
            DatagramKind::Data if self.address != Some(from) => {
                self.challenge_when_due(from, opened, now_ms, entropy)
            }
            DatagramKind::Data | DatagramKind::Challenge => PathEffect::None,
        }
    }

    fn challenge_when_due(
        &mut self,
        to: A,
        opened: &Opened<'_>,
        now_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> PathEffect<A> {
        let too_soon =
            |challenge: &Challenge<A>| now_ms.saturating_sub(challenge.sent_at_ms) < CHALLENGE_PAUSE_MS;
        if !opened.is_newest
            || opened.plain.len() < TOKEN_BYTES
            || self.challenge.as_ref().is_some_and(too_soon)
        {
            return PathEffect::None;
        }
        let token = PathToken(entropy::array(entropy));
        self.challenge = Some(Challenge {
            to,
            token,
            sent_at_ms: now_ms,
        });
        PathEffect::Challenge { to, token }
    }

    fn handle_response(&mut self, from: A, plain: &[u8], now_ms: u64) -> PathEffect<A> {
        let answered = self.challenge.filter(|challenge| {
            let valid = now_ms.saturating_sub(challenge.sent_at_ms) <= CHALLENGE_VALID_MS;
            valid && challenge.to == from && Some(challenge.token) == PathToken::parse(plain)
        });
        if answered.is_none() || self.address == Some(from) {
            return PathEffect::None;
        }
        self.address = Some(from);
        PathEffect::Adopted(from)
    }
}
