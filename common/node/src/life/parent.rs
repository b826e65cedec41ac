//! A child of the local cluster ends when its parent ends, however that ended.
//!
//! The parent's id is watched rather than asking the kernel for a signal: that signal would come when the *thread*
//! that started the child ends, and threads of a run time come and go.

use super::{Exit, Shutdown};
use std::io;
use std::time::Duration;

/// How often the parent is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the drain may take that a lost parent starts: with `LOOK_EVERY`, children are gone within two seconds.
const DRAIN_MAX: Duration = Duration::from_millis(1_500);

/// Watches from a thread of its own that `parent` still is this process's parent; when not, drains, and ends the
/// process with [`Exit::Forced`] a second and a half later if it still runs.
///
/// # Errors
/// When no thread can be started.
pub fn watch_parent(parent: u32, shutdown: Shutdown) -> io::Result<()> {
    let watch = move || {
        while u32::try_from(nix::unistd::getppid().as_raw()) == Ok(parent) {
            std::thread::sleep(LOOK_EVERY);
        }
        tracing::warn!(parent, "the parent process has ended: draining");
        shutdown.drain();
        std::thread::sleep(DRAIN_MAX);
        std::process::exit(Exit::Forced as i32);
    };
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(watch)
        .map(|_| ())
}
