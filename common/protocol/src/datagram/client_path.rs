//! The client's side: when to bind, when datagrams work, and when to fall back to TCP.

/// Between the first binds, milliseconds.
pub const BIND_REPEAT_MS: u64 = 500;
/// Binds sent in a row before pausing.
const BINDS_IN_A_ROW: u32 = 4;
/// Between binds while TCP does the work, milliseconds.
pub const BIND_PAUSE_MS: u64 = 30_000;
/// Without a snapshot for so long, datagrams count as blocked, milliseconds.
pub const SNAPSHOT_SILENCE_MS: u64 = 2_000;

/// What carries inputs and snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Family messages on the stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Whether a client's datagrams get through.
#[derive(Clone, Debug)]
pub struct ClientPath {
    /// When a sign of life last came by datagram; `None` while TCP does the work.
    alive_at_ms: Option<u64>,
    binds_sent: u32,
    next_bind_ms: u64,
}

impl ClientPath {
    /// A path that wants to bind at once.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self {
            alive_at_ms: None,
            binds_sent: 0,
            next_bind_ms: now_ms,
        }
    }

    /// What to send inputs by.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self.alive_at_ms {
            Some(_) => Transport::Udp,
            None => Transport::Tcp,
        }
    }

    /// A challenge came: its plaintext goes back as the response. Both ways work, so datagrams take over.
    pub fn handle_challenge(&mut self, now_ms: u64) {
        self.alive_at_ms = Some(now_ms);
    }

    /// A snapshot came by datagram. It does not bring the path back alone: only a challenge shows the way there too.
    pub fn handle_snapshot(&mut self, now_ms: u64) {
        if let Some(alive_at_ms) = &mut self.alive_at_ms {
            *alive_at_ms = now_ms;
        }
    }

    /// Moves time; `true` asks for a BIND to be sent now.
    pub fn tick(&mut self, now_ms: u64) -> bool {
        if let Some(alive_at_ms) = self.alive_at_ms {
            if now_ms.saturating_sub(alive_at_ms) < SNAPSHOT_SILENCE_MS {
                return false;
            }
            self.alive_at_ms = None;
            self.binds_sent = 0;
            self.next_bind_ms = now_ms;
        }
        if now_ms < self.next_bind_ms {
            return false;
        }
        self.binds_sent = self.binds_sent.saturating_add(1);
        let pause_ms = if self.binds_sent < BINDS_IN_A_ROW {
            BIND_REPEAT_MS
        } else {
            BIND_PAUSE_MS
        };
        self.next_bind_ms = now_ms.saturating_add(pause_ms);
        true
    }
}
