//! What can be asked about accounts.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use protocol::Code;
use protocol::limits::DEVICE_LASTS_MS;
use protocol::ticket::AccountKind;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::answer::{away, granted, refused};
use super::asked::Asked;
use crate::server::arrivals::Caller;
use crate::server::auth::{Granted, Ownership, Proof, TurnedAway};
use crate::server::web::Web;

/// A name and its password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: Secret,
}

/// A new password, and what shows that one may set it: the old one, or a code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
    password: Option<Secret>,
    code: Option<Secret>,
    new_password: Secret,
}

/// A token of somebody else who vouches for a player, and what that is called where the token does not say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: Secret,
    #[serde(default)]
    name: String,
}

/// What shows that an account is one's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    password: Option<Secret>,
    token: Option<Secret>,
}

/// What nobody else is to read: wiped when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

pub(super) async fn register(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    answered(do_register(&web, &caller, request).await)
}

pub(super) async fn login(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    answered(do_login(&web, &caller, request).await)
}

pub(super) async fn password(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    answered(do_change(&web, &caller, request).await)
}

pub(super) async fn token(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    answered(do_token(&web, &caller, request).await)
}

/// Deletes the account of whoever asks, for good.
pub(super) async fn delete(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match do_delete(&web, &caller, request).await {
        Ok(name) => Json(json!({"deleted": name})).into_response(),
        Err(away) => refused(&away),
    }
}

/// Has the key that asks bring its user back from now on. No secret is told, so that it may be asked in clear.
pub(super) async fn device(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let kept = async {
        let asked = web.asked(request).await?;
        let session = web.session(&asked.proof, caller.from.ip())?;
        let claims = session.ok_or_else(|| away(Code::TicketInvalid, "there is no ticket in the request"))?;
        web.context.auth.keep_device(&claims).await
    };
    match kept.await {
        Ok(()) => Json(json!({"lasts_ms": DEVICE_LASTS_MS})).into_response(),
        Err(away) => refused(&away),
    }
}

/// Who asks, by its ticket.
pub(super) async fn me(
    State(web): State<Arc<Web>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let told = async {
        let asked = web.asked(request).await?;
        let session = web.session(&asked.proof, caller.from.ip())?;
        let claims = session.ok_or_else(|| away(Code::TicketInvalid, "there is no ticket in the request"))?;
        let account = web.context.auth.account(claims.user).await?;
        Ok::<_, TurnedAway>(json!({
            "user": claims.user.0.to_string(),
            "guest": account.is_none(),
            "name": account.map(|account| account.name),
        }))
    };
    match told.await {
        Ok(told) => Json(told).into_response(),
        Err(away) => refused(&away),
    }
}

/// What anybody may know of an account.
pub(super) async fn player(State(web): State<Arc<Web>>, Path(name): Path<String>) -> Response {
    match web.context.auth.account_of(&name).await {
        Ok(Some(account)) => Json(json!({
            "user": account.user.0.to_string(),
            "name": account.name,
            "since_ms": account.made_ms,
        }))
        .into_response(),
        Ok(None) => {
            let nobody = refused(&away(Code::Generic, "nobody has an account of this name"));
            (axum::http::StatusCode::NOT_FOUND, nobody.into_body()).into_response()
        }
        Err(away) => refused(&away),
    }
}

async fn do_register(web: &Web, caller: &Caller, request: Request) -> Result<Granted, TurnedAway> {
    let from = caller.from.ip();
    web.may_say_a_password(caller, request.headers())?;
    let asked = web.asked(request).await?;
    let sealed = asked.sealed(&web.context.auth)?;
    let guest = web.session(&asked.proof, from)?;
    if guest.is_some_and(|claims| claims.account == AccountKind::Registered) {
        return Err(away(Code::Generic, "you have an account already"));
    }
    if let Some(sealed) = sealed {
        return pass_on(web, from, &asked, &sealed).await;
    }
    let Login { name, password } = asked.document()?;
    web.may_log_in(from)?;
    let (auth, client) = (&web.context.auth, asked.proof.client);
    let wall_ms = net::clock::wall_ms();
    auth.register(&name, &password.0, (guest, client), wall_ms).await
}

