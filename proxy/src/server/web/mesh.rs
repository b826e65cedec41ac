//! `GET /mesh`: from an HTTP request to a client that shakes hands as one over TCP does.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use net::connection::Connection;
use net::panics::guest;
use net::sealed_stream::{RawStream, StreamError};
use net::stream_socket::StreamSocket;
use net::websocket::upgrade::accept_of;
use net::websocket::{End, SEALED, WebSocket};
use tokio_util::sync::CancellationToken;

use super::Web;
use crate::server::arrivals::{Caller, Secrecy};
use crate::server::client_door;
use crate::server::handshake_permits::HandshakePermit;
use crate::server::tools::Spelling;
use crate::server::{map, tools};

/// What is spoken behind an upgrade.
#[derive(Clone, Copy)]
enum Speech {
    /// Sealed frames.
    Sealed,
    /// Words of tools.
    Tool(Spelling),
    /// Pictures of the map.
    Map,
}

/// The right to something else than a client's session.
enum Place {
    Tool(Spelling, HandshakePermit),
    Map(HandshakePermit),
}

/// Each with its subprotocol; of several that a client offers, the first of these.
fn speeches() -> impl Iterator<Item = (Speech, &'static str)> {
    let tools = Spelling::ALL.map(|(spelling, name)| (Speech::Tool(spelling), name));
    let ends = [(Speech::Sealed, SEALED), (Speech::Map, map::SUBPROTOCOL)];
    ends.into_iter().chain(tools)
}

/// How long the answer to the request may take to leave.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Why a request stays one.
pub(super) struct Refused {
    status: StatusCode,
    label: &'static str,
    what: String,
}

/// What is needed to answer.
struct Accepted {
    accept: String,
    speech: Speech,
    subprotocol: &'static str,
}

/// Answers the request.
pub(super) async fn upgrade(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Response {
    let checked = check(&web, request.headers()).and_then(|accepted| {
        let place = place_for(&web, (caller, request.headers()), accepted.speech)?;
        let permit = web.context.handshakes.take(caller.from.ip());
        Ok((accepted, place, permit.map_err(Refused::full)?))
    });
    let (accepted, place, permit) = match checked {
        Ok(checked) => checked,
        Err(refused) => return refused.answer(&web),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let secrecy = caller.secrecy(request.headers());
    // Tools and the map have places of their own.
    let way = match place {
        None => permit.give_way(),
        Some(_) => CancellationToken::new(),
    };
    let context = Arc::clone(&web.context);
    let client = let_in(Arc::clone(&web), upgrade, (caller, secrecy), (permit, place));
    let client = async move {
        if way.run_until_cancelled(client).await.is_none() {
            context.refusals.count("handshake_gave_way");
        }
    };
    drop(web.peers.spawn(guest("client", client)));
    let headers = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accepted.accept.as_str()),
        (header::SEC_WEBSOCKET_PROTOCOL, accepted.subprotocol),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

impl Refused {
    fn new(status: StatusCode, label: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { status, label, what }
    }

    fn full(label: &'static str) -> Self {
        let what = "too many are here just now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, label, what)
    }

    pub(super) fn answer(self, web: &Web) -> Response {
        web.context.refusals.count(self.label);
        let mut response = (self.status, self.what + "\n").into_response();
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, 13.into());
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, 1.into());
        }
        response
    }
}

fn check(web: &Web, headers: &HeaderMap) -> Result<Accepted, Refused> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let lists = |name: HeaderName, wanted: &str| {
        let all = headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let is_upgrade = lists(header::UPGRADE, "websocket") && lists(header::CONNECTION, "upgrade");
    if !is_upgrade || text(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let what = "here WebSocket of version 13 is spoken";
        return Err(Refused::new(
            StatusCode::UPGRADE_REQUIRED,
            "http_no_upgrade",
            what,
        ));
    }
    let bad = |what: String| Refused::new(StatusCode::BAD_REQUEST, "http_upgrade", what);
    let accept = text(header::SEC_WEBSOCKET_KEY).and_then(accept_of);
    let accept = accept.ok_or_else(|| bad("Sec-WebSocket-Key is not 16 bytes in base64".to_owned()))?;
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if !web.ask(|gate| gate.admits(origin)).unwrap_or(false) {
            let what = "pages of this origin may not play here; list it in http.origins of the proxy's configuration if they should";
            return Err(Refused::new(StatusCode::FORBIDDEN, "http_origin", what));
        }
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let offered = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let offered: Vec<&str> = offered.map(str::trim).collect();
    let chosen = speeches().find(|(_, name)| offered.contains(name));
    let (speech, subprotocol) = chosen.ok_or_else(|| {
        let known: Vec<&str> = speeches().map(|(_, name)| name).collect();
        let known = known.join(", ");
        bad(format!(
            "Sec-WebSocket-Protocol names none that is spoken here: {known}"
        ))
    })?;
    if web.context.is_draining() {
        let what = "this proxy takes nobody in any more; join.json names others";
        return Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "login_draining",
            what,
        ));
    }
    Ok(Accepted {
        accept,
        speech,
        subprotocol,
    })
}

