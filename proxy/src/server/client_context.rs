//! What all clients' tasks share: who we are towards clients, who logs them in, the shards, and the limits at the door.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use net::clock::Monotonic;
use net::link::LinkContext;
use node::sanction_board::{SanctionBoard, goodbye};
use node::topology_in_force::TopologyInForce;
use protocol::client_handshake::ProxyIdentity;
use protocol::frame::HandshakeKey;
use protocol::ids::{ClusterId, Lanes, NodeNumber, NodeUuid, SessionGeneration, UserId};
use protocol::ticket::Ticket;
use store::sanction::{Barred, Ending};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::auth::AuthRole;
use super::balance::{Balance, Fill};
use super::directory::{ShardIndex, shard_of};
use super::handshake_permits::HandshakePermits;
use super::known_names::KnownNames;
use super::mailbox::Order;
use super::other_proxies::other_proxies;
use super::rate_limits::RateLimits;
use super::refusals::Refusals;
use super::shard_handle::{Shards, counts};
use crate::shard::ClientId;

/// One authority key that clients may know, and who we are under it.
pub(super) struct Door {
    pub(super) key: HandshakeKey,
    pub(super) identity: ProxyIdentity,
}

/// All of them, changed when papers are renewed.
pub(super) type Doors = ArcSwap<Vec<Arc<Door>>>;

/// Who this proxy is.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnNode {
    pub(super) cluster_id: ClusterId,
    pub(super) number: NodeNumber,
    pub(super) uuid: NodeUuid,
}

/// Numbers connections.
#[derive(Debug, Default)]
pub(super) struct ClientIds(AtomicU64);

impl ClientIds {
    pub(super) fn next(&self) -> ClientId {
        ClientId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// See the module.
pub(super) struct ClientContext {
    pub(super) clock: Monotonic,
    pub(super) own: OwnNode,
    pub(super) doors: Arc<Doors>,
    pub(super) auth: Arc<AuthRole>,
    pub(super) sanctions: Arc<SanctionBoard>,
    /// How many shards there are.
    pub(super) lanes: Lanes,
    pub(super) shards: Shards,
    pub(super) topology: Arc<TopologyInForce>,
    pub(super) links: Arc<LinkContext>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) logins: Mutex<RateLimits>,
    pub(super) balance: Mutex<Balance>,
    /// For handshakes by either door.
    pub(super) handshakes: HandshakePermits,
    pub(super) sessions_max: usize,
    pub(super) advertise: Option<IpAddr>,
    pub(super) names: KnownNames,
    pub(super) ids: ClientIds,
    /// Nobody new is let in.
    pub(super) drain: CancellationToken,
}

impl ClientContext {
    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    pub(super) fn is_full(&self) -> bool {
        counts(&self.shards).sessions >= self.sessions_max
    }

    /// Whether a shard has a session of this user.
    pub(super) async fn is_here(&self, user: UserId) -> bool {
        let (answer, asked) = oneshot::channel();
        self.tell(shard_of(user, self.lanes), Order::IsHere(user, answer));
        asked.await.unwrap_or(false)
    }

    /// Counts a new login; `false` when there were too many.
    pub(super) fn take_login(&self, from: IpAddr) -> bool {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.take(from, self.clock.now_ms())
    }

    /// Says something to one shard.
    pub(super) fn tell(&self, shard: ShardIndex, order: Order) {
        if let Some(shard) = self.shards.get(shard.place()) {
            shard.mailbox.send(order);
        }
    }

    /// Whether a session of this ticket may begin or go on for somebody who comes from there.
    pub(super) fn check_sanctions(&self, claims: &Ticket, from: IpAddr) -> Result<(), Barred> {
        self.sanctions.check_network(from)?;
        self.sanctions
            .check_session(claims.user, claims.session_generation)
    }

    /// Ends this session, and those of its user that came before it; of who is banned, all.
    pub(super) fn bar(&self, claims: &Ticket, barred: &Barred) {
        let user = claims.user;
        let whose = match barred {
            Barred::Banned { .. } => Ending::all_of(user),
            Barred::Kicked { .. } => Ending::User {
                user,
                below: SessionGeneration(claims.session_generation.0.saturating_add(1)),
            },
        };
        let order = Order::EndSessions(whose, Box::new(goodbye(barred)));
        self.tell(shard_of(user, self.lanes), order);
    }

    /// Where else a client may go.
    pub(super) fn other_proxies(&self) -> Vec<SocketAddr> {
        let view = self.topology.view();
        let loads = self.links.loads.proxies(self.clock.now_ms());
        other_proxies(view.topology(), self.own.number, &loads, &self.names)
    }

    /// Where a newcomer is markedly better off than here, if it is.
    pub(super) fn better_place(&self) -> Option<SocketAddr> {
        let (view, now_ms) = (self.topology.view(), self.clock.now_ms());
        let topology = view.topology();
        let own = topology.proxy(self.own.number)?;
        let entrance = |number| {
            let other = topology
                .proxy(number)
                .filter(|other| other.number != own.number)?;
            // Those behind one balancer are not told apart.
            let elsewhere = Some(other.entrance()).filter(|at| at.port != 0 && *at != own.entrance())?;
            let ip = self.names.address(&elsewhere.host, None)?;
            Some(SocketAddr::new(ip, elsewhere.port))
        };
        let heard = self.links.loads.proxies(now_ms);
        let others = heard.iter().filter(|(number, _)| entrance(*number).is_some());
        let others = others.map(|(number, heard)| {
            let fill = Fill {
                players: heard.load.players.into(),
                players_max: heard.load.players_max.into(),
            };
            (*number, fill)
        });
        let here = Fill {
            players: counts(&self.shards).sessions as u64,
            players_max: self.sessions_max as u64,
        };
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        balance.send_on(here, others, now_ms).and_then(entrance)
    }

    /// Where a client that reached us at `reached` sends its datagrams: where the topology says, as this proxy looks it up.
    pub(super) fn datagram_address(&self, shard: ShardIndex, reached: IpAddr) -> Option<SocketAddr> {
        let view = self.topology.view();
        let advertised = &view.topology().proxy(self.own.number)?.udp;
        let port = match advertised.port {
            0 => self.shards.get(shard.place())?.udp.port(),
            first => first.checked_add(u16::try_from(shard.place()).ok()?)?,
        };
        let reached = reached.to_canonical();
        let named = || self.names.address(&advertised.host, Some(reached));
        let ip = self.advertise.or_else(named).unwrap_or(reached);
        Some(SocketAddr::new(ip, port))
    }
}
