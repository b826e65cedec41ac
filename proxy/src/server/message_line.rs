//! A WebSocket of whole messages, for those who speak in words: read as they come, written within a time, asked for a sign of life
//! when it is silent. The task that has it alone touches it.

use std::io;
use std::time::Duration;

use net::stream_socket::StreamSocket;
use net::websocket::{End, Form, Messages, Over};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout};

use super::client_door::notice_silence;

/// How long the other end may take to take a message.
const WRITE_TIME_MAX: Duration = Duration::from_secs(5);
/// An end that is silent for so long is asked whether it is there …
const ASK_EVERY: Duration = Duration::from_secs(10);
/// … and after so long it is not.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bytes of one read.
const READ_BYTES: usize = 4 * 1024;

/// Why a line is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// The other end has closed, or the connection is gone.
    Gone,
    /// It broke the framing, or TLS did: the label to count it under.
    Broken(&'static str),
    /// It takes nothing.
    Slow,
    /// It gives no sign of life.
    Silent,
}

impl From<io::Error> for LineEnd {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// See the module.
pub(super) struct MessageLine {
    io: AsyncFd<StreamSocket>,
    messages: Messages,
    /// When the other end last gave a sign of life.
    heard_at: Instant,
    asked_at: Instant,
}

impl MessageLine {
    /// A line behind its upgrade. Of what comes, no message may be longer than this; `came` came with the request.
    ///
    /// # Errors
    /// The socket cannot be waited for.
    pub(super) fn new(
        io: StreamSocket,
        (form, bytes_max): (Form, usize),
        mut came: Vec<u8>,
    ) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is for unsafe code, of which there is none here; a socket has one descriptor all its life"
        )]
        let io = AsyncFd::new(io)?;
        notice_silence(io.get_ref());
        let mut line = Self {
            io,
            messages: Messages::new(End::Server, form, bytes_max),
            heard_at: Instant::now(),
            asked_at: Instant::now(),
        };
        // A break in it is told when the next message is asked for.
        let _ = line.take(&mut came);
        Ok(line)
    }

    /// The next message. Dropping the future loses nothing.
    pub(super) async fn next_message(&mut self) -> Result<Vec<u8>, LineEnd> {
        loop {
            if let Some(message) = self.messages.next_message() {
                return Ok(message);
            }
            if !self.messages.unsent().is_empty() || self.io.get_ref().has_unsent() {
                self.push_out().await?;
            }
            if self.messages.is_over() {
                self.take(&mut [])?;
            }
            let mut scratch = [0; READ_BYTES];
            let read = self.read_some(&mut scratch).await?;
            self.take(scratch.get_mut(..read).unwrap_or_default())?;
        }
    }

    async fn read_some(&mut self, scratch: &mut [u8]) -> Result<usize, LineEnd> {
        loop {
            // What TLS holds already is told by no poller.
            if self.io.get_ref().has_more() {
                match self.io.get_mut().read(scratch).map_err(ended)? {
                    0 => {}
                    read => return Ok(read),
                }
            }
            let mut ready = self.io.readable_mut().await?;
            match ready.get_inner_mut().read(scratch).map_err(ended)? {
                0 => ready.clear_ready(),
                read => return Ok(read),
            }
        }
    }

    fn take(&mut self, arrived: &mut [u8]) -> Result<(), LineEnd> {
        self.heard_at = Instant::now();
        self.messages.receive(arrived).map_err(|over| match over {
            Over::Closed => LineEnd::Gone,
            over => LineEnd::Broken(over.label()),
        })
    }

    /// Says it, once the other end has taken what was said before.
    pub(super) async fn say(&mut self, message: &[u8]) -> Result<(), LineEnd> {
        self.messages.send(message);
        self.push_out().await
    }

    /// Who may only listen is asked now and then whether it is there.
    pub(super) async fn look_after(&mut self, now: Instant) -> Result<(), LineEnd> {
        if now.duration_since(self.heard_at) > SILENCE_MAX {
            return Err(LineEnd::Silent);
        }
        if now.duration_since(self.heard_at.max(self.asked_at)) > ASK_EVERY {
            self.asked_at = now;
            self.messages.ping();
            self.push_out().await?;
        }
        Ok(())
    }

    async fn push_out(&mut self) -> Result<(), LineEnd> {
        // Who reads nothing hears nothing more.
        let late = |_| LineEnd::Slow;
        timeout(WRITE_TIME_MAX, self.write_out()).await.map_err(late)?
    }

    async fn write_out(&mut self) -> Result<(), LineEnd> {
        loop {
            let taken = self.io.get_mut().write(self.messages.unsent()).map_err(ended)?;
            if taken > 0 {
                self.messages.wrote(taken);
            }
            if self.messages.unsent().is_empty() && !self.io.get_ref().has_unsent() {
                return Ok(());
            }
            // The kernel has taken what it takes now.
            self.io.writable_mut().await?.clear_ready();
        }
    }

    /// Says a last word, and goodbye, and hears the other end out. To be given a time.
    pub(super) async fn close(mut self, last_word: Option<Vec<u8>>) -> Result<(), LineEnd> {
        if let Some(word) = last_word {
            self.messages.send(&word);
        }
        self.messages.close();
        self.push_out().await?;
        while !self.io.get_mut().finish().map_err(ended)? {
            self.io.writable_mut().await?.clear_ready();
        }
        // Closed with unread bytes it would be reset, and the last word lost.
        loop {
            let mut ready = self.io.readable_mut().await?;
            if ready
                .get_inner_mut()
                .discard(&mut [0; READ_BYTES])
                .map_err(ended)?
                == 0
            {
                ready.clear_ready();
            }
        }
    }
}

/// A connection that is broken is gone; what breaks TLS is counted.
fn ended(label: &'static str) -> LineEnd {
    match label {
        "eof" | "io" => LineEnd::Gone,
        label => LineEnd::Broken(label),
    }
}
