//! What `regionmesh up` says at ready and at its end: what to try next, word for word.

use crate::command_line::UpArguments;
use crate::{Cluster, quoted};
use node::life::Exit;
use program::say;
use protocol::Shown;
use protocol::identity::Role;
use std::path::{Path, PathBuf};

/// Where a proxy finds who may look at the map.
pub(crate) const MAP: &str = "REGIONMESH_HTTP__MAP";

/// What there is to know of a cluster, also when it has ended.
pub(crate) struct NextSteps {
    program: String,
    data: PathBuf,
    join: PathBuf,
    /// Name and address of what each proxy listens at.
    proxies: Vec<String>,
    /// Where each has its page.
    pages: Vec<String>,
    /// Where each has the map of the world, if there is one.
    maps: Vec<String>,
    /// Name and admin endpoint of each node.
    admins: Vec<String>,
    /// The flags with which the same cluster is started again.
    again: String,
    /// What else is needed to begin anew.
    anew: &'static str,
}

impl NextSteps {
    pub(crate) fn of(cluster: &Cluster, arguments: &UpArguments) -> Self {
        let program = std::env::args().next().unwrap_or_else(|| "regionmesh".to_owned());
        let proxies = cluster.addresses().filter(|node| node.role == Role::Proxy);
        let pages = cluster
            .addresses()
            .filter_map(|node| Some(format!("{}/", node.url.as_ref()?)));
        let pages: Vec<String> = pages.collect();
        let maps = pages.iter().map(|page| format!("{page}map"));
        let has_map = !std::env::var(MAP).is_ok_and(|audience| audience.trim() == "off");
        let mut again = format!("--data {}", word(cluster.data()));
        if let Some(topology) = &arguments.topology {
            again = format!("{again} --topology {}", word(topology));
        }
        if let Some(store) = &arguments.store {
            again = format!("{again} --store {}", quoted(store));
        }
        Self {
            program: quoted(&program),
            data: cluster.data().to_owned(),
            join: cluster.join_file().to_owned(),
            proxies: proxies
                .filter_map(|node| Some(format!("{} {}", node.name, node.listener("tcp")?)))
                .collect(),
            maps: maps.filter(|_| has_map).collect(),
            pages,
            admins: cluster
                .addresses()
                .map(|node| format!("{} http://{}", node.name, node.admin))
                .collect(),
            again,
            anew: match arguments.store {
                Some(_) => ", on an empty database that `store migrate` has prepared",
                None => "",
            },
        }
    }

    /// Scripts wait for the first of these lines, and read the join file's name from its end.
    pub(crate) fn say_ready(&self) {
        let (program, join) = (&self.program, word(&self.join));
        let map = match self.maps.is_empty() {
            true => String::new(),
            false => format!(" map: {};", self.maps.join(" ")),
        };
        say(format_args!(
            "ready: {} nodes; proxies: {}; page: {};{map} join file: {}",
            self.admins.len(),
            self.proxies.join(", "),
            self.pages.join(" "),
            Shown(self.join.display())
        ));
        say(format_args!(
            "  to load it: {program} loadtest --join {join} --players 50 --for 30s"
        ));
        say(format_args!(
            "  to look at it: {}; each has /status, /metrics and /readyz?verbose",
            self.admins.join(", ")
        ));
        say(format_args!(
            "  to stop it: Ctrl-C, or kill -TERM {}; keys, world and players stay in {}",
            std::process::id(),
            Shown(self.data.display())
        ));
    }

    pub(crate) fn say_end(&self, code: u8) {
        let exit = Exit::ALL.iter().find(|exit| **exit as u8 == code);
        let meaning = exit.map_or("of the swarm", |exit| exit.meaning());
        say(format_args!(
            "ended with exit code {code} ({meaning}); keys, world and players are in {}",
            Shown(self.data.display())
        ));
        let (program, again, anew) = (&self.program, &self.again, self.anew);
        say(format_args!("  to go on where it was: {program} up {again}"));
        say(format_args!(
            "  to begin anew: {program} up {again} --fresh{anew}"
        ));
    }
}

fn word(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
