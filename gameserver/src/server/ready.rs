//! What a game server is asked before it counts as ready: does the store answer; who is linked is a note. That the
//! world ticks is watched where its thread is started.

use std::future::Future;
use std::sync::Arc;

use node::admin::{Check, Readiness, link_check};
use node::life::{Ended, Node, Owners, Patience, Pulse};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use store::probe::{ProbeNews, probe};
use store::{StoreHandle, StorePulse};
use tokio_util::sync::CancellationToken;

use super::report::WorldReports;
use crate::world::LinkPeer;

/// A pulse for each thread of the store: one that is stuck is named, and the node is not ready meanwhile.
pub(super) fn store_watch(owners: &Owners) -> impl FnMut(&'static str) -> Box<dyn StorePulse> + use<> {
    let owners = owners.clone();
    move |name| Box::new(WatchedStore(owners.watch(name, Patience::STORE)))
}

struct WatchedStore(Pulse);

impl StorePulse for WatchedStore {
    fn begin_wait(&self) {
        self.0.begin_wait();
    }

    fn begin_work(&self) {
        self.0.begin_work();
    }
}

/// Asks the store until `stop`. Until it has answered, the node is not ready.
pub(super) fn probe_store(
    node: &Node,
    store: StoreHandle,
    number: NodeNumber,
    stop: &CancellationToken,
) -> impl Future<Output = Ended> + use<> {
    let (readiness, stop) = (node.readiness.clone(), stop.clone());
    readiness.set("store", Check::missing("has not answered yet"));
    let tell = move |news: ProbeNews| {
        let check = match news {
            ProbeNews::Answers(_) => Check::well(news.to_string()),
            ProbeNews::Silent(_) | ProbeNews::Fails(_) => Check::missing(news.to_string()),
        };
        readiness.set("store", check);
    };
    let probing = probe(store, number, tell);
    async move {
        stop.run_until_cancelled(probing).await;
        Ended::by(&stop)
    }
}

/// Players come through proxies and go to neighbours; who is missing is told, and the regions live on without.
pub(super) fn check_links(
    readiness: &Readiness,
    reports: &WorldReports,
    in_force: &Arc<TopologyInForce>,
    own: NodeNumber,
) {
    let (reports, in_force) = (Arc::clone(reports), Arc::clone(in_force));
    readiness.ask("links", move || {
        let view = in_force.view();
        let topology = view.topology();
        let proxies = topology.proxies().iter();
        let proxies = proxies.map(|proxy| (proxy.number, proxy.name.clone()));
        let peers = topology.peers_of(own).into_iter();
        let peers = peers.filter_map(|number| topology.server(number));
        let peers = peers.map(|server| (server.number, server.name.clone()));
        let wanted = proxies.chain(peers).collect();
        let up = reports.load();
        let up = up.links.iter().map(|(_, link)| match link.peer {
            LinkPeer::Proxy(lane) => lane.node(),
            LinkPeer::Server(_, number) => number,
        });
        link_check(&wanted, &up.collect(), Check::noted)
    });
}
