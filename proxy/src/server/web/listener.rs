//! Accepts browsers and whoever else speaks HTTP. A connection has a permit, a time for TLS and for each header, an age, and a
//! number of requests; only one that becomes a WebSocket lives on, as a client's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use net::accept_errors::{AcceptErrors, Trouble};
use net::connection::Connection;
use net::panics::guest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Web, clear, routes};
use crate::server::arrivals::{Arrivals, Caller};
use crate::server::client_door::notice_silence;
use crate::server::handshake_permits::HandshakePermit;

/// How long a handshake of TLS and a header may take, and how long a connection may say nothing between two requests.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a header, with its request line.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Fields of a header.
const HEADER_FIELDS_MAX: usize = 64;
/// A connection answers nothing new this long after it was accepted: the page is loaded by then …
const AGE_MAX: Duration = Duration::from_secs(60);
/// … but for an answer that is under way, which may take so much longer. The kernel ends it sooner where nothing is taken.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(120);
/// A drain leaves it this long.
const GOODBYE: Duration = Duration::from_millis(500);
/// Requests of one connection. A page makes ten.
const REQUESTS_MAX: usize = 128;

/// What limits the door.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct WebLimits {
    /// How long a handshake of TLS and a header may take, and a connection may be idle.
    pub(in crate::server) header_time: Duration,
    /// How long a connection may last …
    pub(in crate::server) age: Duration,
    /// … and how much longer its last answer.
    pub(in crate::server) last_answer: Duration,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            header_time: HEADER_TIME_MAX,
            age: AGE_MAX,
            last_answer: LAST_ANSWER_MAX,
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

/// One connection's requests.
struct Visit {
    web: Arc<Web>,
    pages: TowerToHyperService<Router>,
    caller: Caller,
    /// It gives way between requests.
    permit: HandshakePermit,
    /// Whether TLS is spoken here, and not by them.
    is_misplaced: bool,
    asked: AtomicUsize,
}

impl Visit {
    async fn answer(&self, mut request: Request<Incoming>) -> Response {
        self.permit.heard();
        request.extensions_mut().insert(self.caller);
        let mut response = match self.is_misplaced {
            true => clear::answer(&self.web, &request),
            false => match self.pages.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        let is_last = self.asked.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_MAX;
        if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        self.permit.waits();
        response
    }
}

/// Who it is, and what is spoken.
async fn meet(
    web: &Web,
    arrivals: &Arrivals,
    (mut io, from): (TcpStream, SocketAddr),
    permit: HandshakePermit,
    limits: WebLimits,
) -> Result<(Connection, Caller, HandshakePermit), &'static str> {
    notice_silence(&io);
    let (caller, permit) = arrivals.meet(&mut io, from, permit).await?;
    let _ = io.set_nodelay(true);
    let Some(tls) = &web.tls else {
        return Ok((io.into(), caller, permit));
    };
    match tls.meet(io, limits.header_time).await? {
        clear @ Connection::Clear(_) => Ok((clear, caller, permit)),
        private => Ok((private, caller.privately(), permit)),
    }
}

async fn serve(
    (web, router): (Arc<Web>, Router),
    arrivals: Arrivals,
    (io, from): (TcpStream, SocketAddr),
    permit: HandshakePermit,
    limits: WebLimits,
) {
    let (way, context) = (permit.give_way(), Arc::clone(&web.context));
    let visited = visit((web, router), arrivals, (io, from), permit, limits);
    if way.run_until_cancelled(visited).await.is_none() {
        context.refusals.count("http_gave_way");
    }
}

async fn visit(
    (web, router): (Arc<Web>, Router),
    arrivals: Arrivals,
    (io, from): (TcpStream, SocketAddr),
    permit: HandshakePermit,
    limits: WebLimits,
) {
    let drain: CancellationToken = web.context.drain.clone();
    let meeting = meet(&web, &arrivals, (io, from), permit, limits);
    let (io, caller, permit) = match drain.run_until_cancelled(meeting).await {
        Some(Ok(met)) => met,
        Some(Err(label)) => return web.context.refusals.count(label),
        None => return,
    };
    let visit = Arc::new(Visit {
        is_misplaced: web.tls.is_some() && !caller.over_tls,
        web: Arc::clone(&web),
        pages: TowerToHyperService::new(router),
        caller,
        permit,
        asked: AtomicUsize::new(0),
    });
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let ended = carry(TokioIo::new(io), service, limits, &drain).await;
    match ended {
        Ok(()) => {}
        Err(Ended::Old) => web.context.refusals.count("http_age"),
        Err(Ended::Broken(error)) => {
            if error.is_timeout() {
                web.context.refusals.count("http_idle");
            } else if error.is_parse() {
                web.context.refusals.count("http_malformed");
            }
            tracing::debug!(%from, %error, "an HTTP connection ended");
        }
    }
}

/// Why a connection is over.
enum Ended {
    /// It had its time.
    Old,
    Broken(hyper::Error),
}

/// Answers requests until there is no time left: at its end nothing new, and what is under way as far as it is taken.
async fn carry<I, S>(
    io: TokioIo<I>,
    service: S,
    limits: WebLimits,
    drain: &CancellationToken,
) -> Result<(), Ended>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_FIELDS_MAX)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let end = tokio::time::sleep(limits.age);
    tokio::pin!(end);
    let (mut is_draining, mut is_leaving) = (false, false);
    loop {
        tokio::select! {
            ended = &mut connection => return ended.map_err(Ended::Broken),
            () = &mut end => {
                if is_leaving {
                    return Err(Ended::Old);
                }
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
                end.as_mut().reset(Instant::now() + limits.last_answer);
            }
            () = drain.cancelled(), if !is_draining => {
                (is_draining, is_leaving) = (true, true);
                connection.as_mut().graceful_shutdown();
                end.as_mut().reset(Instant::now() + GOODBYE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn an_answer_under_way_is_ended_after_the_age_and_nothing_new_is_begun() {
        let (mut theirs, ours) = tokio::io::duplex(4_096);
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Body::from(vec![7; 1 << 20])))
        });
        let limits = WebLimits {
            header_time: Duration::from_secs(20),
            age: Duration::from_millis(50),
            last_answer: Duration::from_secs(60),
        };
        let carried = tokio::spawn(async move {
            carry(TokioIo::new(ours), service, limits, &CancellationToken::new()).await
        });
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        theirs.write_all(request).await.unwrap();
        let mut first = [0; 1_024];
        theirs.read_exact(&mut first).await.unwrap();
        tokio::time::sleep(4 * limits.age).await;
        theirs.write_all(request).await.unwrap();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        let body = [&first[..], &rest].concat();
        let sevens = body.iter().filter(|byte| **byte == 7).count();
        assert_eq!(sevens, 1 << 20, "all of the first answer, and no second one");
        assert!(carried.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_cut_off() {
        let (mut theirs, ours) = tokio::io::duplex(4_096);
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Body::from(vec![7; 1 << 20])))
        });
        let limits = WebLimits {
            header_time: Duration::from_secs(20),
            age: Duration::from_millis(50),
            last_answer: Duration::from_millis(50),
        };
        theirs
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let carried = carry(TokioIo::new(ours), service, limits, &CancellationToken::new()).await;
        assert!(matches!(carried, Err(Ended::Old)));
    }
}