/// Of what is not sealed there is room for a few.
fn place_for(
    web: &Web,
    (caller, headers): (Caller, &HeaderMap),
    speech: Speech,
) -> Result<Option<Place>, Refused> {
    match speech {
        Speech::Sealed => Ok(None),
        Speech::Tool(spelling) => place_for_tool(web, (caller, headers), spelling).map(Some),
        Speech::Map => {
            web.check_map(caller, headers)?;
            let place = web.map.take_place(caller.from.ip()).map_err(Refused::full)?;
            Ok(Some(Place::Map(place)))
        }
    }
}

impl Web {
    /// Whether whoever asks may look at the map.
    pub(super) fn check_map(&self, caller: Caller, headers: &HeaderMap) -> Result<(), Refused> {
        if self.map.is_open_to(caller.from.ip(), caller.is_relayed(headers)) {
            return Ok(());
        }
        if !self.map.is_on() {
            let what = "there is no map here; http.map of the proxy's configuration says who may look at one";
            return Err(Refused::new(StatusCode::NOT_FOUND, "http_map", what));
        }
        let what =
            "the map is for operators, who come from the proxy's own machine: by a tunnel such as ssh -L";
        Err(Refused::new(StatusCode::FORBIDDEN, "http_map", what))
    }
}

/// Words of tools travel where nobody listens.
fn place_for_tool(
    web: &Web,
    (caller, headers): (Caller, &HeaderMap),
    spelling: Spelling,
) -> Result<Place, Refused> {
    if !caller.is_private || caller.is_relayed(headers) {
        let what = "this subprotocol is spoken over TLS or on this machine alone, for nothing else hides it; a balancer \
                    says so by PROXY headers, and stands in clients.balancers";
        return Err(Refused::new(StatusCode::FORBIDDEN, "http_private", what));
    }
    let place = web.tools.take_place(caller.from.ip()).map_err(Refused::full)?;
    Ok(Place::Tool(spelling, place))
}

impl Web {
    /// To the thread that has time for it.
    fn bring(
        &self,
        (io, came): (StreamSocket, Vec<u8>),
        caller: Caller,
        (permit, place): (HandshakePermit, Place),
    ) {
        match place {
            Place::Tool(spelling, place) => self.tools.bring(tools::Arrived {
                io,
                came,
                from: caller,
                spelling,
                permit,
                place,
            }),
            Place::Map(place) => self.map.bring(map::Arrived { io, came, place }),
        }
    }
}

async fn let_in(
    web: Arc<Web>,
    upgrade: OnUpgrade,
    (caller, secrecy): (Caller, Secrecy),
    (permit, place): (HandshakePermit, Option<Place>),
) {
    let context = Arc::clone(&web.context);
    let Ok(Ok(upgraded)) = tokio::time::timeout(ANSWER_TIME_MAX, upgrade).await else {
        return context.refusals.count("http_upgrade_late");
    };
    // Nothing else is served here.
    let Ok(parts) = Upgraded::downcast::<TokioIo<Connection>>(upgraded) else {
        return;
    };
    let Parts { io, read_buf, .. } = parts;
    if let Some(place) = place {
        // One that is gone already needs nothing.
        if let Ok(io) = io.into_inner().into_socket() {
            web.bring((io, read_buf.to_vec()), caller, (permit, place));
        }
        return;
    }
    // Whoever says nothing from here on holds up nothing but itself.
    drop(web);
    let stream = RawStream::new(io.into_inner(), context.clock);
    match stream.and_then(|stream| stream.dressed(WebSocket::new(End::Server), &read_buf)) {
        Ok(stream) => client_door::let_in(&context, stream, (caller, secrecy), permit).await,
        Err(StreamError::WebSocket(over)) => context.refusals.count(over.label()),
        Err(_) => context.refusals.count("handshake_stream"),
    }
}
