//! Who a connection is from before anything of it is served: the address it comes from, or what a trusted balancer tells of
//! it. Limits go by whoever is behind the balancer.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use net::clock::Monotonic;
use protocol::network::Network;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::door_keeper::DoorKeeper;
use super::handshake_permits::HandshakePermit;
use super::proxy_header::{self, HEAD_BYTES, NoHeader, Told};

/// How long a balancer's header may take.
const HEADER_TIME_MAX: Duration = Duration::from_secs(2);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) from: SocketAddr,
    /// Whether nobody between them and this proxy, or its balancer, can read along or change anything: over TLS, or on this
    /// machine. What is behind a balancer on this machine is not on it.
    pub(super) is_private: bool,
    /// Whether they came over TLS, which ends here or at a balancer.
    pub(super) over_tls: bool,
    /// Whether a balancer chose this proxy for them.
    pub(super) is_balanced: bool,
}

/// Whether what nobody else may read, such as a password, may be said over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Nobody between them reads along, or the client has known by itself whom to seal for.
    Kept,
    /// The page came the same way, and whoever changes that reads everything.
    Open,
}

/// What proxies of HTTP add to a request that they pass on.
const RELAYED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl Caller {
    /// The same, behind a handshake of TLS.
    pub(super) fn privately(self) -> Self {
        Self {
            is_private: true,
            over_tls: true,
            ..self
        }
    }

    /// Whether secrets may be said in what follows a request. Whoever passes on what came from elsewhere, and tells nothing that counts, is
    /// not on this machine.
    pub(super) fn secrecy(&self, headers: &HeaderMap) -> Secrecy {
        match self.is_private && !self.is_relayed(headers) {
            true => Secrecy::Kept,
            false => Secrecy::Open,
        }
    }

    /// Whether a request that comes from this machine came from another one first: somebody passes it on who tells nothing
    /// that counts.
    pub(super) fn is_relayed(&self, headers: &HeaderMap) -> bool {
        let is_local = self.from.ip().to_canonical().is_loopback();
        is_local && RELAYED.iter().any(|name| headers.contains_key(*name))
    }
}

/// One door's arrivals.
#[derive(Clone)]
pub(super) struct Arrivals {
    keeper: Arc<Mutex<DoorKeeper>>,
    /// Networks of balancers.
    trusted: Arc<[Network]>,
    clock: Monotonic,
}

impl Arrivals {
    pub(super) fn new(keeper: DoorKeeper, trusted: Vec<Network>, clock: Monotonic) -> Self {
        Self {
            keeper: Arc::new(Mutex::new(keeper)),
            trusted: trusted.into(),
            clock,
        }
    }

    /// A permit to look at a connection: of whom it is from, or, of a balancer's, one that is not its client's yet.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn admit(&self, from: IpAddr) -> Result<HandshakePermit, &'static str> {
        let mut keeper = self.keeper();
        match self.is_balancer(from) {
            true => keeper.hold(),
            false => keeper.admit(from, self.clock.now_ms()),
        }
    }

    /// Who it is.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) async fn meet(
        &self,
        io: &mut TcpStream,
        from: SocketAddr,
        permit: HandshakePermit,
    ) -> Result<(Caller, HandshakePermit), &'static str> {
        let direct = Caller {
            from,
            is_private: from.ip().to_canonical().is_loopback(),
            over_tls: false,
            is_balanced: false,
        };
        if !self.is_balancer(from.ip()) {
            return Ok((direct, permit));
        }
        let header = tokio::time::timeout(HEADER_TIME_MAX, header_of(io)).await;
        let told = header.map_err(|_| "balancer_late")??;
        let caller = Caller {
            from: told.from.unwrap_or(from),
            is_private: told.over_tls,
            over_tls: told.over_tls,
            is_balanced: true,
        };
        let mut keeper = self.keeper();
        let permit = keeper.name(permit, caller.from.ip(), self.clock.now_ms())?;
        Ok((caller, permit))
    }

    fn is_balancer(&self, from: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(from))
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, DoorKeeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn header_of(io: &mut TcpStream) -> Result<Told, &'static str> {
    let no_header = |_: NoHeader| "balancer_header";
    let mut head = [0; HEAD_BYTES];
    // A balancer that only looks whether anybody listens says nothing.
    if !matches!(io.peek(&mut [0]).await, Ok(1)) {
        return Err("balancer_gone");
    }
    io.read_exact(&mut head).await.map_err(|_| no_header(NoHeader))?;
    let mut rest = vec![0; proxy_header::rest_bytes(&head).map_err(no_header)?];
    io.read_exact(&mut rest).await.map_err(|_| no_header(NoHeader))?;
    proxy_header::parse(&head, &rest).map_err(no_header)
}
