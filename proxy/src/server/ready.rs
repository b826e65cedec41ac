//! What a proxy is asked before players are sent to it: does the store answer, is a game server linked. Its shards are
//! watched where they are started.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use net::accept_errors::Watch;
use net::clock::Monotonic;
use node::admin::{Check, Readiness, link_check};
use node::life::{Ended, Node, Owners, Patience, Pulse};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use store::probe::{ProbeNews, probe};
use store::{StoreHandle, StorePulse};
use tokio_util::sync::CancellationToken;

use super::descriptors::ClientRoom;
use super::shard_handle::{Shards, counts};

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

/// Without any game server nobody can play here. One counts as linked when every shard has its lane to it.
pub(super) fn check_links(readiness: &Readiness, shards: &Shards, topology: &Arc<TopologyInForce>) {
    let (shards, topology) = (Arc::clone(shards), Arc::clone(topology));
    readiness.ask("links", move || {
        let view = topology.view();
        let servers = view.topology().servers().iter();
        let wanted = servers
            .map(|server| (server.number, server.name.clone()))
            .collect();
        link_check(&wanted, &linked_to_all(&shards), Check::missing)
    });
}

/// A full proxy is alive and takes nobody: whoever sends players looks for another one.
pub(super) fn check_sessions(readiness: &Readiness, shards: &Shards, room: ClientRoom) {
    let shards = Arc::clone(shards);
    readiness.ask("sessions", move || {
        sessions_check(counts(&shards).sessions, room.sessions_max as usize)
    });
}

fn sessions_check(sessions: usize, most: usize) -> Check {
    let figure = format!("{sessions} of {most}");
    match sessions >= most {
        true => Check::missing(format!("full: {figure}")),
        false => Check::well(figure),
    }
}

/// Without descriptors nobody can come in, however few are here.
pub(super) fn check_accepting(readiness: &Readiness, watch: Watch, clock: Monotonic) {
    readiness.ask("accepting", move || match watch.is_blocked(clock.now_ms()) {
        true => Check::missing("connections cannot be accepted; the log says why"),
        false => Check::well(""),
    });
}

/// The game servers that every shard has a lane to.
fn linked_to_all(shards: &Shards) -> BTreeSet<NodeNumber> {
    let each = shards.iter().map(|shard| {
        let lanes = shard.gauges.lanes();
        lanes.iter().map(|lane| lane.node).collect::<BTreeSet<_>>()
    });
    each.reduce(|all, one| &all & &one).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_proxy_takes_nobody() {
        assert_eq!(sessions_check(9, 10), Check::well("9 of 10"));
        assert_eq!(sessions_check(10, 10), Check::missing("full: 10 of 10"));
        // Handshakes that were under way may go beyond.
        assert_eq!(sessions_check(11, 10), Check::missing("full: 11 of 10"));
    }
}
