//! The one switch that ends a link, whoever pulls it, and why it was pulled. The first reason counts.

use std::sync::OnceLock;

use protocol::Code;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

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
    pub(super) fn goodbye(self) -> Option<Code> {
        match self {
            Self::Closed(code) => Some(code),
            Self::Broken("eof" | "io") | Self::ClosedByPeer(_) | Self::Dead => None,
            Self::Broken(_) => Some(Code::Protocol),
        }
    }
}

/// A fixed name for the codes that refuse nodes or end their links.
pub(super) fn code_label(code: Code) -> &'static str {
    match code {
        Code::Revoked => "revoked",
        Code::CertExpired => "cert_expired",
        Code::NotInTopology => "not_in_topology",
        Code::RoleDenied => "role_denied",
        Code::DuplicateLink => "duplicate_link",
        Code::SlowConsumer => "slow_consumer",
        Code::Draining => "draining",
        _ => "other_code",
    }
}

/// Ends a link.
#[derive(Debug)]
pub(super) struct LinkControl {
    token: CancellationToken,
    reason: OnceLock<DownReason>,
}

impl LinkControl {
    pub(super) fn new() -> Self {
        Self {
            token: CancellationToken::new(),
            reason: OnceLock::new(),
        }
    }

    pub(super) fn end(&self, reason: DownReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(super) fn ended(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why; when its task was dropped before anybody gave a reason, it was draining.
    pub(super) fn reason(&self) -> DownReason {
        *self.reason.get_or_init(|| DownReason::Closed(Code::Draining))
    }
}
