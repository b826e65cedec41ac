//! The proxy's HTTP door: the page, `join.json`, and the upgrade to WebSocket, behind which a client is as any other. It runs
//! on control; nothing of a game passes through here.

mod api;
mod assets;
mod clear;
pub(super) mod gate;
mod listener;
mod mesh;
mod routes;
mod told;

use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, ArcSwapOption};
use protocol::identity::AuthorityKeys;
use tokio_util::task::TaskTracker;

pub(super) use listener::{WebLimits, accept_browsers};

use super::client_context::ClientContext;
use super::map::Map;
use super::rate_limits::RateLimits;
use super::tls::TlsDoor;
use super::tools::Tools;
use super::webtransport::WebTransport;
pub(super) use assets::Assets;
use gate::{Exceptions, Gate};
use told::Told;

/// Judges the origins of pages, for whoever else browsers come to.
pub(super) fn admits(context: Arc<ClientContext>, except: Exceptions) -> impl Fn(&str) -> bool {
    move |origin| {
        let view = context.topology.view();
        let (topology, except) = (view.topology(), &except);
        let (own, all) = (topology.proxy(context.own.number), topology.proxies());
        own.is_some_and(|own| Gate { own, all, except }.admits(origin))
    }
}

/// What all requests share.
pub(super) struct Web {
    pub(super) context: Arc<ClientContext>,
    pub(super) authorities: Arc<ArcSwap<AuthorityKeys>>,
    pub(super) except: Exceptions,
    /// Without a certificate nothing is spoken but HTTP in clear.
    pub(super) tls: Option<TlsDoor>,
    /// Whoever is let in is a task of these.
    pub(super) peers: TaskTracker,
    pub(super) tools: Tools,
    pub(super) map: Map,
    pub(super) assets: Assets,
    /// If browsers may have datagrams.
    pub(super) webtransport: Option<WebTransport>,
    /// Whether the proxy takes anybody: what balancers ask.
    pub(super) is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Of the API.
    pub(super) requests: Mutex<RateLimits>,
    /// What is told under the topology of the moment.
    pub(super) told: ArcSwapOption<Told>,
}
