//! Accepts admin connections: only so many, none for long, and the newest always. An open connection that says nothing
//! must not take the endpoint from the operator, and neither must a process that has no descriptor left.

use super::seats::{Seat, Seats};
use net::accept_errors::{AcceptErrors, Trouble};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

/// Connections at a time; one more takes the place of the one that has been idle longest.
const CONNECTIONS_MAX: usize = 64;
/// A connection is closed this long after it was accepted; scrapers reconnect.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(20);
/// … and sooner, when it has not said a word by then.
const FIRST_WORD_MAX: Duration = Duration::from_secs(2);
/// Descriptors held open for connections that come when the process has none left.
const RESERVED: usize = 4;

/// Descriptors that nobody else can take: held from before the first connection can come.
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        let mut reserve = Self(Vec::with_capacity(RESERVED));
        reserve.refill();
        reserve
    }

    /// Takes back what was given away, once there is something to take.
    fn refill(&mut self) {
        while self.0.len() < RESERVED
            && let Ok(file) = File::open("/dev/null")
        {
            self.0.push(file);
        }
    }

    /// Gives one away; whether there was one.
    fn give(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

/// A listener with a limit.
pub(super) struct Guarded {
    listener: TcpListener,
    seats: Seats,
    reserve: Reserve,
    errors: AcceptErrors,
}

impl Guarded {
    pub(super) fn new(listener: TcpListener, reserve: Reserve) -> Self {
        Self {
            listener,
            seats: Seats::new(CONNECTIONS_MAX),
            reserve,
            errors: AcceptErrors::of("admin"),
        }
    }
}

impl axum::serve::Listener for Guarded {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.reserve.refill();
                    return (Timed::new(stream, self.seats.take()), address);
                }
                Err(error) => match self.errors.note(&error, crate::clock::now_ms()) {
                    Trouble::Passing => {}
                    // One of ours becomes the connection's.
                    Trouble::Lasting(_) if self.reserve.give() => {}
                    Trouble::Lasting(pause) => {
                        tokio::time::sleep(pause).await;
                        self.reserve.refill();
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with a deadline, which gives way when another needs its place.
pub(super) struct Timed {
    stream: TcpStream,
    accepted_at: Instant,
    deadline: Pin<Box<Sleep>>,
    has_spoken: bool,
    seat: Seat,
}

impl Timed {
    fn new(stream: TcpStream, seat: Seat) -> Self {
        let accepted_at = Instant::now();
        Self {
            stream,
            accepted_at,
            deadline: Box::pin(tokio::time::sleep_until(accepted_at + FIRST_WORD_MAX)),
            has_spoken: false,
            seat,
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.seat.poll_given_away(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.seat.begin_request();
            if !std::mem::replace(&mut self.has_spoken, true) {
                let age_max = self.accepted_at + CONNECTION_AGE_MAX;
                self.deadline.as_mut().reset(age_max);
                // Whoever waits for the rest is woken when that deadline is over, not the first.
                self.check(cx)?;
            }
        }
        read
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.seat.end_request();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
