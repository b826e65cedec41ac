//! Logging in and coming back: the handshakes of all threads' bots, on a run time of their own, so that no input waits
//! for a signature.

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use client::{Carrier, ConnectOptions, ConnectionError, SweptClient};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use crate::seat::Seat;

/// What a thread cannot do without waiting.
pub(crate) enum Errand {
    /// Log a new bot in.
    LogIn {
        place: u32,
        options: Box<ConnectOptions>,
        carrier: Carrier,
        back: Sender<Arrival>,
    },
    /// Bring a bot that has lost its connection to another one.
    Recover {
        place: u32,
        seat: Box<Seat>,
        error: ConnectionError,
        back: Sender<Arrival>,
    },
}

/// What became of it, with the place of the bot in its thread.
pub(crate) enum Arrival {
    LoggedIn(u32, Box<SweptClient>),
    LoginFailed(u32, ConnectionError),
    Recovered(u32, Box<Seat>),
    Gone(u32, Box<Seat>, ConnectionError),
}

/// Starts the thread that does errands; it ends when nobody can send any more.
///
/// # Errors
/// No thread or no run time could be made.
pub(crate) fn start() -> std::io::Result<(UnboundedSender<Errand>, JoinHandle<std::io::Result<()>>)> {
    let (to, errands) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let builder = std::thread::Builder::new().name("logins".to_owned());
    let thread = builder.spawn(move || {
        LocalSet::new().block_on(&runtime, run(errands));
        Ok(())
    })?;
    Ok((to, thread))
}

async fn run(mut errands: UnboundedReceiver<Errand>) {
    while let Some(errand) = errands.recv().await {
        tokio::task::spawn_local(async move {
            // Whoever asked may have ended meanwhile.
            match errand {
                Errand::LogIn {
                    place,
                    options,
                    carrier,
                    back,
                } => {
                    let _ = back.send(match SweptClient::connect(*options, carrier).await {
                        Ok(client) => Arrival::LoggedIn(place, Box::new(client)),
                        Err(error) => Arrival::LoginFailed(place, error),
                    });
                }
                Errand::Recover {
                    place,
                    seat,
                    error,
                    back,
                } => {
                    let _ = back.send(recover(place, seat, error).await);
                }
            }
        });
    }
}

async fn recover(place: u32, mut seat: Box<Seat>, error: ConnectionError) -> Arrival {
    match seat.client.recover(error).await {
        Ok(()) => Arrival::Recovered(place, seat),
        Err(error) => {
            tracing::info!(bot = seat.index, %error, "a session is over");
            Arrival::Gone(place, seat, error)
        }
    }
}
