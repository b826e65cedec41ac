//! What a proxy takes up while it runs: papers and topologies, the certificate of its `http` address, what host names stand for.

use std::sync::Arc;

use node::paper_task::PaperTask;
use protocol::identity::Role;
use protocol::message::subscription::Topology;
use tokio::sync::mpsc;

use super::Starting;
use crate::server::build::doors;
use crate::server::known_names::KnownNames;
use crate::server::mailbox::News;
use crate::server::settings::ProxySettings;
use crate::server::tls;

impl Starting {
    /// What is put into the data directory is taken up; a topology as if a game server had offered it.
    pub(super) fn watch_papers(&self, control: mpsc::WeakUnboundedSender<News>) {
        let (built, number) = (&self.built, self.built.own.number);
        let (shown, trusted) = (Arc::clone(&built.doors), Arc::clone(&built.authorities));
        let task = PaperTask {
            data: built.data.path().to_owned(),
            role: Role::Proxy,
            papers: built.papers.clone(),
            links: Arc::clone(&built.links),
            in_force: Arc::clone(&built.topology),
            readiness: self.node.readiness.clone(),
            renewed: Box::new(move |own| {
                let doors = doors(&own.cluster, &own.certificate, own.voucher)?;
                shown.store(Arc::new(doors));
                trusted.store(Arc::new(own.cluster.authorities));
                Ok(())
            }),
            offered: Box::new(move |sealed| {
                let bundle = sealed.into();
                if let Some(control) = control.upgrade() {
                    let _ = control.send(News::Topology(number, Topology { bundle }));
                }
            }),
        };
        self.spawn("papers", task.run(self.stop_links.clone()));
    }

    /// The certificate of the `http` address is renewed by writing its files anew.
    pub(super) fn watch_certificate(&self, settings: &ProxySettings) {
        let (built, stop) = (&self.built, &self.stop_links);
        let place = (built.own.number, !settings.clients.balancers.is_empty());
        tls::watch(built.tls.as_ref(), &self.node, &built.topology, place);
        if let Some(tls) = built.tls.clone() {
            let keeping = tls.keep_fresh(self.node.readiness.clone(), stop.clone());
            self.spawn("certificate", keeping);
        }
    }

    pub(super) fn keep_names(&self) -> KnownNames {
        let (names, stop) = (KnownNames::default(), &self.stop_links);
        let (in_force, readiness) = (Arc::clone(&self.built.topology), self.node.readiness.clone());
        let keeping = names.clone().keep(in_force, readiness, stop.clone());
        self.spawn("names", keeping);
        names
    }
}
