//! Why a client handshake ended. Before authentication the other side is told nothing,
//! but for the few codes of [`hello_refusal`](super::hello_refusal).

use crate::Code;
use crate::identity::{CertificateError, VoucherError};
use crate::keys::NotAuthentic;
use crate::wire::Truncated;

/// Why a client handshake ended. Always the peer's fault, or that of somebody in between, but for `LoginTooLong`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientHandshakeError {
    /// A message of the wrong length or with impossible fields.
    #[error("handshake message {0} is malformed")]
    Malformed(&'static str),
    /// No version is spoken by both.
    #[error("no protocol version is spoken by both sides")]
    Version,
    /// The client wants another cluster.
    #[error("the client asked for another cluster")]
    WrongCluster,
    /// The ephemeral key forces the shared secret to zero.
    #[error("the peer's ephemeral key is worthless")]
    WorthlessKey,
    /// Sealed bytes did not open.
    #[error("a sealed handshake message is not authentic")]
    NotAuthentic,
    /// The proxy's certificate does not count.
    #[error("the proxy's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The proxy's role voucher does not count.
    #[error("the proxy's role voucher: {0}")]
    Voucher(#[from] VoucherError),
    /// The proxy does not hold the key of its certificate.
    #[error("the proxy did not sign this handshake")]
    ProxySignature,
    /// The client does not hold the key it names.
    #[error("the client did not sign this handshake")]
    ClientSignature,
    /// The welcome is for another user, session or key.
    #[error("the welcome contradicts its ticket")]
    WelcomeContradicts,
    /// Said in the clear by whoever answered: a hint to try elsewhere or to update, never a reason to drop a ticket.
    #[error("turned away before authentication: {}", .0.text())]
    TurnedAway(Code),
    /// Our own name or password is too long to send.
    #[error("the name or the password is too long")]
    LoginTooLong,
}

impl ClientHandshakeError {
    /// The code nearest to it, for metrics and for people.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Version => Code::Version,
            Self::Certificate(error) => error.code(),
            Self::Voucher(error) => error.code(),
            Self::TurnedAway(code) => code,
            Self::LoginTooLong => Code::NameIllegal,
            Self::WrongCluster => Code::NotInTopology,
            Self::Malformed(_)
            | Self::WorthlessKey
            | Self::NotAuthentic
            | Self::ProxySignature
            | Self::ClientSignature
            | Self::WelcomeContradicts => Code::Protocol,
        }
    }
}

impl From<NotAuthentic> for ClientHandshakeError {
    fn from(_: NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}

impl From<Truncated> for ClientHandshakeError {
    fn from(_: Truncated) -> Self {
        Self::Malformed("(truncated)")
    }
}
