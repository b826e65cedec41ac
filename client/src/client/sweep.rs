//! Driving a client without waiting for it: who looks after thousands of clients visits each of them on a cadence
//! instead of being woken for every packet.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::Client;
use crate::connection::{ConnectionError, Incoming};

/// Bytes that a client has sent and received, as datagrams and frames, without the headers of IP, UDP and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the proxy.
    pub up_bytes: u64,
    /// From the proxy.
    pub down_bytes: u64,
}

/// What the future gives now, if it gives anything now. Nobody is woken for it later.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Client {
    /// Takes the datagrams that are here, and moves time. Never waits; cheap when nothing came.
    pub fn sweep_datagrams(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut came = false;
        while let Some(length) = self
            .connection
            .as_ref()
            .and_then(|connection| connection.try_datagram(&mut self.datagram[..]))
        {
            came = true;
            self.traffic.down_bytes += length as u64;
            self.core.handle_datagram(&mut self.datagram[..length], now_ms);
        }
        if Instant::now() >= self.next_tick {
            self.tick();
        } else if came {
            self.carry_out();
        }
    }

    /// Takes what is here on the stream, and sends what waits for it. Never waits.
    ///
    /// # Errors
    /// The connection is lost: bring it back with [`recover`](Self::recover).
    pub fn sweep_stream(&mut self) -> Result<(), ConnectionError> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Err(ConnectionError::TimedOut);
            };
            let frame = now(connection.next_messages());
            match frame {
                Some(incoming) => self.take(incoming?),
                None => break,
            }
        }
        match &mut self.connection {
            Some(connection) if connection.writer.staged() > 0 => match now(connection.writer.flush()) {
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
