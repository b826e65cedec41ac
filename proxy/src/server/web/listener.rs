//! Accepts browsers and whoever else speaks HTTP. A connection has a permit, a time for each header and an age; only one that
//! becomes a WebSocket lives on, as a client's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use net::accept_errors::{AcceptErrors, Trouble};
use net::panics::guest;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Web, routes};
use crate::server::arrivals::Arrivals;
use crate::server::handshake_permits::HandshakePermit;

/// How long a header may take, and how long a connection may say nothing between two requests.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a header, with its request line.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Fields of a header.
const HEADER_FIELDS_MAX: usize = 64;
/// A connection is closed this long after it was accepted: the page is loaded by then.
const AGE_MAX: Duration = Duration::from_secs(60);

/// … and this long after a drain has begun.
const GOODBYE: Duration = Duration::from_millis(500);

/// What limits the door.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct WebLimits {
    /// How long a header may take, and a connection may be idle.
    pub(in crate::server) header_time: Duration,
    /// How long a connection may last.
    pub(in crate::server) age: Duration,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            header_time: HEADER_TIME_MAX,
            age: AGE_MAX,
        }
    }
}

/// Serves until the drain; connections go on as tasks.
pub(in crate::server) async fn accept_browsers(
    web: Arc<Web>,
    listener: TcpListener,
    arrivals: Arrivals,
    limits: WebLimits,
    mut errors: AcceptErrors,
) {
    let (clock, drain) = (web.context.clock, web.context.drain.clone());
    let router = routes::router(&web);
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (io, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Trouble::Lasting(pause) = errors.note(&error, clock.now_ms()) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        match arrivals.admit(from.ip()) {
            Ok(permit) => {
                let parts = (Arc::clone(&web), router.clone());
                let served = serve(parts, arrivals.clone(), (io, from), permit, limits);
                drop(web.peers.spawn(guest("browser", served)));
            }
            Err(label) => web.context.refusals.count(label),
        }
    }
}

async fn serve(
    (web, router): (Arc<Web>, Router),
    arrivals: Arrivals,
    (mut io, from): (TcpStream, SocketAddr),
    permit: HandshakePermit,
    limits: WebLimits,
) {
    let (caller, permit) = match arrivals.meet(&mut io, from, permit).await {
        Ok(met) => met,
        Err(label) => return web.context.refusals.count(label),
    };
    let _ = io.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(caller)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_FIELDS_MAX)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let end = tokio::time::sleep(limits.age);
    tokio::pin!(end);
    let drain: &CancellationToken = &web.context.drain;
    let mut is_draining = false;
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = &mut end => {
                web.context.refusals.count("http_age");
                break Ok(());
            }
            () = drain.cancelled(), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
                end.as_mut().reset(Instant::now() + GOODBYE);
            }
        }
    };
    drop(permit);
    if let Err(error) = ended {
        if error.is_timeout() {
            web.context.refusals.count("http_idle");
        } else if error.is_parse() {
            web.context.refusals.count("http_malformed");
        }
        tracing::debug!(%from, %error, "an HTTP connection ended");
    }
}
