//! What signals mean to a process: the first drains, a later one forces.

use super::Shutdown;
use program::{Ask, Force, Signals};
use std::io;

/// Installs the handlers and listens in a task of the current run time.
///
/// # Errors
/// When the system refuses a handler.
pub fn drain_on_signals(shutdown: Shutdown, force: Force) -> io::Result<()> {
    let signals = Signals::listen(force)?;
    tokio::spawn(listen(signals, shutdown));
    Ok(())
}

async fn listen(mut signals: Signals, shutdown: Shutdown) {
    loop {
        match signals.next().await {
            Ask::End => {
                tracing::info!("signal: draining");
                shutdown.drain();
            }
            Ask::EndAtOnce => {
                tracing::warn!("second signal: stopping at once");
                return shutdown.force();
            }
        }
    }
}
