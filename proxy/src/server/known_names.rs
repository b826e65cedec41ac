//! What the host names stand for that clients are told as IP addresses: this proxy's own, for datagrams, and the other
//! proxies'. Looked up by a task of its own, again and again, so that whoever welcomes a client never waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use net::names::look_up;
use node::admin::{Check, Readiness};
use node::topology_in_force::TopologyInForce;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use topology::{Host, Topology};

/// A name is looked up this often.
const AGAIN: Duration = Duration::from_secs(30);
/// And this often while one of them could not be.
const AGAIN_SOON: Duration = Duration::from_secs(2);

/// The last answers; clones share them.
#[derive(Clone, Default)]
pub(super) struct KnownNames(Arc<ArcSwap<BTreeMap<String, Vec<IpAddr>>>>);

impl KnownNames {
    /// The address to tell somebody, who came by `reached` if that is known: of the same kind where there is one, and none
    /// that only this machine could dial unless they are on it.
    pub(super) fn address(&self, host: &Host, reached: Option<IpAddr>) -> Option<IpAddr> {
        let name = match host {
            Host::Ip(ip) => return Some(*ip),
            Host::Name(name) => name,
        };
        let known = self.0.load();
        let found = known.get(name)?.iter().copied();
        let is_local =
            |ip: IpAddr| host.is_loopback() || reached.is_some_and(|by| by.is_loopback() && ip.is_loopback());
        let usable = found.filter(|ip| !ip.is_loopback() || is_local(*ip));
        let wants_v4 = reached.is_none_or(|reached| reached.is_ipv4());
        // Of equals the first one stays.
        usable.min_by_key(|ip| ip.is_ipv4() != wants_v4)
    }

    /// Keeps the names of the topology in force known, until `stop`.
    pub(super) async fn keep(
        self,
        in_force: Arc<TopologyInForce>,
        readiness: Readiness,
        stop: CancellationToken,
    ) {
        let keeping = async {
            let mut changes = in_force.changes();
            loop {
                changes.borrow_and_update();
                let wanted = names(in_force.view().topology());
                let unknown = self.look_up_all(&wanted).await;
                readiness.set("names", check(&wanted, &unknown));
                let pause = match unknown.is_empty() {
                    true => AGAIN,
                    false => AGAIN_SOON,
                };
                // Whatever ends the pause, the names are looked up next.
                match timeout(pause, changes.changed()).await {
                    Ok(Ok(())) | Err(_) => {}
                    Ok(Err(_)) => sleep(pause).await,
                }
            }
        };
        let _ = stop.run_until_cancelled(keeping).await;
    }

    /// Why not, of those that could not be looked up: what was known of them stays.
    async fn look_up_all(&self, wanted: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut asking = JoinSet::new();
        for name in wanted.iter().cloned() {
            asking.spawn(async move {
                let found = look_up(&name).await;
                (name, found)
            });
        }
        let (mut known, mut unknown) = (BTreeMap::clone(&self.0.load()), BTreeMap::new());
        known.retain(|name, _| wanted.contains(name));
        while let Some(answered) = asking.join_next().await {
            match answered {
                Ok((name, Ok(found))) => drop(known.insert(name, found)),
                Ok((name, Err(error))) => drop(unknown.insert(name, error.to_string())),
                Err(_) => {}
            }
        }
        self.0.store(Arc::new(known));
        unknown
    }
}

/// Every name that clients come by.
fn names(topology: &Topology) -> BTreeSet<String> {
    let hosts = topology
        .proxies()
        .iter()
        .flat_map(|proxy| [&proxy.entrance().host, &proxy.udp.host]);
    let name = |host: &Host| match host {
        Host::Name(name) => Some(name.clone()),
        Host::Ip(_) => None,
    };
    hosts.filter_map(name).collect()
}

fn check(wanted: &BTreeSet<String>, unknown: &BTreeMap<String, String>) -> Check {
    match unknown.values().next() {
        None => Check::well(format!("{} known", wanted.len())),
        Some(why) => Check::noted(format!(
            "{} of {} names of proxies are not answered for: {why}; mend the name service, or write addresses into the topology",
            unknown.len(),
            wanted.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn known(addresses: &[&str]) -> KnownNames {
        let known = KnownNames::default();
        let addresses = addresses.iter().map(|text| ip(text)).collect();
        known.0.store(Arc::new(BTreeMap::from([(
            "edge-1.example".to_owned(),
            addresses,
        )])));
        known
    }

    #[test]
    fn a_client_is_told_an_address_of_the_kind_it_came_by_and_none_of_loopback() {
        let host = Host::Name("edge-1.example".to_owned());
        let both = known(&["127.0.1.1", "2001:db8::7", "10.0.0.7", "10.0.0.8"]);
        assert_eq!(both.address(&host, Some(ip("10.0.0.1"))), Some(ip("10.0.0.7")));
        assert_eq!(
            both.address(&host, Some(ip("2001:db8::1"))),
            Some(ip("2001:db8::7"))
        );
        assert_eq!(both.address(&host, Some(ip("127.0.0.1"))), Some(ip("127.0.1.1")));
        assert_eq!(both.address(&host, None), Some(ip("10.0.0.7")));
        assert_eq!(known(&["127.0.1.1"]).address(&host, Some(ip("10.0.0.1"))), None);
        assert_eq!(known(&[]).address(&Host::Name("other".to_owned()), None), None);
        assert_eq!(known(&[]).address(&Host::Ip(ip("::1")), None), Some(ip("::1")));
    }

    #[tokio::test]
    async fn what_is_known_of_a_name_stays_when_it_is_not_answered_for() {
        let names = known(&["10.0.0.7"]);
        let wanted = BTreeSet::from([
            "localhost".to_owned(),
            "edge-1.example".to_owned(),
            "no.invalid".to_owned(),
        ]);
        let unknown = names.look_up_all(&wanted).await;
        assert!(
            unknown.contains_key("no.invalid") && !unknown.contains_key("localhost"),
            "{unknown:?}"
        );
        let address = |name: &str| names.address(&Host::Name(name.to_owned()), None);
        assert!(address("localhost").unwrap().is_loopback());
        assert!(address("edge-1.example").is_some() || !unknown.contains_key("edge-1.example"));
        names.look_up_all(&BTreeSet::new()).await;
        assert_eq!(
            address("localhost"),
            None,
            "names that are not wanted any more are forgotten"
        );
    }
}
