//! Heartbeats: when the next is due, when the peer counts as dead, and the round trip time.

use protocol::message::node::Heartbeat;

/// What the heartbeats say just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vitality {
    /// Nothing to do before this time (microseconds).
    Alive {
        /// When to ask again.
        until_us: u64,
    },
    /// Send one.
    Due,
    /// Nothing was heard for too long.
    Dead,
}

/// Heartbeats of one link, both ways.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeats {
    interval_us: u64,
    dead_us: u64,
    sent_at_us: Option<u64>,
    heard_at_us: u64,
    peer_sent_us: u64,
    peer_heard_us: u64,
    round_trip_us: Option<u64>,
}

impl Heartbeats {
    /// For a link that has just come up.
    #[must_use]
    pub fn new(interval_ms: u64, dead_ms: u64, now_us: u64) -> Self {
        Self {
            interval_us: interval_ms * 1000,
            dead_us: dead_ms * 1000,
            sent_at_us: None,
            heard_at_us: now_us,
            peer_sent_us: 0,
            peer_heard_us: 0,
            round_trip_us: None,
        }
    }

    /// What to do now.
    #[must_use]
    pub fn vitality(&self, now_us: u64) -> Vitality {
        let dead_at = self.dead_at_us();
        let due_at = self.sent_at_us.map_or(0, |sent| sent + self.interval_us);
        if now_us >= dead_at {
            Vitality::Dead
        } else if now_us >= due_at {
            Vitality::Due
        } else {
            Vitality::Alive {
                until_us: due_at.min(dead_at),
            }
        }
    }

    /// When the peer counts as dead if nothing is heard until then, microseconds.
    #[must_use]
    pub fn dead_at_us(&self) -> u64 {
        self.heard_at_us + self.dead_us
    }

    /// Any authentic frame shows that the peer lives.
    pub fn handle_frame(&mut self, now_us: u64) {
        self.heard_at_us = now_us;
    }

    /// Takes the peer's heartbeat; what it echoes gives the round trip time.
    pub fn handle_heartbeat(&mut self, heartbeat: &Heartbeat, now_us: u64) {
        self.handle_frame(now_us);
        self.peer_sent_us = heartbeat.sent_at_us;
        self.peer_heard_us = now_us;
        // Both numbers are the peer's word: a nonsensical pair gives no round trip rather than a wrong one.
        if heartbeat.echo_us > 0
            && let Some(away) = now_us.checked_sub(heartbeat.echo_us)
            && let Some(round_trip) = away.checked_sub(heartbeat.echo_held_us)
        {
            self.round_trip_us = Some(round_trip);
        }
    }

    /// The heartbeat to send now, with the fields that are the link's own.
    pub fn beat(&mut self, now_us: u64) -> Heartbeat {
        self.sent_at_us = Some(now_us);
        let heard = self.peer_heard_us > 0;
        Heartbeat {
            sent_at_us: now_us,
            echo_us: self.peer_sent_us,
            echo_held_us: if heard {
                now_us.saturating_sub(self.peer_heard_us)
            } else {
                0
            },
            ..Heartbeat::default()
        }
    }

    /// The last round trip time measured, microseconds.
    #[must_use]
    pub fn round_trip_us(&self) -> Option<u64> {
        self.round_trip_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_due_each_interval_and_silence_is_death() {
        let mut beats = Heartbeats::new(500, 2_000, 1);
        assert_eq!(beats.vitality(1), Vitality::Due);
        beats.beat(1);
        assert_eq!(beats.vitality(2), Vitality::Alive { until_us: 500_001 });
        assert_eq!(beats.vitality(500_001), Vitality::Due);
        beats.beat(1_900_000);
        assert_eq!(beats.vitality(1_900_001), Vitality::Alive { until_us: 2_000_001 });
        assert_eq!(beats.vitality(2_000_001), Vitality::Dead);
        beats.handle_frame(2_000_000);
        assert_eq!(beats.vitality(2_000_001), Vitality::Alive { until_us: 2_400_000 });
    }

    #[test]
    fn the_round_trip_leaves_out_what_the_peer_held() {
        let (mut here, mut there) = (Heartbeats::new(500, 2_000, 1), Heartbeats::new(500, 2_000, 1));
        there.handle_heartbeat(&here.beat(1_000), 70_300);
        here.handle_heartbeat(&there.beat(70_900), 2_000);
        assert_eq!(here.round_trip_us(), Some(400));
        assert_eq!(there.round_trip_us(), None);
    }

    #[test]
    fn a_lying_echo_gives_no_round_trip() {
        let mut beats = Heartbeats::new(500, 2_000, 1);
        for (echo_us, echo_held_us) in [(5_000, 0), (900, 200), (u64::MAX, u64::MAX), (0, 0)] {
            let heartbeat = Heartbeat {
                echo_us,
                echo_held_us,
                ..Heartbeat::default()
            };
            beats.handle_heartbeat(&heartbeat, 1_000);
            assert_eq!(beats.round_trip_us(), None);
        }
    }
}
