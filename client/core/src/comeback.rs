//! A session on its way to another proxy. It has all that it needs with it, so whoever waits for it may look elsewhere
//! meanwhile: a handshake takes longer than a game waits between two inputs.

use std::net::SocketAddr;
use std::vec;

use protocol::ids::AttachNo;

use crate::error::ConnectionError;
use crate::handshake::Dial;

/// How long a client tries to resume before it gives up, milliseconds: as long as owners keep linkdead players.
const RESUME_MS_MAX: u64 = 30_000;
/// First pause between two attempts, milliseconds; doubled up to a second, with jitter.
const RETRY_MS: u64 = 50;
const RETRY_MS_MAX: u64 = 1_000;

/// Tries all proxies over and over, until the player is gone anyway.
///
/// # Contract
/// The driver dials what [`next_dial`](Self::next_dial) says, and reports each failure to [`failed`](Self::failed); when there
/// is nothing to dial, it waits as long as [`pause_ms`](Self::pause_ms) says and begins again.
pub struct Comeback {
    /// The last one, whose ticket and key all of them bear.
    dial: Dial,
    /// In the order in which they are tried, beginning with the one after that which was lost.
    proxies: Vec<SocketAddr>,
    untried: vec::IntoIter<SocketAddr>,
    failed: Option<ConnectionError>,
    pause_ms: u64,
    give_up_ms: u64,
}

impl Comeback {
    pub(crate) fn new(dial: Dial, proxies: Vec<SocketAddr>, now_ms: u64) -> Self {
        Self {
            dial,
            untried: proxies.clone().into_iter(),
            proxies,
            failed: None,
            pause_ms: RETRY_MS,
            give_up_ms: now_ms.saturating_add(RESUME_MS_MAX),
        }
    }

    /// The connection to try now; `None` when all proxies were tried and it is time for a pause.
    pub fn next_dial(&mut self) -> Option<Dial> {
        let proxy = self.untried.next()?;
        let dial = &mut self.dial;
        dial.attach_no = AttachNo(dial.attach_no.0 + 1);
        Some(Dial {
            proxy,
            trust: dial.trust,
            key: dial.key.clone(),
            credentials: dial.credentials.clone(),
            attach_no: dial.attach_no,
            datagrams: dial.datagrams,
            moving: dial.moving,
        })
    }

    /// A proxy did not let the player in.
    ///
    /// # Errors
    /// The same error, when it is for good.
    pub fn failed(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        if !error.is_passing() {
            return Err(error);
        }
        self.failed = Some(ConnectionError::more_telling(self.failed.take(), error));
        Ok(())
    }

    /// All were tried: how long to wait before they are tried again, milliseconds. `random` keeps those apart whom the same
    /// proxy has lost.
    ///
    /// # Errors
    /// The most telling error of this round, when waiting is in vain or has been so for too long.
    pub fn pause_ms(&mut self, now_ms: u64, random: u64) -> Result<u64, ConnectionError> {
        let error = self.failed.take().unwrap_or(ConnectionError::TimedOut);
        // No proxy gets new papers while somebody waits.
        if error.is_in_vain() || now_ms >= self.give_up_ms {
            return Err(error);
        }
        let pause_ms = self.pause_ms;
        self.pause_ms = (pause_ms * 2).min(RETRY_MS_MAX);
        self.untried = self.proxies.clone().into_iter();
        Ok(pause_ms + random % (pause_ms / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Datagrams;
    use protocol::Code;
    use protocol::client_handshake::{ClientTrust, Credentials, Moving};
    use protocol::entropy::CountingEntropy;
    use protocol::identity::{AuthorityKey, AuthorityKeys, ClientKey};
    use protocol::ids::ClusterId;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn comeback(now_ms: u64) -> Comeback {
        let authority = AuthorityKey::generate(&mut CountingEntropy(1)).public();
        let dial = Dial {
            proxy: at(1),
            trust: ClientTrust {
                auth: Default::default(),
                authorities: AuthorityKeys::new(authority),
                cluster_id: ClusterId([1; 16]),
            },
            key: ClientKey::generate(&mut CountingEntropy(2)),
            credentials: Credentials::Guest {
                name: "Ada".to_owned(),
            },
            attach_no: AttachNo(4),
            datagrams: Datagrams::Allowed,
            moving: Moving::Stays,
        };
        Comeback::new(dial, vec![at(2), at(1)], now_ms)
    }

    /// Dials all that is to be dialed, in vain.
    fn fail_all(comeback: &mut Comeback) -> Vec<(SocketAddr, u32)> {
        let mut tried = Vec::new();
        while let Some(dial) = comeback.next_dial() {
            tried.push((dial.proxy, dial.attach_no.0));
            comeback.failed(ConnectionError::TimedOut).unwrap();
        }
        tried
    }

    #[test]
    fn all_proxies_are_tried_in_turn_with_longer_and_longer_pauses_until_the_player_is_gone() {
        let mut comeback = comeback(1_000);
        assert_eq!(fail_all(&mut comeback), [(at(2), 5), (at(1), 6)]);
        assert!(comeback.next_dial().is_none(), "first a pause");
        assert_eq!(comeback.pause_ms(1_000, 0).unwrap(), 50);
        assert_eq!(fail_all(&mut comeback), [(at(2), 7), (at(1), 8)]);
        assert_eq!(comeback.pause_ms(1_100, 50).unwrap(), 150);
        for _ in 0..9 {
            fail_all(&mut comeback);
            assert!((200..=1_500).contains(&comeback.pause_ms(2_000, u64::MAX).unwrap()));
        }
        fail_all(&mut comeback);
        assert!(matches!(
            comeback.pause_ms(31_000, 0),
            Err(ConnectionError::TimedOut)
        ));
    }

    #[test]
    fn what_is_for_good_ends_it_and_what_passes_does_not() {
        let mut comeback = comeback(0);
        let closed = |code: Code| ConnectionError::Closed(code.into());
        assert!(comeback.failed(closed(Code::Busy)).is_ok());
        assert!(comeback.failed(closed(Code::TicketExpired)).is_err());
    }
}
