//! The one switch that ends a link, whoever pulls it. The first reason counts.

use std::sync::OnceLock;

use protocol::Code;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

pub use crate::down_reason::DownReason;
pub(super) use crate::down_reason::code_label;

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
