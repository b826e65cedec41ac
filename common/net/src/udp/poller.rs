//! Many sockets on one thread: a load tester drives thousands of players, each with a socket of its own.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::Waker;

const WAKER_TOKEN: u64 = u64::MAX;
const EVENTS: usize = 256;

/// What a wait of a [`Poller`] ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The socket registered under this token has datagrams.
    Socket(u64),
    /// Another thread called [`Waker::wake`].
    Woken,
}

/// Waits on many sockets and one waker. Level-triggered: what was not read is told again.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
    waker: Waker,
    events: Vec<EpollEvent>,
}

impl Poller {
    /// A poller with a waker of its own.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let waker = Waker::new()?;
        epoll.add(&waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER_TOKEN))?;
        Ok(Self {
            epoll,
            waker,
            events: vec![EpollEvent::empty(); EVENTS],
        })
    }

    /// The handle by which other threads wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Watches a socket under a token below `u64::MAX`. A closed socket is forgotten by itself.
    ///
    /// # Errors
    /// As the operating system says, also for a socket added twice.
    pub fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self
            .epoll
            .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Sleeps until something is ready or the time is over (to the millisecond, rounded up; `None`: no limit).
    ///
    /// # Errors
    /// As the operating system says.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Ready>> {
        let ready = match self.epoll.wait(&mut self.events, epoll_timeout(timeout)) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let ready = self.events.get(..ready).unwrap_or_default();
        if ready.iter().any(|event| event.data() == WAKER_TOKEN) {
            self.waker.clear();
        }
        Ok(ready.iter().map(|event| match event.data() {
            WAKER_TOKEN => Ready::Woken,
            token => Ready::Socket(token),
        }))
    }
}

fn epoll_timeout(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else {
        return EpollTimeout::NONE;
    };
    let ms = timeout.as_nanos().div_ceil(1_000_000).min(60_000);
    EpollTimeout::from(u16::try_from(ms).unwrap_or(u16::MAX))
}
