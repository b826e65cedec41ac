//! One player's session whatever drives its sockets: it logs in, keeps its ticket, and goes to another proxy when the
//! connection is lost.

use std::net::SocketAddr;
use std::time::Duration;

use net::clock::Monotonic;
use net::entropy::OsEntropy;
use protocol::client_handshake::{ClientTrust, Credentials};
use protocol::frame::Frame;
use protocol::identity::ClientKey;
use protocol::ids::{AttachNo, UserId};
use protocol::message::client::TicketRenewal;
use protocol::message::family::ProxyToClient;
use protocol::ticket::RawTicket;
use rand::RngExt as _;

use crate::connection::{ConnectionError, Datagrams, Dial, Established, frame_bytes, messages};
use crate::core::{Core, Reading};
use crate::proxies::Proxies;

/// How long a client tries to resume before it gives up, milliseconds: as long as owners keep linkdead players.
const RESUME_MS_MAX: u64 = 30_000;
/// First pause between two attempts, milliseconds; doubled up to a second, with jitter.
const RETRY_MS: u64 = 50;

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Any of them will do; the others are tried when one fails.
    pub proxies: Vec<SocketAddr>,
    /// From `join.json`.
    pub trust: ClientTrust,
    /// As whom.
    pub credentials: Credentials,
    /// Whether to use datagrams.
    pub datagrams: Datagrams,
}

/// Bytes that a client has sent and received, as datagrams and frames, without the headers of IP, UDP and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the proxy.
    pub up_bytes: u64,
    /// From the proxy.
    pub down_bytes: u64,
}

/// A session without its sockets.
pub(crate) struct Session {
    trust: ClientTrust,
    datagrams: Datagrams,
    proxies: Proxies,
    key: ClientKey,
    /// As it logged in: nobody may have made a player of it yet.
    name: String,
    pub(crate) clock: Monotonic,
    pub(crate) core: Core,
    ticket: RawTicket,
    pub(crate) user: UserId,
    attach_no: AttachNo,
    /// The proxy it is connected to, or was last.
    pub(crate) proxy: SocketAddr,
    pub(crate) traffic: Traffic,
}

impl Session {
    /// Logs in at the first proxy that answers.
    pub(crate) async fn open(
        options: ConnectOptions,
        reading: Reading,
    ) -> Result<(Self, Established), ConnectionError> {
        let key = ClientKey::generate(&mut OsEntropy);
        let clock = Monotonic::default();
        let mut failed = None;
        for &proxy in &options.proxies {
            let dial = Dial {
                proxy,
                trust: options.trust,
                key: &key,
                credentials: options.credentials.clone(),
                attach_no: AttachNo(1),
                clock,
                datagrams: options.datagrams,
            };
            match Established::dial(dial).await {
                Ok(established) => {
                    let session = Self {
                        trust: options.trust,
                        datagrams: options.datagrams,
                        proxies: Proxies::new(&options.proxies),
                        key,
                        name: name_of(options.credentials),
                        clock,
                        core: Core::new(reading),
                        ticket: established.welcome.ticket,
                        user: established.welcome.user,
                        attach_no: AttachNo(1),
                        proxy,
                        traffic: Traffic::default(),
                    };
                    return Ok((session, established));
                }
                // What is for good is the same everywhere.
                Err(error) if !error.is_passing() => return Err(error),
                Err(error) => failed = Some(more_telling(failed, error)),
            }
        }
        Err(failed.unwrap_or(ConnectionError::TimedOut))
    }

    /// The connection is lost: decides whether the session goes on, and if so, what brings it to another proxy.
    pub(crate) fn leave(&mut self, error: ConnectionError) -> Result<Comeback, ConnectionError> {
        self.core.detached();
        self.proxies.learn(error.proxies().iter().copied());
        if !error.is_passing() {
            return Err(error);
        }
        Ok(Comeback {
            proxies: self.proxies.after(self.proxy),
            trust: self.trust,
            datagrams: self.datagrams,
            key: self.key.clone(),
            name: self.name.clone(),
            clock: self.clock,
            ticket: self.ticket,
            attach_no: self.attach_no,
        })
    }

    /// The session is at another proxy, or at the same one again.
    pub(crate) fn come_back(&mut self, returned: Returned) -> Established {
        self.proxy = returned.proxy;
        self.attach_no = returned.established.attachment.attach_no;
        self.ticket = returned.established.welcome.ticket;
        self.user = returned.established.welcome.user;
        returned.established
    }

    /// Takes a frame of the stream.
    pub(crate) fn take_frame(&mut self, frame: &Frame, now_ms: u64) -> Result<(), ConnectionError> {
        self.traffic.down_bytes += frame_bytes(frame);
        for message in messages(frame)? {
            if let ProxyToClient::TicketRenewal(renewal) = &message {
                self.renew(renewal);
            }
            self.core.handle_message(message, now_ms);
        }
        if self.core.is_overrun() {
            return Err(ConnectionError::Overrun);
        }
        Ok(())
    }

    /// Takes a datagram, decrypting it in place.
    pub(crate) fn take_datagram(&mut self, datagram: &mut [u8], now_ms: u64) {
        self.traffic.down_bytes += datagram.len() as u64;
        self.core.handle_datagram(datagram, now_ms);
    }

    /// Moves time.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<(), ConnectionError> {
        self.core.tick(now_ms);
        if self.core.is_forsaken() {
            return Err(ConnectionError::Silent);
        }
        Ok(())
    }

    fn renew(&mut self, renewal: &TicketRenewal) {
        if let Ok(ticket) = RawTicket::parse(&renewal.ticket) {
            self.ticket = ticket;
        }
        let named = renewal.proxies.iter().filter_map(|proxy| proxy.parse().ok());
        self.proxies.learn(named);
    }
}

