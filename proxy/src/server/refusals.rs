//! What was refused, by reason: for metrics and for the status page. Locked only where something is refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Reasons that come up in ordinary play: crossings, closed connections, full houses. Everything else is something that no
/// honest client or node does, and an alarm may stand on it.
const EXPECTED: &[&str] = &[
    "attach_late",
    "client_silent",
    "client_slow",
    "datagram_late",
    "handshake_late",
    "handshake_stream",
    "login_busy",
    "login_draining",
    "login_full",
    "login_rate",
    "name_illegal",
    "output_early",
    "output_late",
    "server_not_linked",
    "superseded_admission",
    "ticket_expired",
];

/// The class that a reason is counted under.
fn class(reason: &str) -> &'static str {
    if EXPECTED.contains(&reason) {
        "expected"
    } else {
        "hostile"
    }
}

/// Counts of one proxy.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<&'static str, u64>>);

impl Refusals {
    /// Something was refused `times` times.
    pub(super) fn add(&self, reason: &'static str, times: u64) {
        metrics::counter!("regionmesh_proxy_refused_total", "reason" => reason, "class" => class(reason))
            .increment(times);
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(reason)
            .or_default() += times;
    }

    /// Something was refused.
    pub(super) fn count(&self, reason: &'static str) {
        self.add(reason, 1);
    }

    /// All reasons with their counts.
    pub(super) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What one thread refused since it last told: nothing is locked per packet.
#[derive(Debug, Default)]
pub(super) struct LocalRefusals(Vec<(&'static str, u64)>);

impl LocalRefusals {
    /// Something was refused.
    pub(super) fn count(&mut self, reason: &'static str) {
        // There are a dozen reasons, and one of them is all that a flood has.
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None => self.0.push((reason, 1)),
        }
    }

    /// Passes everything on.
    pub(super) fn tell(&mut self, refusals: &Refusals) {
        for (reason, times) in self.0.drain(..) {
            refusals.add(reason, times);
        }
    }
}
