//! The client of a loop without a run time: who plays thousands of players reads their sockets when something has come,
//! and everything here returns at once. Only logging in and coming back are for a run time, elsewhere.

use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use client_core::{
    ClientEffect, ClientEvent, CommandError, ConnectOptions, ConnectionError, DatagramPath, Reading, Session,
    TICK_MS, Traffic, World,
};
use net::clock::Monotonic;
use net::sealed_stream::{READ_BYTES, SweptStream};
use protocol::ids::{CommandNumber, UserId};
use protocol::message::family::ClientToProxy;
use protocol::message::player::CommandClass;

use crate::carrier::{Carrier, ended};
use crate::connection::{Dialed, log_in, return_by, stage_swept};

/// What a loop shares among all its clients: memory that is used for one of them at a time.
pub struct Scratch {
    read: Box<[u8; READ_BYTES]>,
    effects: Vec<ClientEffect>,
    stream: Vec<ClientToProxy>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            read: Box::new([0; READ_BYTES]),
            effects: Vec::new(),
            stream: Vec::new(),
        }
    }
}

/// One player's client, driven by hand. Its datagrams are its driver's: whatever socket they come from and go to.
///
/// # Contract
/// * [`handle_datagram`](Self::handle_datagram) and [`handle_stream`](Self::handle_stream) bring in what came,
///   [`tick`](Self::tick) moves time (at least ten times a second), `send_*` what the game wants.
/// * After any of these, [`flush`](Self::flush) sends what is to be sent, and [`poll_event`](Self::poll_event) tells
///   what happened.
/// * An error is a lost connection: [`recover`](Self::recover) brings the session to another one, on a run time.
/// * `now_ms` is [`now_ms`](Self::now_ms), read once for as many calls as the driver likes.
pub struct SweptClient {
    session: Session,
    carrier: Carrier,
    clock: Monotonic,
    stream: SweptStream,
    path: Option<DatagramPath>,
    next_tick_ms: u64,
}

impl SweptClient {
    /// Logs in at the first proxy that answers. Needs a run time only until it returns.
    ///
    /// # Errors
    /// The last proxy's error, or its refusal.
    pub async fn connect(options: ConnectOptions, carrier: Carrier) -> Result<Self, ConnectionError> {
        let clock = Monotonic::default();
        let (mut session, dialed) = log_in(options, Reading::OnDemand, (&carrier, clock)).await?;
        let (path, stream) = attach(&mut session, dialed, clock.now_ms())?;
        Ok(Self {
            session,
            carrier,
            clock,
            stream,
            path,
            next_tick_ms: 0,
        })
    }

    /// After a lost connection: resumes at any proxy. Needs a run time only until it returns.
    ///
    /// # Errors
    /// The session is over.
    pub async fn recover(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        let comeback = self.session.leave(error, self.now_ms())?;
        let dialed = return_by(comeback, self.carrier.clone(), self.clock).await?;
        self.session.come_back(&dialed.established);
        let now_ms = self.now_ms();
        (self.path, self.stream) = attach(&mut self.session, dialed, now_ms)?;
        Ok(())
    }

    /// The connection to watch for bytes; another one after [`recover`](Self::recover).
    #[must_use]
    pub fn stream(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Where its datagrams go; `None`: it has none. Another one after [`recover`](Self::recover).
    #[must_use]
    pub fn datagram_path(&self) -> Option<DatagramPath> {
        self.path
    }

    /// The user this client plays as.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.session.user()
    }

    /// The world view, made new for this call: what came since the last one is read now. `None` before the proxy
    /// described the world.
    #[must_use]
    pub fn world(&mut self) -> Option<&World> {
        self.session.core.catch_up();
        self.session.core.world()
    }

    /// Milliseconds on the clock that sightings are dated by.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// What has gone up and down so far, over all connections of the session, handshakes aside.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.session.traffic
    }

    /// Sends an input of at most 64 bytes. Returns its number, which a snapshot will acknowledge.
    pub fn send_input(&mut self, input: impl Into<Bytes>, now_ms: u64) -> u64 {
        self.session.core.send_input(input.into(), now_ms)
    }

    /// Sends a command of at most 1,024 bytes; it is applied exactly once, in order.
    ///
    /// # Errors
    /// `CommandError` when 64 commands await acknowledgement or the body is too long.
    pub fn send_command(
        &mut self,
        class: CommandClass,
        body: impl Into<Bytes>,
    ) -> Result<CommandNumber, CommandError> {
        self.session.core.send_command(class, body.into())
    }

    /// Leaves the world; the proxy closes the connection then.
    pub fn send_logout(&mut self) {
        self.session.core.send_logout();
    }

    /// Takes a datagram that bears this client's name, decrypting it in place.
    pub fn handle_datagram(&mut self, datagram: &mut [u8], now_ms: u64) {
        self.session.take_datagram(datagram, now_ms);
    }

    /// Something is there to be read: takes one read's worth of it. What is left is still there to be read.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn handle_stream(&mut self, scratch: &mut Scratch, now_ms: u64) -> Result<(), ConnectionError> {
        if self.stream.receive(&mut scratch.read).map_err(ended)? > 0 {
            self.take_frames(now_ms)?;
        }
        Ok(())
    }

    /// Moves time, when it is time to.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), ConnectionError> {
        if now_ms < self.next_tick_ms {
            return Ok(());
        }
        self.next_tick_ms = now_ms + TICK_MS;
        // Bytes may have come with the handshake, and half a frame may be waiting for too long.
        self.take_frames(now_ms)?;
        self.session.tick(now_ms)
    }

    /// Sends what is to be sent: datagrams through `send`, the rest as far as the kernel takes it now.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn flush(
        &mut self,
        scratch: &mut Scratch,
        now_ms: u64,
        mut send: impl FnMut(&[u8]),
    ) -> Result<(), ConnectionError> {
        self.session.core.take_effects(&mut scratch.effects);
        for effect in scratch.effects.drain(..) {
            match effect {
                ClientEffect::Datagram(datagram) => {
                    self.session.traffic.up_bytes += datagram.len() as u64;
                    send(&datagram);
                }
                ClientEffect::Stream(message) => scratch.stream.push(message),
            }
        }
        let before = self.stream.staged();
        let staged = stage_swept(&mut self.stream, &scratch.stream, now_ms);
        scratch.stream.clear();
        staged?;
        self.session.traffic.up_bytes += (self.stream.staged() - before) as u64;
        self.stream.flush().map_err(ended)
    }

    /// Something that happened and was not told yet.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.session.core.next_event()
    }

    fn take_frames(&mut self, now_ms: u64) -> Result<(), ConnectionError> {
        while let Some(frame) = self.stream.take_frame(now_ms).map_err(ended)? {
            self.session.take_frame(&frame, now_ms)?;
        }
        Ok(())
    }
}

fn attach(
    session: &mut Session,
    dialed: Dialed,
    now_ms: u64,
) -> Result<(Option<DatagramPath>, SweptStream), ConnectionError> {
    let path = dialed.established.datagram_path();
    let (stream, attachment) = dialed.into_swept()?;
    session.core.attached(attachment, now_ms);
    Ok((path, stream))
}