fn name_of(credentials: Credentials) -> String {
    match credentials {
        Credentials::Guest { name }
        | Credentials::Password { name, .. }
        | Credentials::Ticket { name, .. } => name,
    }
}

/// Of two proxies that did not let the player in, the word of the one that said why; expired papers count least, since
/// only when no proxy has good ones is waiting in vain.
fn more_telling(before: Option<ConnectionError>, now: ConnectionError) -> ConnectionError {
    let weight = |error: &ConnectionError| match error.code() {
        Some(_) => 2,
        None if error.is_about_papers() => 0,
        None => 1,
    };
    match before {
        Some(before) if weight(&before) > weight(&now) => before,
        _ => now,
    }
}

/// A session on its way to another proxy. It has all that it needs with it, so whoever waits for it may look elsewhere
/// meanwhile: a handshake takes longer than a game waits between two inputs.
pub(crate) struct Comeback {
    /// In the order in which they are tried, beginning with the one after that which was lost.
    proxies: Vec<SocketAddr>,
    trust: ClientTrust,
    datagrams: Datagrams,
    key: ClientKey,
    name: String,
    clock: Monotonic,
    ticket: RawTicket,
    attach_no: AttachNo,
}

/// A session that got there.
pub(crate) struct Returned {
    established: Established,
    proxy: SocketAddr,
}

impl Comeback {
    /// Tries all proxies over and over, until the player is gone anyway.
    pub(crate) async fn run(mut self) -> Result<Returned, ConnectionError> {
        let give_up_ms = self.clock.now_ms() + RESUME_MS_MAX;
        let mut pause_ms = RETRY_MS;
        loop {
            let error = match self.try_all().await {
                Ok(returned) => return Ok(returned),
                Err(error) => error,
            };
            // No proxy gets new papers while somebody waits.
            if error.is_in_vain() || self.clock.now_ms() >= give_up_ms {
                return Err(error);
            }
            let jitter_ms = rand::rng().random_range(0..=pause_ms / 2);
            tokio::time::sleep(Duration::from_millis(pause_ms + jitter_ms)).await;
            pause_ms = (pause_ms * 2).min(1_000);
        }
    }

    /// Tries every proxy once.
    async fn try_all(&mut self) -> Result<Returned, ConnectionError> {
        let mut failed = None;
        for &proxy in &self.proxies {
            self.attach_no = AttachNo(self.attach_no.0 + 1);
            let dial = Dial {
                proxy,
                trust: self.trust,
                key: &self.key,
                credentials: Credentials::Ticket {
                    ticket: Box::new(self.ticket.encode()),
                    name: self.name.clone(),
                },
                attach_no: self.attach_no,
                clock: self.clock,
                datagrams: self.datagrams,
            };
            match Established::dial(dial).await {
                Ok(established) => return Ok(Returned { established, proxy }),
                Err(error) if error.is_passing() => failed = Some(more_telling(failed, error)),
                Err(error) => return Err(error),
            }
        }
        Err(failed.unwrap_or(ConnectionError::TimedOut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Code;
    use protocol::client_handshake::ClientHandshakeError;
    use protocol::identity::{OutsideValidity, VoucherError};

    #[test]
    fn a_client_comes_back_after_what_passes_and_not_after_what_is_for_good() {
        let closed = |code: Code| ConnectionError::Closed(code.into());
        for code in [
            Code::TimedOut,
            Code::Full,
            Code::Draining,
            Code::SlowConsumer,
            Code::Busy,
        ] {
            assert!(closed(code).is_passing(), "{code:?}");
        }
        for code in [
            Code::Superseded,
            Code::Kicked,
            Code::TicketExpired,
            Code::Protocol,
            Code::Ok,
        ] {
            assert!(!closed(code).is_passing(), "{code:?}");
        }
        assert!(ConnectionError::Silent.is_passing());
    }

    #[test]
    fn waiting_is_in_vain_only_when_no_proxy_has_good_papers_and_it_is_said_what_to_do() {
        let expired = || {
            let voucher = VoucherError::OutsideValidity(OutsideValidity::Expired);
            ConnectionError::from(ClientHandshakeError::Voucher(voucher))
        };
        assert!(expired().is_about_papers() && expired().is_passing());
        assert_eq!(
            expired().to_string(),
            "the handshake failed: the proxy's role voucher: the voucher is expired; \
             set this machine's clock if it is wrong, or have the operator issue the proxy new papers"
        );
        assert!(more_telling(Some(expired()), expired()).is_about_papers());
        assert!(!more_telling(Some(ConnectionError::TimedOut), expired()).is_about_papers());
        assert!(!more_telling(Some(expired()), ConnectionError::TimedOut).is_about_papers());
        let forged = ConnectionError::from(ClientHandshakeError::ProxySignature);
        assert!(!forged.is_about_papers());
    }

    #[test]
    fn a_refusal_says_more_than_silence() {
        let said = |code: Code| ConnectionError::Closed(code.into());
        let silence = || ConnectionError::TimedOut;
        for (before, now, code) in [
            (silence(), said(Code::Busy), Some(Code::Busy)),
            (said(Code::Busy), silence(), Some(Code::Busy)),
            (said(Code::Busy), said(Code::Full), Some(Code::Full)),
            (silence(), silence(), None),
        ] {
            assert_eq!(more_telling(Some(before), now).code(), code);
        }
    }
}