async fn do_login(web: &Web, caller: &Caller, request: Request) -> Result<Granted, TurnedAway> {
    web.may_say_a_password(caller, request.headers())?;
    let asked = web.asked(request).await?;
    if let Some(sealed) = asked.sealed(&web.context.auth)? {
        return pass_on(web, caller.from.ip(), &asked, &sealed).await;
    }
    let Login { name, password } = asked.document()?;
    web.may_log_in(caller.from.ip())?;
    let (auth, client) = (&web.context.auth, asked.proof.client);
    let granted = auth
        .password(&name, &password.0, client, net::clock::wall_ms())
        .await?;
    web.context.check_sanctions(&granted.claims, caller.from.ip())?;
    Ok(granted)
}

async fn do_token(web: &Web, caller: &Caller, request: Request) -> Result<Granted, TurnedAway> {
    let from = caller.from.ip();
    web.may_say_a_password(caller, request.headers())?;
    let asked = web.asked(request).await?;
    if let Some(sealed) = asked.sealed(&web.context.auth)? {
        web.session(&asked.proof, from)?;
        return pass_on(web, from, &asked, &sealed).await;
    }
    let Token { token, name } = asked.document()?;
    // Of an account the token's own counts, whoever it is.
    let guest = web.session(&asked.proof, from)?;
    let guest = guest.filter(|claims| claims.account == AccountKind::Guest);
    web.may_log_in(from)?;
    let (auth, client) = (&web.context.auth, asked.proof.client);
    let granted = auth.token((&token.0, &name), (guest, client), net::clock::wall_ms());
    let granted = granted.await?;
    web.context.check_sanctions(&granted.claims, from)?;
    Ok(granted)
}

async fn do_delete(web: &Web, caller: &Caller, request: Request) -> Result<String, TurnedAway> {
    web.may_say_a_password(caller, request.headers())?;
    let asked = web.asked(request).await?;
    let (auth, proof) = (&web.context.auth, &asked.proof);
    if let Some(sealed) = asked.sealed(auth)? {
        web.session(proof, caller.from.ip())?;
        let ticket = proof.ticket.as_ref();
        let ticket = ticket.ok_or_else(|| away(Code::TicketInvalid, "there is no ticket in the request"))?;
        return auth.sealed_deletion(&sealed, (ticket, proof.client)).await;
    }
    let shown = match asked.document()? {
        Delete {
            password: Some(password),
            token: None,
        } => Ownership::Password(password.0),
        Delete {
            password: None,
            token: Some(token),
        } => Ownership::Token(token.0),
        _ => return Err(away(Code::Protocol, "say `password` or `token`, and not both")),
    };
    let session = web.session(proof, caller.from.ip())?;
    let claims = session.ok_or_else(|| away(Code::TicketInvalid, "there is no ticket in the request"))?;
    auth.delete_own(claims.user, shown, net::clock::wall_ms()).await
}

async fn do_change(web: &Web, caller: &Caller, request: Request) -> Result<Granted, TurnedAway> {
    web.may_say_a_password(caller, request.headers())?;
    let asked = web.asked(request).await?;
    if let Some(sealed) = asked.sealed(&web.context.auth)? {
        return pass_on(web, caller.from.ip(), &asked, &sealed).await;
    }
    let change: Change = asked.document()?;
    let proof = match (change.password, change.code) {
        (Some(password), None) => Proof::Password(password.0),
        (None, Some(code)) => Proof::Code(code.0),
        _ => return Err(away(Code::Protocol, "say `password` or `code`, and not both")),
    };
    web.may_log_in(caller.from.ip())?;
    let (auth, client) = (&web.context.auth, asked.proof.client);
    let which = (change.name.as_str(), proof);
    let granted = auth.change_password(which, &change.new_password.0, client, net::clock::wall_ms());
    let granted = granted.await?;
    web.context.check_sanctions(&granted.claims, caller.from.ip())?;
    Ok(granted)
}

/// What is sealed is for an auth node: the login that this makes of it.
async fn pass_on(web: &Web, from: IpAddr, asked: &Asked, sealed: &[u8]) -> Result<Granted, TurnedAway> {
    web.may_log_in(from)?;
    let whose = (asked.proof.ticket.as_deref(), asked.proof.client);
    let granted = web
        .context
        .auth
        .sealed(sealed, whose, net::clock::wall_ms())
        .await?;
    web.context.check_sanctions(&granted.claims, from)?;
    Ok(granted)
}

fn answered(done: Result<Granted, TurnedAway>) -> Response {
    match done {
        Ok(login) => granted(&login),
        Err(away) => refused(&away),
    }
}
