//! A player who comes in for the first time: at each proxy in turn, until one answers, and at most once where a proxy sends it on to.

use std::collections::VecDeque;

use protocol::Code;
use protocol::client_handshake::Moving;
use protocol::identity::ClientKey;

use crate::error::ConnectionError;
use crate::handshake::Dial;
use crate::session::ConnectOptions;

/// The connections of one login.
///
/// # Contract
/// The driver dials what [`next_dial`](Self::next_dial) says, and reports each failure to [`failed`](Self::failed); when there is
/// nothing to dial, [`in_vain`](Self::in_vain) says why nobody let the player in.
pub struct Logins {
    untried: VecDeque<Dial>,
    /// The newest one.
    dialed: Option<Dial>,
    failed: Option<ConnectionError>,
}

impl Logins {
    /// Of a player who has this key.
    #[must_use]
    pub fn new(options: &ConnectOptions, key: &ClientKey) -> Self {
        Self {
            untried: options.logins(key).into(),
            dialed: None,
            failed: None,
        }
    }

    /// Nobody sends it on: for a driver that reaches none but the proxies that it was given.
    #[must_use]
    pub fn staying(mut self) -> Self {
        self.stay();
        self
    }

    /// The connection to try now; `None` when all were tried.
    pub fn next_dial(&mut self) -> Option<Dial> {
        self.dialed = self.untried.pop_front();
        self.dialed.clone()
    }

    /// A proxy did not let the player in. One that it is sent on to is the next, and then that which sent it: whoever cannot reach
    /// the one is let in by the other.
    ///
    /// # Errors
    /// The same error, when it is for good, since that is the same everywhere.
    pub fn failed(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        if let (Some(Code::Elsewhere), Some(sender)) = (error.code(), self.dialed.take())
            && sender.moving == Moving::Goes
        {
            self.untried.push_front(sender.clone());
            if let Some(&proxy) = error.proxies().first() {
                self.untried.push_front(Dial { proxy, ..sender });
            }
            self.stay();
            return Ok(());
        }
        if !error.is_passing() {
            return Err(error);
        }
        self.failed = Some(ConnectionError::more_telling(self.failed.take(), error));
        Ok(())
    }

    /// Why nobody let the player in.
    pub fn in_vain(&mut self) -> ConnectionError {
        self.failed.take().unwrap_or(ConnectionError::TimedOut)
    }

    fn stay(&mut self) {
        for dial in &mut self.untried {
            dial.moving = Moving::Stays;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use crate::handshake::Datagrams;
    use protocol::client_handshake::{ClientTrust, Credentials, Refusal};
    use protocol::entropy::CountingEntropy;
    use protocol::identity::{AuthorityKey, AuthorityKeys};
    use protocol::ids::ClusterId;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn logins() -> Logins {
        let authority = AuthorityKey::generate(&mut CountingEntropy(1)).public();
        let options = ConnectOptions {
            proxies: vec![at(1), at(2)],
            trust: ClientTrust {
                auth: Default::default(),
                authorities: AuthorityKeys::new(authority),
                cluster_id: ClusterId([1; 16]),
            },
            credentials: Credentials::Guest {
                name: "Ada".to_owned(),
            },
            datagrams: Datagrams::Allowed,
        };
        Logins::new(&options, &ClientKey::generate(&mut CountingEntropy(2)))
    }

    fn refused(code: Code, proxies: Vec<SocketAddr>) -> ConnectionError {
        ConnectionError::Refused(Refusal {
            code,
            retry_ms: 0,
            reason: String::new(),
            proxies,
            wall_ms: 0,
        })
    }

    fn next(logins: &mut Logins) -> Option<(SocketAddr, Moving)> {
        logins.next_dial().map(|dial| (dial.proxy, dial.moving))
    }

    #[test]
    fn a_newcomer_goes_where_it_is_sent_once_and_comes_back_when_nobody_is_there() {
        let mut logins = logins();
        assert_eq!(next(&mut logins), Some((at(1), Moving::Goes)));
        logins
            .failed(refused(Code::Elsewhere, vec![at(7), at(2)]))
            .unwrap();
        assert_eq!(next(&mut logins), Some((at(7), Moving::Stays)));
        // It has no say in that any more.
        logins.failed(refused(Code::Elsewhere, vec![at(8)])).unwrap();
        assert_eq!(next(&mut logins), Some((at(1), Moving::Stays)));
        logins.failed(ConnectionError::Eof).unwrap();
        assert_eq!(next(&mut logins), Some((at(2), Moving::Stays)));
        logins.failed(ConnectionError::Eof).unwrap();
        assert_eq!(next(&mut logins), None);
        assert_eq!(logins.in_vain().code(), Some(Code::Elsewhere));
    }

    #[test]
    fn whoever_reaches_the_given_ones_only_is_sent_nowhere_and_a_word_for_good_ends_it() {
        let mut logins = logins().staying();
        assert_eq!(next(&mut logins), Some((at(1), Moving::Stays)));
        assert!(logins.failed(refused(Code::Busy, Vec::new())).is_ok());
        assert_eq!(next(&mut logins), Some((at(2), Moving::Stays)));
        assert!(logins.failed(refused(Code::Banned, Vec::new())).is_err());
    }
}
