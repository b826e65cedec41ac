//! What was refused, by reason: for metrics and for the status page. Locked only where something is refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use node::telemetry::Reasons;
use protocol::datagram::DatagramError;
use protocol::frame::FrameError;

const REASONS: Reasons = Reasons {
    counter: "regionmesh_proxy_refused_total",
    expected: EXPECTED,
    hostile: HOSTILE,
};

/// Crossings, closed connections, full houses.
const EXPECTED: &[&str] = &[
    "api_clear",
    "attach_late",
    "balancer_gone",
    "balancer_late",
    "brief_not_serving",
    "client_silent",
    "client_slow",
    "command_repeated_later",
    "datagram_late",
    "elsewhere_not_owner",
    "handshake_gave_way",
    "handshake_late",
    "handshake_stream",
    "http_age",
    "http_clear",
    "http_connections",
    "http_connections_of_network",
    "http_gave_way",
    "http_host",
    "http_idle",
    "http_malformed",
    "http_no_upgrade",
    "http_map",
    "http_private",
    "http_upgrade_late",
    "join_refused_not_asked",
    "joined_not_asked",
    "login_banned",
    "login_busy",
    "login_clear",
    "login_draining",
    "login_full",
    "login_rate",
    "login_sent_on",
    "map_slow",
    "map_viewers",
    "map_viewers_of_network",
    "name_illegal",
    "news_crowded",
    "news_not_serving",
    "output_early",
    "output_late",
    "owner_out_of_reach",
    "server_not_linked",
    "session_ended",
    "superseded_admission",
    "tls_handshake",
    "tls_late",
    "tool_late",
    "tool_sessions",
    "tool_sessions_of_network",
    "tool_silent",
    "tool_slow",
    "ticket_expired",
    "ticket_kicked",
    "user_not_here",
    "webtransport_gave_way",
    "webtransport_handshake",
    "webtransport_late",
    "webtransport_sessions",
    "webtransport_sessions_of_network",
    "webtransport_unused",
];

/// Reasons that no honest client or node gives.
const HOSTILE: &[&str] = &[
    "accept_rate",
    "ack_malformed",
    "ack_other_login",
    "api_rate",
    "attach_signature",
    "attach_twice",
    "auth_answer",
    "balancer_header",
    "before_attach",
    "before_verdict",
    "brief_foreign_cell",
    "brief_malformed",
    "cell_malformed",
    "cells_malformed",
    "cells_not_serving",
    "client_frame_type",
    "client_message",
    "client_rate",
    "command_malformed",
    "command_rate",
    "command_window",
    "datagram_malformed",
    "datagram_unknown_cid",
    "elsewhere_malformed",
    "event_ack_malformed",
    "event_ack_too_large",
    "event_malformed",
    "event_other_login",
    "handshake",
    "handshake_frame",
    "handshakes_pending",
    "handshakes_pending_of_network",
    "here_malformed",
    "http_origin",
    "http_rate",
    "http_upgrade",
    "input_malformed",
    "input_rate",
    "input_too_large",
    "join_refused_malformed",
    "joined_malformed",
    "kick_not_owner",
    "login_refused",
    "moved_malformed",
    "moved_not_next",
    "moved_not_owner",
    "news_malformed",
    "news_too_many",
    "not_for_a_user",
    "output_malformed",
    "output_not_owner",
    "owner_epoch_unissued",
    "serving_denied",
    "serving_unissued",
    "superseded_malformed",
    "superseded_not_owner",
    "tick_end_not_serving",
    "tls_broken",
    "tls_flood",
    "ticket_invalid",
    "tool_command",
    "tool_word",
    "topology_refused",
    "websocket_flood",
    "websocket_protocol",
    "websocket_text",
    "websocket_too_long",
    "webtransport_datagram",
    "webtransport_flood",
    "webtransport_path",
    "webtransport_rate",
    "wrong_lane",
];

/// Counts of one proxy.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<BTreeMap<&'static str, u64>>);

impl Default for Refusals {
    fn default() -> Self {
        REASONS.start_at_zero();
        for reason in DatagramError::LABELS.iter().chain(FrameError::LABELS) {
            REASONS.counter(reason).increment(0);
        }
        Self(Mutex::default())
    }
}

impl Refusals {
    /// Something was refused `times` times.
    pub(super) fn add(&self, reason: &'static str, times: u64) {
        REASONS.counter(reason).increment(times);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_reason_has_a_class_and_is_counted_from_zero_on() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        REASONS.assert_complete(&sources, &["count(", "Refused("]);
    }
}
