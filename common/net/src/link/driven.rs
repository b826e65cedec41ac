//! One link on a thread of its own, for whoever has no loop to put it into: tools, tests, and the links of auth nodes, which carry
//! a question now and then. What is said goes in by a handle, what is heard comes out by a closure. Links that carry the world
//! belong to the threads that own its state.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::Code;
use protocol::ids::{Lane, Lanes, TopologyVersion};
use protocol::message::family::BatchMessage;
use protocol::message::node::Heartbeat;
use protocol::node_handshake::VerifiedPeer;

use super::handed::{HandedLink, LinkLease};
use super::peer::LinkId;
use crate::clock::{Monotonic, wall_ms};
use crate::link_core::{DownReason, LinkCore, LinkTime, Received, Sealed};
use crate::stream_socket::StreamSocket;
use crate::udp::{Interest, Poller, Waker};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// How long last words may take, microseconds.
const LAST_WORDS_US: u64 = 500_000;
/// Between two tries to write them.
const LAST_WORDS_PAUSE: Duration = Duration::from_millis(50);
/// The longest sleep.
const SLEEP: Duration = Duration::from_millis(500);

/// What a link brings.
#[derive(Debug)]
pub enum Heard<In> {
    /// A message.
    Message(In),
    /// The peer's loads, and the version of its topology.
    Heartbeat(Heartbeat),
    /// The link is over; nothing follows.
    Ended(DownReason),
}

enum Said<Out> {
    Message(Out),
    Close(Code),
}

/// The handle of a driven link. Dropping it does not end the link.
pub struct DrivenLink<Out> {
    /// The link.
    pub id: LinkId,
    /// Who is at the other end.
    pub peer: VerifiedPeer,
    /// Which of the links to it.
    pub lane: Lane,
    /// Of how many.
    pub lanes: Lanes,
    said: Arc<Mutex<Vec<Said<Out>>>>,
    waker: Waker,
}

impl<Out> DrivenLink<Out> {
    /// Says something, if the link still lives.
    pub fn say(&self, message: Out) {
        self.put([Said::Message(message)]);
    }

    /// Says all of it, in one frame if it fits.
    pub fn say_all(&self, messages: impl IntoIterator<Item = Out>) {
        self.put(messages.into_iter().map(Said::Message));
    }

    /// Ends the link.
    pub fn close(&self, code: Code) {
        self.put([Said::Close(code)]);
    }

    fn put(&self, said: impl IntoIterator<Item = Said<Out>>) {
        let mut waiting = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(said);
        drop(waiting);
        self.waker.wake();
    }
}

impl<Out> Clone for DrivenLink<Out> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            peer: self.peer,
            lane: self.lane,
            lanes: self.lanes,
            said: Arc::clone(&self.said),
            waker: self.waker.clone(),
        }
    }
}

/// Takes a link over, and tells its peer of no topology. `up` gets it before `hear` hears the first word.
///
/// # Errors
/// When the process has no thread or file descriptor left.
pub fn drive<In, Out>(
    link: HandedLink,
    clock: Monotonic,
    up: impl FnOnce(DrivenLink<Out>),
    hear: impl FnMut(Heard<In>) + Send + 'static,
) -> io::Result<()>
where
    In: BatchMessage + 'static,
    Out: BatchMessage + From<Heartbeat> + Send + 'static,
{
    drive_as(link, clock, || TopologyVersion(0), up, hear)
}

/// The same; heartbeats say that this is the version of the topology here.
///
/// # Errors
/// As [`drive`].
pub fn drive_as<In, Out>(
    link: HandedLink,
    clock: Monotonic,
    version: impl Fn() -> TopologyVersion + Send + 'static,
    up: impl FnOnce(DrivenLink<Out>),
    hear: impl FnMut(Heard<In>) + Send + 'static,
) -> io::Result<()>
where
    In: BatchMessage + 'static,
    Out: BatchMessage + From<Heartbeat> + Send + 'static,
{
    let poller = Poller::new()?;
    poller.watch(&link.socket, 0, Interest::Read)?;
    let handle = DrivenLink {
        id: link.id,
        peer: link.peer,
        lane: link.lane,
        lanes: link.lanes,
        said: Arc::default(),
        waker: poller.waker(),
    };
    let said = Arc::clone(&handle.said);
    up(handle);
    std::thread::Builder::new()
        .name(format!("link-{}", link.id))
        .spawn(move || {
            let HandedLink {
                socket,
                sealing,
                life,
                lease,
                ..
            } = link;
            let driver = Driver {
                core: LinkCore::new(sealing, life, now(clock)),
                socket,
                poller,
                said,
                hear,
                version,
                clock,
                scratch: vec![0; READ_BYTES],
                _lease: lease,
            };
            driver.run();
        })?;
    Ok(())
}

