//! Many sockets on one thread: links and clients of a node, or the thousands of players of a load tester.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::Waker;

const WAKER_TOKEN: u64 = u64::MAX;
const EVENTS: usize = 256;

/// What a wait of a [`Poller`] ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The socket registered under this token has something to read, or is broken.
    Socket(u64),
    /// The socket registered under this token takes bytes again.
    Writable(u64),
    /// Another thread called [`Waker::wake`].
    Woken,
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing: it is read on a cadence. A broken connection is told all the same.
    Nothing,
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Both.
    ReadAndWrite,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Self::Nothing => EpollFlags::empty(),
            Self::Read => EpollFlags::EPOLLIN,
            Self::Write => EpollFlags::EPOLLOUT,
            Self::ReadAndWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        }
    }
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

    /// Watches a socket under a token below `u64::MAX` for so much.
    ///
    /// # Errors
    /// As the operating system says, also for a socket added twice.
    pub fn watch(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(interest.flags(), token))?)
    }

    /// Watches a socket for something else from now on.
    ///
    /// # Errors
    /// As the operating system says, also for a socket that is not watched.
    pub fn change(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = EpollEvent::new(interest.flags(), token);
        Ok(self.epoll.modify(socket, &mut event)?)
    }

    /// Watches a socket no more.
    ///
    /// # Errors
    /// As the operating system says, also for a socket that is not watched.
    pub fn forget(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(socket)?)
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
        Ok(ready.iter().flat_map(|event| {
            let (token, flags) = (event.data(), event.events());
            let is_woken = token == WAKER_TOKEN;
            let readable = !is_woken && flags.intersects(!EpollFlags::EPOLLOUT);
            let writable = !is_woken && flags.contains(EpollFlags::EPOLLOUT);
            [
                is_woken.then_some(Ready::Woken),
                readable.then_some(Ready::Socket(token)),
                writable.then_some(Ready::Writable(token)),
            ]
            .into_iter()
            .flatten()
        }))
    }
}

/// A poller is ready for another one's `Read` when something that it watches is.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn epoll_timeout(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else {
        return EpollTimeout::NONE;
    };
    let ms = timeout.as_nanos().div_ceil(1_000_000).min(60_000);
    EpollTimeout::from(u16::try_from(ms).unwrap_or(u16::MAX))
}
