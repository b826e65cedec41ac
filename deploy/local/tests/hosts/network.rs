//! Hosts as network namespaces: three for the cluster, one outside, one for the database. Needs root and `ip`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use store::postgres::trial::{TrialHost, TrialServer};

use super::run;
use super::wire::Wire;
use crate::support::program;

/// Where the swarm is.
pub(crate) const OUTSIDE: usize = 4;
/// Where the database is.
pub(crate) const DATABASE: usize = 5;

fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// Where a host is.
pub(crate) fn address(host: usize) -> String {
    format!("10.77.0.{host}")
}

/// Namespaces of this process: `.1` to `.3` are hosts, `.4` is outside, `.5` has the database. Gone when dropped.
pub(crate) struct Network {
    name: String,
    wire: Option<Wire>,
}

impl Network {
    /// Joined by a bridge, which delivers everything at once.
    pub(crate) fn bridged() -> Self {
        let network = Self::new();
        let bridge = network.space("bridge");
        ip(&format!("netns add {bridge}"));
        ip(&format!("-n {bridge} link add br0 type bridge"));
        ip(&format!("-n {bridge} link set br0 up"));
        for host in 1..=DATABASE {
            let space = network.space(host);
            ip(&format!(
                "link add eth0 netns {space} type veth peer name port{host} netns {bridge}"
            ));
            ip(&format!("-n {bridge} link set port{host} master br0 up"));
            network.connect(host);
        }
        network
    }

    /// Joined by a wire that the test spoils.
    pub(crate) fn wired() -> Self {
        let mut network = Self::new();
        // Names of devices have at most 15 bytes.
        let device = |host: usize| format!("{}h{host}", network.name);
        let wire = Wire::new(DATABASE, device).unwrap();
        for host in 1..=DATABASE {
            let space = network.space(host);
            ip(&format!("link set {} netns {space} name eth0", device(host)));
            network.connect(host);
        }
        network.wire = Some(wire);
        network
    }

    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            name: format!("mesh{}x{count}", std::process::id()),
            wire: None,
        };
        for host in 1..=DATABASE {
            ip(&format!("netns add {}", network.space(host)));
            // `ip netns exec` puts this in the place of /etc/hosts.
            fs::create_dir_all(network.names_of(host)).unwrap();
            network.name_hosts(host, [1, 2, 3]);
        }
        network
    }

    /// A host whose device is there has an address and is up.
    fn connect(&self, host: usize) {
        let space = self.space(host);
        ip(&format!("-n {space} address add {}/24 dev eth0", address(host)));
        ip(&format!("-n {space} link set eth0 up"));
        ip(&format!("-n {space} link set lo up"));
    }

    pub(crate) fn space(&self, part: impl std::fmt::Display) -> String {
        format!("{}.{part}", self.name)
    }

    /// What this network is joined by.
    pub(crate) fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("the network is wired")
    }

    fn names_of(&self, host: usize) -> PathBuf {
        Path::new("/etc/netns").join(self.space(host))
    }

    /// What a host believes of where each host is.
    pub(crate) fn name_hosts(&self, host: usize, at: [usize; 3]) {
        let name = |(at, host): (usize, usize)| format!("{} host-{host}.mesh.example\n", address(at));
        let names: String = at.into_iter().zip(1..).map(name).collect();
        let file = self.names_of(host).join("hosts");
        // In its place, so that those who have it open see it.
        fs::write(file, format!("127.0.0.1 localhost\n{names}")).unwrap();
    }

    pub(crate) fn database(&self) -> TrialServer {
        let host = TrialHost {
            space: &self.space(DATABASE),
            address: address(DATABASE).parse().unwrap(),
            clients: "10.77.0.0/24",
        };
        TrialServer::start_on(host, &[]).unwrap()
    }

    /// `regionmesh` on this host.
    pub(crate) fn on(&self, host: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(host)]).arg(program());
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for part in ["1", "2", "3", "4", "5", "bridge"] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.space(part)])
                .output();
            let _ = fs::remove_dir_all(Path::new("/etc/netns").join(self.space(part)));
        }
        // The folder stays where somebody else uses it.
        let _ = fs::remove_dir("/etc/netns");
    }
}
