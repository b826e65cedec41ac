//! Why a link went down: what its owner is told, what its peer is told, what is counted.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::Code;

/// Why a link went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// We said goodbye with this code.
    Closed(Code),
    /// The peer said goodbye with this code.
    ClosedByPeer(Code),
    /// The stream broke, or the peer broke the protocol: a fixed name.
    Broken(&'static str),
    /// Nothing was heard for too long.
    Dead,
}

impl DownReason {
    /// The names that [`label`](Self::label) gives, but for those of frames that broke the protocol.
    pub const LABELS: &[&str] = &[
        "cert_expired",
        "closed_by_peer",
        "dead",
        "draining",
        "duplicate_link",
        "eof",
        "family_denied",
        "io",
        "malformed_message",
        "not_in_topology",
        "other_code",
        "revoked",
        "role_denied",
        "slow_consumer",
        "too_many_messages",
    ];

    /// A fixed name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed(code) => code_label(code),
            Self::ClosedByPeer(_) => "closed_by_peer",
            Self::Broken(label) => label,
            Self::Dead => "dead",
        }
    }

    /// What the peer is told; `None` where telling is of no use.
    #[must_use]
    pub fn goodbye(self) -> Option<Code> {
        match self {
            Self::Closed(code) => Some(code),
            Self::Broken("eof" | "io") | Self::ClosedByPeer(_) | Self::Dead => None,
            Self::Broken(_) => Some(Code::Protocol),
        }
    }
}

/// A fixed name for the codes that refuse nodes or end their links.
pub(crate) fn code_label(code: Code) -> &'static str {
    match code {
        Code::Revoked => "revoked",
        Code::CertExpired => "cert_expired",
        Code::NotInTopology => "not_in_topology",
        Code::RoleDenied => "role_denied",
        Code::OtherStore => "other_store",
        Code::DuplicateLink => "duplicate_link",
        Code::SlowConsumer => "slow_consumer",
        Code::Draining => "draining",
        _ => "other_code",
    }
}
