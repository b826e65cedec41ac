//! The admin endpoint: metrics, liveness, readiness, status, drain and log level over HTTP.
//!
//! It runs on a thread and a run time of its own, so that it answers when everything else is stuck, and a scrape
//! costs no tick. The threads that the node cannot do without are watched from here for the same reason. It has no authentication: it listens on loopback unless the operator says otherwise, and refuses
//! changes asked for by web pages.

mod bulletin;
mod checks;
mod listener;
mod readiness;
mod routes;
mod seats;
mod state;

pub use checks::{
    Papers, SOON_MS, Wanted, clock_check, link_check, probe_store, span, store_watch, world_check,
};
pub use readiness::{Check, Readiness, ReadyReport, Verdict};
pub(crate) use state::whole_report;
pub use state::{AdminState, CensusAnswer, ChangeAnswer, StatusBoard};

use crate::life::LOOK_EVERY;
use bulletin::Bulletin;
use listener::{Guarded, Reserve};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often metrics are folded.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often the log is told of checks that are not well.
const BULLETIN: Duration = Duration::from_secs(1);

/// Why the admin endpoint cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Somebody else has the port, or it is not ours to have.
    #[error(
        "the admin endpoint cannot listen on {address}: {source}; choose another address with --admin, or port 0 for a free one"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread or run time for it.
    #[error("the admin endpoint cannot start: {0}")]
    Start(#[source] io::Error),
}

/// The running endpoint; dropping it stops it.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Admin {
    /// Where it listens, with the port that was found.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Binds `address` and serves on a thread of its own.
///
/// # Errors
/// `AdminError`, with what to do.
pub fn start(address: SocketAddr, state: AdminState) -> Result<Admin, AdminError> {
    let listener = TcpListener::bind(address).map_err(|source| AdminError::Bind { address, source })?;
    listener.set_nonblocking(true).map_err(AdminError::Start)?;
    let address = listener.local_addr().map_err(AdminError::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AdminError::Start)?;
    let stop = CancellationToken::new();
    let (stopped, reserve) = (stop.clone(), Reserve::new());
    std::thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || runtime.block_on(serve(listener, reserve, state, stopped)))
        .map_err(AdminError::Start)?;
    Ok(Admin { address, stop })
}

async fn serve(listener: TcpListener, reserve: Reserve, state: AdminState, stop: CancellationToken) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => Guarded::new(listener, reserve),
        Err(error) => return tracing::error!(%error, "the admin endpoint cannot start"),
    };
    let (metrics, owners) = (state.metrics.clone(), state.owners.clone());
    let watch = async move {
        loop {
            // A pause, not an appointment: time that this process did not run does not count.
            tokio::time::sleep(LOOK_EVERY).await;
            owners.look();
        }
    };
    let upkeep = async move {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            crate::telemetry::tell_left_out();
            if let Some(metrics) = &metrics {
                metrics.upkeep();
            }
        }
    };
    let telling = state.clone();
    let tell = async move {
        let mut bulletin = Bulletin::default();
        let mut interval = tokio::time::interval(BULLETIN);
        loop {
            interval.tick().await;
            for line in bulletin.look(&telling.report(), Instant::now()) {
                line.log();
            }
        }
    };
    let server = axum::serve(listener, routes::router(state));
    tokio::select! {
        result = server.into_future() => if let Err(error) = result { tracing::error!(%error, "the admin endpoint ended") },
        () = upkeep => {}
        () = watch => {}
        () = tell => {}
        () = stop.cancelled() => {}
    }
}
