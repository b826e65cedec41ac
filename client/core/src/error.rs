//! Why a connection could not be made, or ended; and what that means for the session.

use std::io;
use std::net::SocketAddr;

use protocol::Code;
use protocol::client_handshake::{ClientHandshakeError, Refusal};
use protocol::frame::{Close, FrameError};
use protocol::identity::{CertificateError, VoucherError};
use protocol::limits;
use protocol::message::family::MessageError;

/// Bytes that may wait for a proxy that takes none before the connection counts as lost.
pub const STAGED_BYTES_MAX: usize = 256 * 1024;

/// Why a connection could not be made, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The network.
    #[error("cannot reach the proxy: {0}")]
    Io(#[from] io::Error),
    /// The proxy did not answer in time.
    #[error("the proxy did not finish the handshake within {} s", limits::CLIENT_HANDSHAKE_MS_MAX / 1000)]
    TimedOut,
    /// The peer is not the proxy it should be, or the bytes were changed on the way.
    #[error("the handshake failed: {0}{remedy}", remedy = remedy(.0))]
    Handshake(#[from] ClientHandshakeError),
    /// The proxy is gone without a word.
    #[error("the connection ended: the peer closed the connection")]
    Eof,
    /// A frame broke the rules.
    #[error("the proxy sent a bad frame: {0}")]
    Frame(#[from] FrameError),
    /// A message broke the rules.
    #[error("the proxy sent a bad message: {0}")]
    Message(#[from] MessageError),
    /// The proxy does not let this client in.
    #[error("refused: {}", said(.0.code, &.0.reason))]
    Refused(Refusal),
    /// The proxy said goodbye.
    #[error("closed: {}", said(.0.code, &.0.reason))]
    Closed(Close),
    /// The proxy says nothing any more.
    #[error("nothing was heard from the proxy for {} s", limits::PROXY_SILENCE_MS_MAX / 1000)]
    Silent,
    /// The proxy takes nothing any more.
    #[error("the proxy has not taken {STAGED_BYTES_MAX} bytes")]
    Stuck,
    /// Whoever plays has not taken its events; those that found no room come again with the next connection.
    #[error("too many events were not taken")]
    Overrun,
}

impl ConnectionError {
    /// The code the proxy gave, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Closed(close) => Some(close.code),
            // Ours, and no proxy will say anything else.
            Self::Handshake(error @ ClientHandshakeError::LoginTooLong) => Some(error.code()),
            _ => None,
        }
    }

    /// Whether the proxy's papers have expired, or are not valid yet, by this machine's clock. Whoever waits waits in vain.
    #[must_use]
    pub fn is_about_papers(&self) -> bool {
        matches!(self, Self::Handshake(error) if is_of_validity(*error))
    }

    /// Whether neither another proxy nor another time would do: somebody has to change something first.
    #[must_use]
    pub fn is_in_vain(&self) -> bool {
        self.is_about_papers() || !self.is_passing()
    }

    /// Whether another proxy, or another time, could help. Papers that have expired are one proxy's; whether all have expired, who
    /// tries all of them finds out.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self.code() {
            None => true,
            Some(code) => matches!(
                code,
                Code::Busy
                    | Code::Elsewhere
                    | Code::Full
                    | Code::Draining
                    | Code::RateLimited
                    | Code::WorldRecovering
                    | Code::SlowConsumer
                    | Code::TimedOut
            ),
        }
    }

    /// Whether a proxy that shuts down has sent the player elsewhere: nothing is wrong.
    #[must_use]
    pub fn is_farewell(&self) -> bool {
        matches!(self, Self::Closed(close) if close.code == Code::Draining)
    }

    /// Where else the proxy said to go.
    #[must_use]
    pub fn proxies(&self) -> &[SocketAddr] {
        match self {
            Self::Refused(refusal) => &refusal.proxies,
            Self::Closed(close) => &close.proxies,
            _ => &[],
        }
    }

    /// Of two proxies that did not let the player in, the word of the one that said why; expired papers count least, since
    /// only when no proxy has good ones is waiting in vain.
    #[must_use]
    pub fn more_telling(before: Option<Self>, now: Self) -> Self {
        let weight = |error: &Self| match error.code() {
            Some(_) => 2,
            None if error.is_about_papers() => 0,
            None => 1,
        };
        match before {
            Some(before) if weight(&before) > weight(&now) => before,
            _ => now,
        }
    }
}

/// A code in words, and the reason where one was given.
fn said(code: Code, reason: &str) -> String {
    match reason {
        "" => code.text().to_owned(),
        reason => format!("{} ({reason})", code.text()),
    }
}

fn is_of_validity(error: ClientHandshakeError) -> bool {
    matches!(
        error,
        ClientHandshakeError::Certificate(CertificateError::OutsideValidity(_))
            | ClientHandshakeError::Voucher(VoucherError::OutsideValidity(_))
    )
}

fn remedy(error: &ClientHandshakeError) -> &'static str {
    if is_of_validity(*error) {
        "; set this machine's clock if it is wrong, or have the operator issue the proxy new papers"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::OutsideValidity;

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
        let more_telling = |before, now| ConnectionError::more_telling(Some(before), now);
        assert!(expired().is_about_papers() && expired().is_passing());
        assert_eq!(
            expired().to_string(),
            "the handshake failed: the proxy's role voucher: the voucher is expired; \
             set this machine's clock if it is wrong, or have the operator issue the proxy new papers"
        );
        assert!(more_telling(expired(), expired()).is_about_papers());
        assert!(!more_telling(ConnectionError::TimedOut, expired()).is_about_papers());
        assert!(!more_telling(expired(), ConnectionError::TimedOut).is_about_papers());
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
            assert_eq!(ConnectionError::more_telling(Some(before), now).code(), code);
        }
    }
}
