//! A proxy's part of logins: the role that it has itself, and the auth nodes that it asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use node::admin::{Check, Wanted, link_check};
use node::dial_plan::{Dialed, follow};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use protocol::message::subscription::Topology;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Starting;
use crate::server::auth::AuthRole;
use crate::server::auth_links::AuthDialer;
use crate::server::mailbox::News;
use crate::server::settings::ProxySettings;

/// The auth nodes that the topology in force lists; who is revoked has no record.
fn auths(topology: &TopologyInForce) -> BTreeSet<Dialed> {
    let view = topology.view();
    let auths = view.topology().auths().iter();
    auths
        .filter_map(|auth| Some((auth.number, view.node(auth.number)?.uuid)))
        .collect()
}

impl Starting {
    pub(super) fn auth_role(&self, settings: &ProxySettings) -> AuthRole {
        let built = &self.built;
        AuthRole::new(
            built.store.clone(),
            Arc::clone(&built.topology),
            (built.own.cluster_id, built.own.uuid),
            built.data.certificate.node_key(),
            (&settings.auth, built.tokens.clone(), built.links.clock),
            "regionmesh_proxy_passwords_total",
        )
        .asking(Arc::clone(&self.auths))
    }

    /// Links to all of them, as topologies come and go.
    pub(super) fn dial_auths(&self, control: mpsc::WeakUnboundedSender<News>) {
        let dialer = AuthDialer {
            links: Arc::clone(&self.auths),
            context: Arc::clone(&self.built.links),
            news: Arc::clone(&self.news),
            refusals: Arc::clone(&self.refusals),
            offered: Arc::new(move |number: NodeNumber, topology: Topology| {
                if let Some(control) = control.upgrade() {
                    let _ = control.send(News::Topology(number, topology));
                }
            }),
        };
        let (owners, links) = (self.node.owners.clone(), self.links.clone());
        let dial = move |dialed: Dialed, until: CancellationToken| {
            let dialing = dialer.clone().dial(dialed, until.clone());
            let name = format!("link to auth node {}", dialed.0);
            links.spawn(owners.task_until(&name, &until, dialing));
        };
        let in_force = Arc::clone(&self.built.topology);
        let (stop, changes) = (&self.stop_links, in_force.changes());
        let wanted = move || auths(&in_force);
        self.spawn("auth dialer", follow(changes, None, stop.clone(), wanted, dial));
        self.watch_auths();
    }

    /// Without any, nobody comes by a password; everybody else does.
    fn watch_auths(&self) {
        let (links, in_force) = (Arc::clone(&self.auths), Arc::clone(&self.built.topology));
        let context = Arc::clone(&self.built.links);
        self.node.readiness.ask("auth", move || {
            let view = in_force.view();
            let all = auths(&in_force);
            if all.is_empty() {
                return Check::well("passwords are checked here");
            }
            let up = all.iter().filter(|(_, uuid)| links.is_up(*uuid));
            let up: BTreeSet<_> = up.map(|(number, _)| *number).collect();
            let wanted = all.iter().map(|(number, uuid)| {
                let name = view.topology().name_of_node(*number).unwrap_or_default();
                let why_not = context.stats.why_unreached(*uuid);
                let wanted = Wanted {
                    name: name.to_owned(),
                    why_not,
                };
                (*number, wanted)
            });
            link_check(&wanted.collect(), &up, |figure| {
                Check::noted(figure + ": nobody comes by a password meanwhile")
            })
        });
    }
}
