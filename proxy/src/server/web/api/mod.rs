//! The API of accounts: small JSON documents over HTTP. Passwords are taken only where nobody can read along, and each request that
//! acts for somebody is signed by the key of a client.

mod account;
mod answer;
mod asked;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use super::Web;
use crate::server::arrivals::Caller;
use answer::refused;
use protocol::Code;

/// Bytes of a request's document.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// How long a browser need not ask again whether a page may use this, seconds.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("600");
/// The document that describes all of it.
pub(super) const OPENAPI: &str = include_str!("../../../../openapi.json");

/// Every route: its path as axum has it, and what is there.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Web>>)> {
    vec![
        ("/api/register", post(account::register)),
        ("/api/login", post(account::login)),
        ("/api/password", post(account::password)),
        ("/api/token", post(account::token)),
        ("/api/delete", post(account::delete)),
        ("/api/device", post(account::device)),
        ("/api/me", get(account::me)),
        ("/api/players/{name}", get(account::player)),
        ("/api/openapi.json", get(openapi)),
    ]
}

/// All of them, behind their limits.
pub(super) fn router(web: &Arc<Web>) -> Router<Arc<Web>> {
    let all = routes().into_iter();
    all.fold(Router::new(), |router, (path, method)| router.route(path, method))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(web), limited))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// Pages of strangers are kept out, and who asks too often.
async fn limited(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_admitted = origin.as_ref().is_none_or(|origin| {
        let text = origin.to_str().unwrap_or_default();
        web.ask(|gate| gate.admits(text)).unwrap_or(false)
    });
    let mut response = if !is_admitted {
        web.context.refusals.count("http_origin");
        let why = "pages of this origin may not ask here: list it in http.origins of the proxy";
        refused(&answer::away(Code::RoleDenied, why))
    } else if request.method() == Method::OPTIONS {
        preflight()
    } else if web.take_request(caller.from.ip()) {
        next.run(request).await
    } else {
        web.context.refusals.count("api_rate");
        refused(&answer::retry(Code::RateLimited, "", 1_000))
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.filter(|_| is_admitted) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

/// What a browser asks before it lets a page of another origin ask.
fn preflight() -> Response {
    let allowed = HeaderMap::from_iter([
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S),
    ]);
    (StatusCode::NO_CONTENT, allowed, Body::empty()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_describes_every_route_and_no_other_and_every_code_that_it_names() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
        let served: BTreeSet<String> = routes().into_iter().map(|(path, _)| path.to_owned()).collect();
        assert_eq!(described, served);
        let code = &document["components"]["schemas"]["Refusal"]["properties"]["error"]["enum"];
        for name in code.as_array().unwrap() {
            let known = Code::ALL.iter().any(|code| *name == format!("{code:?}"));
            assert!(known, "{name}");
        }
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.contains_key("200"), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
            }
        }
    }
}
