//! Where a dialed link stands and when to dial again; whether the peer still lives. Pure: tasks ask, this answers.
//!
//! Down → dialing → handshaking → up → down …

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod heartbeat;
mod peer_time;

pub use heartbeat::{Heartbeats, Vitality};
pub(crate) use peer_time::PeerTime;
use protocol::{Entropy, entropy};

/// First pause before dialing again, milliseconds.
pub const REDIAL_MS_MIN: u64 = 50;
/// Longest pause, milliseconds.
pub const REDIAL_MS_MAX: u64 = 1_000;
/// A link that lived this long starts over with the first pause, milliseconds.
const STABLE_MS: u64 = 1_000;

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPhase {
    /// No connection; dial at this time (milliseconds).
    Down {
        /// When to dial.
        redial_at_ms: u64,
    },
    /// Connecting.
    Dialing,
    /// Connected, not yet authenticated.
    Handshaking,
    /// Carrying messages since this time (milliseconds).
    Up {
        /// When it came up.
        since_ms: u64,
    },
}

/// The dialing side of one link.
#[derive(Clone, Copy, Debug)]
pub struct LinkState {
    phase: LinkPhase,
    pause_ms: u64,
}

impl LinkState {
    /// A link to be dialed at once.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            phase: LinkPhase::Down { redial_at_ms: now_ms },
            pause_ms: REDIAL_MS_MIN,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> LinkPhase {
        self.phase
    }

    /// The dial begins.
    pub fn handle_dial(&mut self) {
        self.phase = LinkPhase::Dialing;
    }

    /// The connection stands; the handshake begins.
    pub fn handle_connected(&mut self) {
        self.phase = LinkPhase::Handshaking;
    }

    /// The handshake is over.
    pub fn handle_up(&mut self, now_ms: u64) {
        self.phase = LinkPhase::Up { since_ms: now_ms };
    }

    /// The connection is gone, whatever it was doing. The pause before the next dial doubles up to a second, and is
    /// spread over its upper half so that a thousand peers of a restarted node do not come back at once.
    pub fn handle_lost(&mut self, now_ms: u64, entropy: &mut dyn Entropy) {
        if let LinkPhase::Up { since_ms } = self.phase
            && now_ms.saturating_sub(since_ms) >= STABLE_MS
        {
            self.pause_ms = REDIAL_MS_MIN;
        }
        let spread = u64::from_le_bytes(entropy::array(entropy)) % (self.pause_ms / 2 + 1);
        let redial_at_ms = now_ms + self.pause_ms - spread;
        self.pause_ms = (self.pause_ms * 2).min(REDIAL_MS_MAX);
        self.phase = LinkPhase::Down { redial_at_ms };
    }
}

#[cfg(test)]
mod tests {
    use protocol::entropy::CountingEntropy;

    use super::*;

    fn pause(state: &mut LinkState, now_ms: u64, entropy: &mut CountingEntropy) -> u64 {
        state.handle_lost(now_ms, entropy);
        match state.phase() {
            LinkPhase::Down { redial_at_ms } => redial_at_ms - now_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pauses_double_to_a_second_and_start_over_after_a_stable_link() {
        let (mut state, mut entropy) = (LinkState::new(7), CountingEntropy(0));
        assert_eq!(state.phase(), LinkPhase::Down { redial_at_ms: 7 });
        for longest in [50, 100, 200, 400, 800, 1000, 1000] {
            let pause = pause(&mut state, 10, &mut entropy);
            assert!((longest / 2..=longest).contains(&pause), "{pause} of {longest}");
        }
        state.handle_up(5_000);
        assert!(pause(&mut state, 5_999, &mut entropy) >= 500);
        state.handle_up(7_000);
        assert!(pause(&mut state, 8_000, &mut entropy) <= 50);
    }

    #[test]
    fn pauses_are_spread() {
        let pauses: std::collections::BTreeSet<_> = (0..32)
            .map(|seed| pause(&mut LinkState::new(0), 0, &mut CountingEntropy(seed * 7)))
            .collect();
        assert!(pauses.len() > 8, "{pauses:?}");
    }
}
