//! A request before anything of it is done: who asks, whether anybody can read along, and whether the key has signed it.

use std::net::IpAddr;
use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Code;
use protocol::api_proof::{ApiProof, ApiRequest};
use protocol::ticket::Ticket;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{away, retry};
use crate::server::arrivals::{Caller, Secrecy};
use crate::server::auth::{AuthRole, TurnedAway, unsealed};
use crate::server::client_login::SAID_OPENLY;
use crate::server::web::Web;

/// When too many new logins came, milliseconds.
const LOGIN_RETRY_MS: u32 = 1_000;

/// A document that says nothing to a proxy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    sealed: String,
}

/// A request that its client has signed.
pub(super) struct Asked {
    pub(super) proof: ApiProof,
    pub(super) body: Bytes,
}

impl Web {
    /// Counts a request; `false` when there were too many.
    pub(super) fn take_request(&self, from: IpAddr) -> bool {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.take(from, self.context.clock.now_ms())
    }

    /// Whether a password may be said by this connection.
    pub(super) fn may_say_a_password(&self, caller: &Caller, headers: &HeaderMap) -> Result<(), TurnedAway> {
        if caller.secrecy(headers) == Secrecy::Kept {
            return Ok(());
        }
        self.context.refusals.count("api_clear");
        Err(away(Code::RoleDenied, SAID_OPENLY))
    }

    /// Whether somebody from there may log in now.
    pub(super) fn may_log_in(&self, from: IpAddr) -> Result<(), TurnedAway> {
        let context = &self.context;
        if context.is_draining() {
            return Err(Code::Draining.into());
        }
        context.sanctions.check_network(from)?;
        match context.take_login(from) {
            true => Ok(()),
            false => Err(retry(Code::RateLimited, "", LOGIN_RETRY_MS)),
        }
    }

    /// Reads a request and checks its signature.
    pub(super) async fn asked(&self, request: Request) -> Result<Asked, TurnedAway> {
        let wall_ms = net::clock::wall_ms();
        let said = request.headers().get(header::AUTHORIZATION);
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
        let refused = |error: protocol::api_proof::ApiProofError| away(Code::Protocol, error.to_string());
        let proof = ApiProof::parse(said).map_err(refused)?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|_| away(Code::Protocol, "the document is too long, or did not come"))?;
        let signed = ApiRequest {
            cluster_id: self.context.own.cluster_id,
            method: method.as_str(),
            path: &path,
            body: &body,
        };
        proof.verify(&signed, wall_ms).map_err(refused)?;
        Ok(Asked { proof, body })
    }

    /// The session of a request that has a ticket, if it counts; `None`: it has none.
    pub(super) fn session(&self, proof: &ApiProof, from: IpAddr) -> Result<Option<Ticket>, TurnedAway> {
        let Some(ticket) = &proof.ticket else {
            return Ok(None);
        };
        let context = &self.context;
        let claims = context
            .auth
            .verified(ticket, proof.client, net::clock::wall_ms())?;
        context.check_sanctions(&claims, from)?;
        Ok(Some(claims))
    }
}

impl Asked {
    /// What an auth node alone can read, where those check passwords; `None`: this proxy does, and the document says what.
    pub(super) fn sealed(&self, auth: &AuthRole) -> Result<Option<Vec<u8>>, TurnedAway> {
        if !auth.is_elsewhere() {
            return Ok(None);
        }
        let Sealed { sealed } = self.document().map_err(|_| unsealed())?;
        let sealed = STANDARD.decode(sealed);
        let sealed = sealed.map_err(|_| away(Code::Protocol, "`sealed` is not base64"))?;
        Ok(Some(sealed))
    }

    /// The document of the request.
    pub(super) fn document<T: DeserializeOwned>(&self) -> Result<T, TurnedAway> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // What it says of a place is said, and nothing of what stands there: it may be a password.
            let (line, column) = (error.line(), error.column());
            let what = format!("the document is not as it should be (line {line}, column {column})");
            away(Code::Protocol, what)
        })
    }
}
