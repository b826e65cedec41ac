//! The routes of the admin endpoint; each but the census answers from snapshots.

use super::{AdminState, ChangeAnswer};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use serde_json::Value;

/// Log filters and what is said to rules are short; but for a topology, nothing else has a body.
const BODY_BYTES_MAX: usize = 1024;

pub(super) fn router(state: AdminState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/census", get(census))
        .route("/drain", post(drain))
        .route("/give", post(give))
        .route("/rules", post(operate))
        .route("/reload", post(reload))
        .route(
            "/topology",
            post(push).layer(DefaultBodyLimit::max(TOPOLOGY_BUNDLE_BYTES_MAX)),
        )
        .route("/log-level", post(log_level).put(log_level))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(state)
}

/// A web page in the operator's browser can reach loopback; browsers name the page in `Origin` when it asks for a change.
async fn refuse_pages(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "changes are not taken from web pages\n").into_response();
    }
    next.run(request).await
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let counted = state.metrics.as_ref().map(crate::telemetry::Metrics::render);
    let text = counted.unwrap_or_default() + &state.live.render();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

async fn livez(State(state): State<AdminState>) -> Response {
    let reasons = state.not_alive();
    if reasons.is_empty() {
        return "alive\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

/// What is missing, or `ready` and what is worth a note; with `?verbose` every check with its figure.
async fn readyz(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let report = state.report();
    let verbose = query.is_some_and(|query| query.split('&').any(|key| key == "verbose"));
    let text = if verbose { report.verbose() } else { report.brief() };
    match report.is_ready() {
        true => text.into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
    }
}

async fn status(State(state): State<AdminState>) -> Json<Value> {
    Json(state.status())
}

async fn census(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    match state.status.census(query.unwrap_or_default()) {
        None => (StatusCode::NOT_FOUND, "this node keeps no census\n").into_response(),
        Some(answer) => match answer.await {
            Ok(census) => Json(census).into_response(),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
        },
    }
}

async fn drain(State(state): State<AdminState>) -> Response {
    tracing::info!("drain asked for over the admin endpoint");
    state.shutdown.drain();
    (StatusCode::ACCEPTED, "draining\n").into_response()
}

async fn give(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    match state.status.give(query.unwrap_or_default()) {
        None => (StatusCode::NOT_FOUND, "this node gives no regions\n").into_response(),
        Some(answer) => told(answer).await,
    }
}

async fn operate(State(state): State<AdminState>, RawQuery(query): RawQuery, command: Bytes) -> Response {
    match state.status.operate(query.unwrap_or_default(), command.into()) {
        None => (StatusCode::NOT_FOUND, "this node has no rules\n").into_response(),
        Some(answer) => told(answer).await,
    }
}

async fn reload(State(state): State<AdminState>) -> Response {
    match state.status.reload() {
        None => (StatusCode::NOT_FOUND, "this node reads no settings anew\n").into_response(),
        Some(answer) => told(answer).await,
    }
}

async fn push(State(state): State<AdminState>, bundle: Bytes) -> Response {
    match state.status.push(bundle.into()) {
        None => (StatusCode::NOT_FOUND, "this node takes no topology\n").into_response(),
        Some(answer) => told(answer).await,
    }
}

/// What was done, or why not, once that is known.
async fn told(answer: ChangeAnswer) -> Response {
    match answer.await {
        Ok(done) => format!("{done}\n").into_response(),
        Err(reason) => (StatusCode::CONFLICT, format!("{reason}\n")).into_response(),
    }
}

async fn log_level(State(state): State<AdminState>, level: String) -> Response {
    match state.log.set(level.trim()) {
        Ok(()) => "changed\n".into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
