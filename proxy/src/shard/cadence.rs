//! When a shard reads what clients send: each arrival by itself while there are few, and all at once every few milliseconds
//! while there are many, because waking for each packet costs more than handling it.

/// More sessions than this are read on a cadence …
const MANY_SESSIONS: usize = 16;
/// … until there are fewer than this …
const FEW_SESSIONS: usize = 8;
/// … for so long, microseconds.
const CALM_US: u64 = 1_000_000;
/// Datagrams per second that a client may send before it is held back.
const DATAGRAMS_PER_S: u64 = 60;
/// What the kernel counts for a small datagram that waits, bytes.
const DATAGRAM_KERNEL_BYTES: u64 = 768;
/// However small the buffer is, no oftener than this, microseconds.
const CADENCE_US_MIN: u64 = 500;

/// How clients' sockets are read just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whenever something arrives.
    Events,
    /// All of them, at fixed times.
    Sweeps,
}

/// The cadence of one shard.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    sweep_us: u64,
    buffer_bytes: u64,
    mode: Mode,
    sessions: usize,
    next_us: u64,
    calm_since_us: Option<u64>,
}

impl Cadence {
    /// Sweeps every `sweep_us`, or oftener where `buffer_bytes` of the socket's receive buffer would be half full before.
    #[must_use]
    pub fn new(sweep_us: u64, buffer_bytes: usize) -> Self {
        Self {
            sweep_us,
            buffer_bytes: buffer_bytes as u64,
            mode: Mode::Events,
            sessions: 0,
            next_us: 0,
            calm_since_us: None,
        }
    }

    /// How to read from now on, with so many sessions.
    pub fn choose(&mut self, sessions: usize, now_us: u64) -> Mode {
        self.sessions = sessions;
        if self.mode == Mode::Events && sessions > MANY_SESSIONS {
            (self.mode, self.next_us) = (Mode::Sweeps, now_us);
        }
        if sessions >= FEW_SESSIONS {
            self.calm_since_us = None;
        } else {
            let since_us = *self.calm_since_us.get_or_insert(now_us);
            if now_us.saturating_sub(since_us) >= CALM_US {
                self.mode = Mode::Events;
            }
        }
        self.mode
    }

    /// Whether a sweep is due; if so, the next one is due a cadence later, by the timetable and not by when this one
    /// comes. Sweeps that were missed altogether are not made up for.
    pub fn take_due(&mut self, now_us: u64) -> bool {
        let due = self.mode == Mode::Sweeps && now_us >= self.next_us;
        if due {
            let cadence_us = self.cadence_us();
            self.next_us += cadence_us;
            if self.next_us <= now_us {
                self.next_us = now_us + cadence_us;
            }
        }
        due
    }

    /// When the next sweep is due.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        (self.mode == Mode::Sweeps).then_some(self.next_us)
    }

    /// Between two sweeps, microseconds.
    fn cadence_us(&self) -> u64 {
        let bytes_per_s = self.sessions.max(1) as u64 * DATAGRAMS_PER_S * DATAGRAM_KERNEL_BYTES;
        let half_full_us = self.buffer_bytes.saturating_mul(500_000) / bytes_per_s;
        self.sweep_us.min(half_full_us.max(CADENCE_US_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIG: usize = 8 << 20;

    #[test]
    fn many_are_swept_on_a_timetable_and_few_are_read_as_they_come() {
        let mut cadence = Cadence::new(4_000, BIG);
        assert_eq!(cadence.choose(16, 1_000), Mode::Events);
        assert!(!cadence.take_due(1_000) && cadence.due_us().is_none());
        assert_eq!(cadence.choose(17, 1_000), Mode::Sweeps);
        assert!(cadence.take_due(1_000));
        assert!(!cadence.take_due(4_999));
        assert!(cadence.take_due(5_700), "late");
        assert_eq!(cadence.due_us(), Some(9_000), "but the next one is not");
        assert!(cadence.take_due(30_000));
        assert_eq!(
            cadence.due_us(),
            Some(34_000),
            "what was missed is not made up for"
        );
    }

    #[test]
    fn a_crowd_that_shrinks_for_a_moment_keeps_its_cadence() {
        let mut cadence = Cadence::new(4_000, BIG);
        cadence.choose(50, 0);
        assert_eq!(cadence.choose(8, 5_000_000), Mode::Sweeps, "not few yet");
        assert_eq!(cadence.choose(7, 6_000_000), Mode::Sweeps);
        assert_eq!(cadence.choose(9, 6_500_000), Mode::Sweeps);
        assert_eq!(cadence.choose(7, 6_900_000), Mode::Sweeps, "calm begins anew");
        assert_eq!(cadence.choose(0, 7_899_999), Mode::Sweeps);
        assert_eq!(cadence.choose(0, 7_900_000), Mode::Events);
        assert_eq!(cadence.choose(12, 9_000_000), Mode::Events);
    }

    #[test]
    fn a_small_receive_buffer_is_read_before_it_is_half_full() {
        let every = |sessions, bytes| {
            let mut cadence = Cadence::new(4_000, bytes);
            cadence.choose(sessions, 0);
            cadence.cadence_us()
        };
        assert_eq!(every(1_000, BIG), 4_000);
        // 1,000 clients at 60 datagrams of 768 bytes: 46 bytes a microsecond.
        assert_eq!(every(1_000, 200_000), 2_170);
        assert_eq!(every(5_000, 100_000), CADENCE_US_MIN);
    }
}
