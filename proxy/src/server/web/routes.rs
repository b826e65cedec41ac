//! What is answered to which request. Each answer keeps browsers from doing with it what it is not for.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use topology::Topology;

use super::gate::Gate;
use super::{Web, api, mesh};
use crate::server::arrivals::Caller;

/// The page of the live map, among the files.
const MAP: &str = "/map.html";
/// What balancers ask, in clear too where TLS is spoken.
pub(super) const READY: &str = "/readyz";
/// For every answer.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// All routes.
pub(super) fn router(web: &Arc<Web>) -> Router {
    Router::new()
        .route("/join.json", get(join))
        .route("/map", get(map))
        .route("/mesh", get(mesh::upgrade))
        .route(READY, get(ready))
        .merge(api::router(web))
        .fallback(page)
        .layer(from_fn_with_state(Arc::clone(web), guarded))
        .with_state(Arc::clone(web))
}

impl Web {
    /// Asks the gate of the topology in force.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Gate<'_>) -> T) -> Option<T> {
        let view = self.context.topology.view();
        let topology: &Topology = view.topology();
        let own = topology.proxy(self.context.own.number)?;
        let (all, except) = (topology.proxies(), &self.except);
        Some(question(&Gate { own, all, except }))
    }
}

impl Web {
    /// Whether players may be sent here. Why not is for operators: the admin endpoint says it.
    pub(super) fn answer_ready(&self) -> Response {
        let (status, what) = match (self.is_ready)() {
            true => (StatusCode::OK, "ready\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        };
        (status, [(header::CACHE_CONTROL, "no-store")], what).into_response()
    }
}

fn warn_of_relay() {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "requests are passed on by a proxy on this machine: all of its clients count as one, and as local, until it sends \
             PROXY headers of version 2 and its address stands in clients.balancers"
        );
    });
}

/// Nothing is answered under a name that is not this proxy's.
async fn guarded(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    if caller.is_relayed(request.headers()) {
        warn_of_relay();
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_known = web.ask(|gate| gate.knows_host(host)).unwrap_or(false);
    let mut response = match is_known {
        true => next.run(request).await,
        false => {
            web.context.refusals.count("http_host");
            let what = "this proxy is not called so; write its name into http.hosts of its configuration, or its url into the topology\n";
            (StatusCode::MISDIRECTED_REQUEST, what).into_response()
        }
    };
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, value);
    }
    response
}

async fn join(State(web): State<Arc<Web>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        // Nothing in it is a secret, and pages of others may play here if `http.origins` lets them.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, web.told().join.clone()).into_response()
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    web.answer_ready()
}

/// The page of the live map, for whoever may look at it.
async fn map(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    match web.check_map(caller, &headers) {
        Ok(()) => file(&web, MAP, &headers),
        Err(refused) => refused.answer(&web),
    }
}

async fn page(State(web): State<Arc<Web>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == MAP || web.assets.at(path).is_none() {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    file(&web, path, request.headers())
}

fn file(web: &Web, path: &str, asked: &HeaderMap) -> Response {
    let Some(asset) = web.assets.at(path) else {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::ETAG, asset.etag),
        // Asked for each time, and sent when it has changed.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let policy = [(header::CONTENT_SECURITY_POLICY, web.told().policy.clone())];
    if is_known(asked, asset.etag) {
        return (StatusCode::NOT_MODIFIED, headers, policy).into_response();
    }
    (headers, policy, Body::from(asset.bytes)).into_response()
}

/// Whether the browser has these bytes already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH);
    let tags = tags.and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_has_the_bytes_is_not_sent_them_again() {
        let known = |tags: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(tags))]);
            is_known(&headers, "\"abc\"")
        };
        assert!(known("\"abc\"") && known("W/\"abc\"") && known("\"x\", \"abc\"") && known("*"));
        assert!(!known("\"x\"") && !known("abc") && !known(""));
        assert!(!is_known(&HeaderMap::new(), "\"abc\""));
    }
}
