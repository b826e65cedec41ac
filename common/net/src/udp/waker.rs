//! Wakes a thread that sleeps on sockets. Many wakes before it looks cost one system call.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// A handle by which any thread wakes the one that waits on it.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: EventFd,
    pending: AtomicBool,
}

impl Waker {
    /// A waker that nobody has used yet.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let event = EventFd::from_value_and_flags(0, flags)?;
        Ok(Self(Arc::new(Inner {
            event,
            pending: AtomicBool::new(false),
        })))
    }

    /// Wakes the waiting thread, or makes its next wait return at once. Put what it shall find in place before.
    pub fn wake(&self) {
        if self.0.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(errno) = self.0.event.write(1)
            && errno != Errno::EAGAIN
        {
            tracing::error!(%errno, "a thread could not be woken");
        }
    }

    /// Takes the wake back, before the waiting thread looks for what it was woken for.
    pub(crate) fn clear(&self) {
        // Emptied first, marked second: the other way round a wake in between would be swallowed for good.
        let _ = self.0.event.read();
        self.0.pending.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
