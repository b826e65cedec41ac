//! The auth role: it lets guests in, checks passwords and tokens, counts logins in the store, and signs the tickets that any proxy
//! verifies offline. Where the topology names auth nodes, those alone read passwords and tokens, and proxies do the rest.

mod accounts;
mod attempts;
mod devices;
mod guest;
mod jwt;
mod password_rules;
mod passwords;
mod sealed;
mod session;
mod ticket;
mod tokens;

use std::sync::{Arc, Mutex};

use net::clock::Monotonic;
use net::key_work::key_work;
use net::panics::guest;
use node::sanction_board::goodbye;
use node::topology_in_force::TopologyInForce;
use protocol::Code;
use protocol::client_handshake::{Credentials, LoginRequest};
use protocol::frame::Close;
use protocol::identity::NodeKey;
use protocol::ids::{ClusterId, NodeUuid};
use protocol::name::NameError;
use protocol::ticket::{AccountKind, RawTicket, Ticket};
use store::{Barred, StoreHandle};

pub(super) use accounts::Proof;
pub(super) use jwt::Tokens;
pub(super) use sealed::unsealed;
pub(super) use tokens::Ownership;

use super::auth_links::AuthLinks;
use super::settings::{AuthTable, GuestPolicy, PasswordPolicy};
use attempts::Attempts;
use passwords::Passwords;

/// What logs users in.
pub(super) struct AuthRole {
    store: StoreHandle,
    topology: Arc<TopologyInForce>,
    cluster_id: ClusterId,
    issuer: NodeUuid,
    key: NodeKey,
    guests: GuestPolicy,
    has_passwords: bool,
    passwords: Passwords,
    tokens: Option<Arc<Tokens>>,
    /// Of passwords, by name.
    attempts: Mutex<Attempts>,
    clock: Monotonic,
    /// To the auth nodes of the topology; an auth node has none.
    links: Option<Arc<AuthLinks>>,
}

/// A user who is let in.
pub(super) struct Granted {
    /// The name of a new player.
    pub(super) name: String,
    /// What the ticket says.
    pub(super) claims: Ticket,
    /// What the client takes to any proxy.
    pub(super) ticket: RawTicket,
}

/// A login that is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TurnedAway {
    pub(super) code: Code,
    /// When to try again, milliseconds; 0 where it is not worth it.
    pub(super) retry_ms: u32,
    /// What to tell people beyond the code; empty where that says it all.
    pub(super) reason: String,
}

impl From<Code> for TurnedAway {
    fn from(code: Code) -> Self {
        Self {
            code,
            retry_ms: 0,
            reason: String::new(),
        }
    }
}

impl From<NameError> for TurnedAway {
    fn from(error: NameError) -> Self {
        Self {
            reason: error.to_string(),
            ..Code::NameIllegal.into()
        }
    }
}

impl From<Barred> for TurnedAway {
    fn from(barred: Barred) -> Self {
        let Close {
            code,
            retry_ms,
            reason,
            ..
        } = goodbye(&barred);
        Self {
            code,
            retry_ms,
            reason,
        }
    }
}

impl AuthRole {
    /// Of the node `issuer`, whose key this is; passwords are counted under this metric.
    pub(super) fn new(
        store: StoreHandle,
        topology: Arc<TopologyInForce>,
        (cluster_id, issuer): (ClusterId, NodeUuid),
        key: NodeKey,
        (settings, tokens, clock): (&AuthTable, Option<Arc<Tokens>>, Monotonic),
        counter: &'static str,
    ) -> Self {
        Self {
            store,
            topology,
            cluster_id,
            issuer,
            key,
            guests: settings.guests,
            has_passwords: settings.passwords == PasswordPolicy::Allowed,
            passwords: Passwords::new(settings, counter),
            tokens,
            attempts: Mutex::new(Attempts::new(settings.password_tries)),
            clock,
            links: None,
        }
    }

    /// At a proxy: asks auth nodes over these links.
    pub(super) fn asking(self, links: Arc<AuthLinks>) -> Self {
        Self {
            links: Some(links),
            ..self
        }
    }

    /// Lets a user in or says why not. Waits for the store, for new logins only.
    pub(super) async fn login(
        self: &Arc<Self>,
        request: &LoginRequest,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        match &request.credentials {
            Credentials::Guest { name } => self.guest(name, request, wall_ms).await,
            Credentials::Sealed { sealed } => self.sealed(sealed, (None, request.client), wall_ms).await,
            Credentials::Password { .. } | Credentials::Token { .. } if self.is_elsewhere() => {
                Err(unsealed())
            }
            Credentials::Password { name, password } => {
                self.password(name, password, request.client, wall_ms).await
            }
            Credentials::Token { token, name } => {
                self.token((token, name), (None, request.client), wall_ms).await
            }
            Credentials::Device { name } => self.device(name, request.client, wall_ms).await,
            Credentials::Ticket { ticket, name } => {
                let (auth, request) = (Arc::clone(self), request.clone());
                let (shown, name) = (ticket.clone(), name.clone());
                let resumed = key_work(move || auth.resume(&shown, &name, &request, wall_ms));
                let mut granted = resumed.await.unwrap_or_else(|_| Err(Code::Busy.into()))?;
                if granted.claims.account == AccountKind::Registered {
                    granted.name = self.name_of(granted.claims.user).await?;
                }
                if granted.ticket.encode()[..] != ticket[..] {
                    // A resume does not wait for the store.
                    let (auth, claims) = (Arc::clone(self), granted.claims);
                    let extending = async move {
                        auth.extend_session(&claims).await;
                    };
                    tokio::spawn(guest("renewal", extending));
                }
                Ok(granted)
            }
        }
    }
}
