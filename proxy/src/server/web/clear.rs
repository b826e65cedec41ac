//! What is answered in clear where TLS is spoken: where to go instead. Nothing else is served, for whoever reads along could
//! change it.

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::Web;
use super::routes::READY;

/// Answers a request that came in clear.
pub(super) fn answer<B>(web: &Web, request: &Request<B>) -> Response {
    if request.uri().path() == READY {
        return web.answer_ready();
    }
    web.context.refusals.count("http_clear");
    let said = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let host = said(header::HOST).filter(|host| web.ask(|gate| gate.knows_host(host)).unwrap_or(false));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let there = host.map(|host| format!("https://{host}{path}"));
    let what = match &there {
        Some(there) => format!("here TLS is spoken: {there}\n"),
        None => "here TLS is spoken: come by https:// and wss://\n".to_owned(),
    };
    let location = there.and_then(|there| HeaderValue::try_from(there).ok());
    match location.filter(|_| may_go_on(request.method(), request.headers())) {
        Some(location) => (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, location)],
            what,
        )
            .into_response(),
        None => (StatusCode::BAD_REQUEST, what).into_response(),
    }
}

/// Whether whoever asks follows a redirect, and has not said anything in clear yet that it should not have.
fn may_go_on(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE)
}
