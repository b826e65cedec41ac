//! What the API answers: a ticket, or a code with its sentence for people.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, http::header};
use node::files::hex;
use protocol::Code;
use protocol::ticket::AccountKind;
use serde_json::json;

use crate::server::auth::{Granted, TurnedAway};

/// A login: whoever holds the key shows the ticket to any proxy.
pub(super) fn granted(granted: &Granted) -> Response {
    let claims = &granted.claims;
    Json(json!({
        "user": claims.user.0.to_string(),
        "name": granted.name,
        "guest": claims.account == AccountKind::Guest,
        "ticket": hex(&granted.ticket.encode()),
        "expires_ms": claims.validity.until_ms,
    }))
    .into_response()
}

/// Why not. Numbers of milliseconds after which it is worth another try stand in `Retry-After` as well.
pub(super) fn refused(away: &TurnedAway) -> Response {
    let document = json!({
        "code": away.code.number(),
        "error": format!("{:?}", away.code),
        "text": away.code.text(),
        "reason": away.reason,
        "retry_ms": away.retry_ms,
    });
    let mut response = (status(away.code), Json(document)).into_response();
    if away.retry_ms > 0 {
        let seconds = away.retry_ms.div_ceil(1_000);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::AuthFailed | Code::TicketExpired | Code::TicketInvalid | Code::Kicked => {
            StatusCode::UNAUTHORIZED
        }
        Code::Banned | Code::RoleDenied => StatusCode::FORBIDDEN,
        Code::NameTaken | Code::Generic => StatusCode::CONFLICT,
        Code::NameIllegal | Code::PasswordTooWeak => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Busy | Code::Full | Code::Draining | Code::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A refusal that says more than its code.
pub(super) fn away(code: Code, reason: impl Into<String>) -> TurnedAway {
    retry(code, reason, 0)
}

/// A refusal that is worth another try after so long.
pub(super) fn retry(code: Code, reason: impl Into<String>, retry_ms: u32) -> TurnedAway {
    TurnedAway {
        code,
        retry_ms,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_status_that_says_so() {
        for code in Code::ALL {
            assert!(
                status(*code).is_client_error() || status(*code).is_server_error(),
                "{code:?}"
            );
        }
        let response = refused(&retry(Code::Busy, "", 1_200));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