fn now(clock: Monotonic) -> LinkTime {
    LinkTime {
        mono_us: clock.now_us(),
        wall_ms: wall_ms(),
    }
}

struct Driver<In, Out, H, V> {
    core: LinkCore<In, Out, Sealed>,
    socket: StreamSocket,
    poller: Poller,
    said: Arc<Mutex<Vec<Said<Out>>>>,
    hear: H,
    version: V,
    clock: Monotonic,
    scratch: Vec<u8>,
    _lease: LinkLease,
}

impl<In, Out, H, V> Driver<In, Out, H, V>
where
    V: Fn() -> TopologyVersion,
    In: BatchMessage,
    Out: BatchMessage + From<Heartbeat>,
    H: FnMut(Heard<In>),
{
    fn run(mut self) {
        loop {
            let now = now(self.clock);
            self.take_said(now);
            self.read(now);
            match self.core.tick(now) {
                Err(reason) => return self.end(reason, now),
                Ok(Some(mut beat)) => {
                    beat.topology_version = (self.version)().0;
                    self.core.push(&beat.into());
                }
                Ok(None) => {}
            }
            self.write(now);
            let due_us = self.core.due_us(now).saturating_sub(now.mono_us);
            let sleep = match self.core.ended() {
                Some(_) => Duration::ZERO,
                None => Duration::from_micros(due_us).min(SLEEP),
            };
            if self.poller.wait(Some(sleep)).is_err() {
                self.core.broke("io");
            }
        }
    }

    fn take_said(&mut self, now: LinkTime) {
        let said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        for said in said {
            match said {
                Said::Message(message) => self.core.push(&message),
                Said::Close(code) => self.core.close(code, now),
            }
        }
    }

    /// Also without new bytes: some may have come with the handshake.
    fn read(&mut self, now: LinkTime) {
        loop {
            while let Ok(Some(received)) = self.core.next(now) {
                (self.hear)(match received {
                    Received::Message(message) => Heard::Message(message),
                    Received::Heartbeat(heartbeat) => Heard::Heartbeat(heartbeat),
                });
            }
            match self.socket.read(&mut self.scratch) {
                Ok(0) => return,
                Ok(read) => self.core.receive(self.scratch.get(..read).unwrap_or_default()),
                Err(label) => return self.core.broke(label),
            }
        }
    }

    fn write(&mut self, now: LinkTime) {
        self.core.flush(now);
        while !self.core.unsent().is_empty() {
            match self.socket.write(self.core.unsent()) {
                Ok(0) => break,
                Ok(written) => {
                    self.core.wrote(written);
                    self.core.flush(now);
                }
                Err(label) => return self.core.broke(label),
            }
        }
        let interest = if self.core.unsent().is_empty() {
            Interest::Read
        } else {
            Interest::ReadAndWrite
        };
        let _ = self.poller.change(&self.socket, 0, interest);
    }

    fn end(self, reason: DownReason, now: LinkTime) {
        let Self {
            core,
            mut socket,
            mut poller,
            mut hear,
            clock,
            ..
        } = self;
        let (last_words, until_us) = (core.into_last_words(now), now.mono_us + LAST_WORDS_US);
        let mut rest = &last_words[..];
        let _ = poller.change(&socket, 0, Interest::Write);
        while !rest.is_empty() && clock.now_us() < until_us {
            let Ok(written) = socket.write(rest) else { break };
            rest = rest.get(written..).unwrap_or_default();
            if poller.wait(Some(LAST_WORDS_PAUSE)).is_err() {
                break;
            }
        }
        let _ = socket.finish();
        hear(Heard::Ended(reason));
    }
}
