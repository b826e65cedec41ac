//! SIGTERM and SIGINT: the first drains, the second forces.

use super::Shutdown;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Installs the handlers and listens in a task of the current run time.
///
/// # Errors
/// When the system refuses a handler.
pub fn drain_on_signals(shutdown: Shutdown) -> io::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(listen(terminate, interrupt, shutdown));
    Ok(())
}

async fn listen(mut terminate: Signal, mut interrupt: Signal, shutdown: Shutdown) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if shutdown.is_draining() {
            tracing::warn!("second signal: stopping at once");
            return shutdown.force();
        }
        tracing::info!("signal: draining; another one stops at once");
        shutdown.drain();
    }
}
