//! Driving a client without waiting for it: who looks after thousands of clients is woken once for all that came to
//! many of them, and visits just those.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use protocol::limits;
use tokio::time::Instant;

use super::Client;
use crate::connection::{ConnectionError, Incoming};

/// Datagrams of one sweep: what comes faster waits for the next one.
const DATAGRAMS_MAX: usize = 64;

/// Bytes that a client has sent and received, as datagrams and frames, without the headers of IP, UDP and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the proxy.
    pub up_bytes: u64,
    /// From the proxy.
    pub down_bytes: u64,
}

/// What the future gives now, if it gives anything now.
fn now<F: Future>(future: F, cx: &mut Context<'_>) -> Option<F::Output> {
    match pin!(future).poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Client {
    /// Takes what has come, moves time, and sends what waits. Never waits: the task of `cx` is woken when more comes.
    /// To be called then, after commands, and at least ten times a second; cheap when nothing came.
    ///
    /// # Errors
    /// The connection is lost: bring it back with [`recover`](Self::recover).
    pub fn sweep(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionError> {
        self.sweep_datagrams(cx);
        self.sweep_stream(cx)
    }

    fn sweep_datagrams(&mut self, cx: &mut Context<'_>) {
        // On the stack: thousands of clients share these cache lines.
        let mut datagram = [0; limits::DATAGRAM_BYTES_MAX];
        let now_ms = self.clock.now_ms();
        let mut came = 0;
        while let Some(connection) = &self.connection
            && let Poll::Ready(length) = connection.poll_datagram(cx, &mut datagram)
        {
            self.traffic.down_bytes += length as u64;
            self.core.handle_datagram(&mut datagram[..length], now_ms);
            came += 1;
            if came == DATAGRAMS_MAX {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if Instant::now() >= self.next_tick {
            self.tick();
        } else if came > 0 {
            self.carry_out();
        }
    }

    fn sweep_stream(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionError> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Err(ConnectionError::TimedOut);
            };
            match now(connection.next_messages(), cx) {
                Some(incoming) => self.take(incoming?),
                None => break,
            }
        }
        match &mut self.connection {
            Some(connection) if connection.writer.staged() > 0 => match now(connection.writer.flush(), cx) {
                Some(Err(error)) => Err(error.into()),
                Some(Ok(_)) | None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// After a lost connection: resumes at any proxy, as [`next_event`](Self::next_event) does by itself.
    ///
    /// # Errors
    /// The session is over.
    pub async fn recover(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        self.lost(error).await
    }

    /// What has gone up and down so far, over all connections of the session, handshakes aside.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl Incoming {
    /// Bytes on the wire.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Messages { bytes, .. } | Self::Datagram(bytes) => *bytes as u64,
        }
    }
}
