//! The doors of a proxy, open from its start until its drain: sealed frames over TCP, and HTTP.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use arc_swap::{ArcSwap, ArcSwapOption};
use net::accept_errors::AcceptErrors;
use net::udp::BatchSocket;
use node::life::{Failure, Node};
use protocol::identity::AuthorityKeys;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::arrivals::Arrivals;
use super::client_context::ClientContext;
use super::client_listener::accept_clients;
use super::descriptors::ClientRoom;
use super::door_keeper::DoorKeeper;
use super::handshake_permits::HandshakePermits;
use super::live_metrics;
use super::map::{Map, MapBoard};
use super::rate_limits::RateLimits;
use super::ready;
use super::settings::ProxySettings;
use super::tls::{Tls, TlsDoor};
use super::tools::Tools;
use super::web::{Assets, Web, WebLimits, accept_browsers, admits};
use super::webtransport::{Relay, RelayParts, WebTransport};

/// What is bound.
pub(super) struct Listeners {
    pub(super) tcp: TcpListener,
    pub(super) http: TcpListener,
    pub(super) tls: Option<Arc<Tls>>,
    /// For datagrams of browsers, if they may have any.
    pub(super) webtransport: Option<BatchSocket>,
    /// Woken when shards have left datagrams for browsers.
    pub(super) left: Arc<Notify>,
    pub(super) authorities: Arc<ArcSwap<AuthorityKeys>>,
    /// What game servers tell for the map.
    pub(super) board: Arc<MapBoard>,
}

/// How often the API of accounts may be asked, in all as often as there may be logins.
fn of_api(settings: &ProxySettings, now_ms: u64) -> RateLimits {
    RateLimits::new(
        settings.clients.logins_per_s,
        settings.auth.requests_per_prefix_per_s,
        settings.clients.exempt_networks(),
        now_ms,
    )
}

/// What browsers are told of their datagrams, and who carries them.
fn webtransport(
    (socket, tls, left): (Option<BatchSocket>, Option<&Arc<Tls>>, Arc<Notify>),
    settings: &ProxySettings,
    node: &Node,
    context: &Arc<ClientContext>,
) -> Result<Option<(WebTransport, Relay)>, Failure> {
    let view = context.topology.view();
    let own = view.topology().proxy(context.own.number);
    let advertised = own.and_then(|own| own.webtransport.as_ref());
    let (Some(socket), Some(advertised)) = (socket, advertised) else {
        return Ok(None);
    };
    let port = socket.local_addr().map_err(Failure::failed)?.port();
    let (limits, sessions_max) = (&settings.clients, settings.http.webtransport_max);
    let exempt = limits.exempt_networks();
    let permits = HandshakePermits::of_webtransport(sessions_max as usize, exempt.clone());
    let now_ms = context.clock.now_ms();
    let parts = RelayParts {
        context: Arc::clone(context),
        tls: tls.map(Arc::clone),
        host: advertised.host.clone(),
        admits: Box::new(admits(Arc::clone(context), settings.http.exceptions())),
        keeper: DoorKeeper::new(permits, limits.accepts_per_s, exempt, "webtransport_rate", now_ms),
        left,
    };
    let relay = Relay::new(socket.into(), parts).map_err(Failure::failed)?;
    live_metrics::tell_webtransport(&node.live, relay.sessions());
    let certificates = relay.certificates();
    Ok(Some((WebTransport { port, certificates }, relay)))
}

impl Listeners {
    /// Takes everybody in that the limits let in. Whoever comes is one of the tasks that are returned, and for tools and TLS
    /// there are threads, which end after them.
    pub(super) fn open(
        self,
        settings: &ProxySettings,
        room: ClientRoom,
        node: &Node,
        context: &Arc<ClientContext>,
    ) -> Result<(TaskTracker, Vec<JoinHandle<()>>), Failure> {
        let (peers, stop) = (TaskTracker::new(), &context.drain);
        let (owners, readiness, clock) = (&node.owners, &node.readiness, context.clock);
        let arrivals = |permits, too_fast| {
            let limits = &settings.clients;
            let (per_s, exempt) = (limits.accepts_per_s, limits.exempt_networks());
            let keeper = DoorKeeper::new(permits, per_s, exempt, too_fast, clock.now_ms());
            Arrivals::new(keeper, limits.balancers(), clock)
        };
        let errors = AcceptErrors::of("clients");
        ready::check_accepting(readiness, "accepting", errors.watch(), clock);
        let door = arrivals(context.handshakes.clone(), "accept_rate");
        let clients = accept_clients(Arc::clone(context), self.tcp, door, errors, peers.clone());
        peers.spawn(owners.task_until("client listener", stop, clients));
        let errors = AcceptErrors::of("http");
        ready::check_accepting(readiness, "accepting http", errors.watch(), clock);
        let exempt = settings.clients.exempt_networks();
        let permits = HandshakePermits::of_browsers(room.browsers_max as usize, exempt);
        let door = arrivals(permits, "http_rate");
        let for_tools = (room.tools_max, settings.clients.exempt_networks());
        let started = Tools::start(Arc::clone(context), peers.clone(), for_tools);
        let (tools, thread) = started.map_err(Failure::failed)?;
        let for_map = (settings.http.map, settings.clients.exempt_networks());
        let (map, of_map) = Map::start(context, self.board, for_map).map_err(Failure::failed)?;
        let for_relay = (self.webtransport, self.tls.as_ref(), self.left);
        let webtransport = webtransport(for_relay, settings, node, context)?;
        let (webtransport, relay) = webtransport.unzip();
        if let Some(relay) = relay {
            peers.spawn(owners.task_until("webtransport", stop, relay.run()));
        }
        let door_of_tls = self.tls.map(|tls| TlsDoor::start(tls, stop.clone()));
        let (tls, of_tls) = door_of_tls.transpose().map_err(Failure::failed)?.unzip();
        let web = Web {
            context: Arc::clone(context),
            authorities: self.authorities,
            except: settings.http.exceptions(),
            tls,
            peers: peers.clone(),
            tools,
            map,
            assets: Assets::embedded(),
            webtransport,
            is_ready: {
                let node = node.clone();
                Box::new(move || node.is_ready())
            },
            requests: Mutex::new(of_api(settings, clock.now_ms())),
            told: ArcSwapOption::empty(),
        };
        let browsers = accept_browsers(Arc::new(web), self.http, door, WebLimits::default(), errors);
        peers.spawn(owners.task_until("http listener", stop, browsers));
        let others = of_tls.into_iter().chain(of_map);
        Ok((peers, others.chain([thread]).collect()))
    }
}
