//! A cluster on three hosts from nothing, as the chapter of docs/operating.md has it: three network namespaces with two game
//! servers and a proxy each, joined by a bridge, started from the files of deploy/three-hosts with the commands that an
//! operator gives; the swarm plays from a fourth, and the database is in a fifth. Needs root, `ip` and PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod balancer;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use store::postgres::trial::{TrialHost, TrialServer};
use support::{PATIENCE, eventually, program, send};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../three-hosts");
/// Of each host: its nodes, with their role and the ports of their kind.
const HOSTS: [[(&str, &str); 3]; 3] = [
    [
        ("gs-a", "gameserver"),
        ("gs-b", "gameserver"),
        ("edge-1", "proxy"),
    ],
    [
        ("gs-c", "gameserver"),
        ("gs-d", "gameserver"),
        ("edge-2", "proxy"),
    ],
    [
        ("gs-e", "gameserver"),
        ("gs-f", "gameserver"),
        ("edge-3", "proxy"),
    ],
];
/// Where the swarm is.
const OUTSIDE: usize = 4;
/// Where the database is.
const DATABASE: usize = 5;

fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        status.success(),
        "{command:?}: {}{}",
        text(&stdout),
        text(&stderr)
    );
    text(&stdout)
}

fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// Namespaces of this process: `.1` to `.3` are hosts, `.4` is outside, `.5` has the database, and `.bridge` joins them. Gone
/// when dropped.
struct Network(String);

impl Network {
    fn new() -> Self {
        let network = Self(format!("mesh{}", std::process::id()));
        let bridge = network.space("bridge");
        ip(&format!("netns add {bridge}"));
        ip(&format!("-n {bridge} link add br0 type bridge"));
        ip(&format!("-n {bridge} link set br0 up"));
        for host in 1..=DATABASE {
            let space = network.space(host);
            ip(&format!("netns add {space}"));
            // `ip netns exec` puts this in the place of /etc/hosts.
            fs::create_dir_all(network.names_of(host)).unwrap();
            network.name_hosts(host, [1, 2, 3]);
            ip(&format!(
                "link add eth0 netns {space} type veth peer name port{host} netns {bridge}"
            ));
            ip(&format!("-n {bridge} link set port{host} master br0 up"));
            ip(&format!("-n {space} address add {}/24 dev eth0", address(host)));
            ip(&format!("-n {space} link set eth0 up"));
            ip(&format!("-n {space} link set lo up"));
        }
        network
    }

    fn space(&self, part: impl std::fmt::Display) -> String {
        format!("{}.{part}", self.0)
    }

    fn names_of(&self, host: usize) -> PathBuf {
        Path::new("/etc/netns").join(self.space(host))
    }

    /// What a host believes of where each host is.
    fn name_hosts(&self, host: usize, at: [usize; 3]) {
        let name = |(at, host): (usize, usize)| format!("{} host-{host}.mesh.example\n", address(at));
        let names: String = at.into_iter().zip(1..).map(name).collect();
        let file = self.names_of(host).join("hosts");
        // In its place, so that those who have it open see it.
        fs::write(file, format!("127.0.0.1 localhost\n{names}")).unwrap();
    }

    fn database(&self) -> TrialServer {
        let host = TrialHost {
            space: &self.space(DATABASE),
            address: address(DATABASE).parse().unwrap(),
            clients: "10.77.0.0/24",
        };
        TrialServer::start_on(host, &[]).unwrap()
    }

    fn on(&self, host: usize) -> Command {
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

fn address(host: usize) -> String {
    format!("10.77.0.{host}")
}

/// A node that runs; ends with this.
struct Node {
    name: &'static str,
    role: &'static str,
    admin: String,
    host: usize,
    child: Child,
    log: PathBuf,
}

impl Node {
    fn log(&self) -> String {
        format!(
            "== {}\n{}",
            self.name,
            fs::read_to_string(&self.log).unwrap_or_default()
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn regionmesh(folder: &Path, line: &str) -> String {
    let out = run(Command::new(program())
        .current_dir(folder)
        .args(line.split_whitespace()));
    println!("$ regionmesh {line}\n{out}");
    out
}

/// What the operator does at their desk.
fn issue(folder: &Path) {
    regionmesh(folder, "authority init");
    regionmesh(
        folder,
        "node issue gs-a gs-b gs-c gs-d gs-e gs-f --role gameserver",
    );
    regionmesh(folder, "node issue edge-1 edge-2 edge-3 --role proxy");
    regionmesh(folder, &format!("topology check {FILES}/topology.toml"));
    regionmesh(folder, &format!("topology sign {FILES}/topology.toml"));
}

/// What the operator does once with the database.
fn prepare(network: &Network, folder: &Path, store: &str) {
    let init = format!("store init --store {store}");
    let nodes = "gs-a gs-b gs-c gs-d gs-e gs-f edge-1 edge-2 edge-3";
    let grant = format!("store grant {nodes} --store {store} --topology {FILES}/topology.toml");
    for line in [init, grant] {
        let said = run(network.on(1).current_dir(folder).args(line.split_whitespace()));
        println!("$ regionmesh {line}\n{said}");
    }
}

/// The directories of a host: papers carried there, and a configuration for each node, made of the example of its role.
fn carry(folder: &Path, host: usize, store: &str) -> PathBuf {
    let home = folder.join(format!("host-{host}"));
    for (place, (name, role)) in HOSTS[host - 1].into_iter().enumerate() {
        let data = home.join(name);
        fs::create_dir_all(&home).unwrap();
        run(Command::new("cp")
            .arg("-r")
            .arg(folder.join("authority/nodes").join(name))
            .arg(&data));
        let example = if role == "proxy" { "edge-1" } else { "gs-a" };
        let mut text = fs::read_to_string(format!("{FILES}/{example}.toml")).unwrap();
        let mut put = |from: &str, to: &str| {
            assert!(text.contains(from), "{example}.toml has no {from}");
            text = text.replace(from, to);
        };
        put(&format!("\"{example}\""), &format!("{name:?}"));
        let login = format!("postgres://regionmesh-{example}@db.mesh.example/regionmesh?");
        put(
            &login,
            &format!("{}&", store.replace("postgres@", &format!("regionmesh-{name}@"))),
        );
        put(
            &format!("/var/lib/regionmesh/{example}"),
            &data.display().to_string(),
        );
        // The oracle of the swarm asks from outside.
        let admin = if role == "proxy" {
            "127.0.0.1:9000"
        } else {
            "127.0.0.1:9100"
        };
        put(admin, &admin_of(host, place));
        if place == 1 {
            put("7100", "7110");
            put("7101", "7111");
        }
        fs::write(home.join(format!("{name}.toml")), text).unwrap();
    }
    home
}

fn admin_of(host: usize, place: usize) -> String {
    format!("{}:{}", address(host), 9_000 + 100 * place)
}

fn start(network: &Network, home: &Path, host: usize) -> Vec<Node> {
    let nodes = HOSTS[host - 1].into_iter().enumerate();
    nodes
        .map(|(place, (name, role))| {
            let log = home.join(format!("{name}.log"));
            let config = home.join(format!("{name}.toml"));
            let mut command = network.on(host);
            command.args([role, "--config", config.to_str().unwrap()]);
            let child = command
                .stdout(Stdio::null())
                .stderr(fs::File::create(&log).unwrap())
                .spawn()
                .unwrap();
            Node {
                name,
                role,
                admin: admin_of(host, place),
                host,
                child,
                log,
            }
        })
        .collect()
}

/// Asked from outside, as a probe is.
fn ready(network: &Network, node: &Node) -> String {
    let script = format!(
        "exec 3<>/dev/tcp/{}; printf 'GET /readyz?verbose HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
        node.admin.replace(':', "/")
    );
    let asked = Command::new("ip")
        .args(["netns", "exec", &network.space(OUTSIDE), "bash", "-c", &script])
        .output();
    asked.map_or_else(
        |_| String::new(),
        |answer| String::from_utf8_lossy(&answer.stdout).into_owned(),
    )
}

fn is_ready(network: &Network, node: &Node) -> bool {
    ready(network, node).contains(" 200 ")
}

fn join_file(folder: &Path, nodes: &[Node]) -> PathBuf {
    let path = folder.join("authority/join.json");
    let mut join: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(join["proxies"][0]["tcp"], "host-1.mesh.example:7000");
    let observed = |node: &Node| {
        let url = format!("http://{}/status", node.admin);
        json!({"name": node.name, "role": node.role, "status_url": url})
    };
    join["observe"] = nodes.iter().map(observed).collect();
    let whole = folder.join("join.json");
    fs::write(&whole, join.to_string()).unwrap();
    whole
}

#[test]
fn a_cluster_on_three_hosts_from_nothing_plays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    issue(folder);
    let network = Network::new();
    let database = network.database();
    let store = database.address("postgres");
    prepare(&network, folder, &store);
    // The first host looks for the third where nobody is.
    network.name_hosts(1, [1, 2, 33]);
    let mut nodes = Vec::new();
    for host in 1..=3 {
        let home = carry(folder, host, &store);
        nodes.extend(start(&network, &home, host));
    }
    let logs = |nodes: &[Node]| nodes.iter().map(Node::log).collect::<String>();
    for node in &nodes {
        let what = format!("{} on host {} is ready", node.name, node.host);
        eventually(&what, 3 * PATIENCE, || {
            assert!(
                fs::metadata(format!("/proc/{}", node.child.id())).is_ok(),
                "{}",
                node.log()
            );
            is_ready(&network, node)
        });
    }
    let lost = |node: &Node| ready(&network, node).contains("not linked: gs-e");
    let edge = nodes.iter().find(|node| node.name == "edge-1").unwrap();
    assert!(lost(edge), "{}", ready(&network, edge));
    // A name that is mended is found at the next dial.
    network.name_hosts(1, [1, 2, 3]);
    eventually("edge-1 has found the third host", PATIENCE, || !lost(edge));
    let (join, result) = (join_file(folder, &nodes), folder.join("result.json"));
    let players = std::env::var("THREE_HOSTS_PLAYERS").unwrap_or_else(|_| "30".to_owned());
    let line = format!(
        "loadtest --join {} --players {players} --for 8s --warm-up 4s --behaviour border --json {}",
        join.display(),
        result.display()
    );
    let swarm = network
        .on(OUTSIDE)
        .args(line.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&swarm.stdout).into_owned() + &String::from_utf8_lossy(&swarm.stderr);
    println!("$ regionmesh {line}\n{said}");
    assert_eq!(swarm.status.code(), Some(0), "{said}{}", logs(&nodes));
    let result: Value = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    assert_eq!(result["verdict"], "ok", "{result:#}");
    assert!(
        result["crossings"]["count"]
            .as_u64()
            .is_none_or(|count| count > 0),
        "{result:#}"
    );
    for node in nodes.iter_mut().rev() {
        send(node.child.id(), Signal::SIGTERM);
    }
    for node in &mut nodes {
        assert_eq!(node.child.wait().unwrap().code(), Some(0), "{}", node.log());
    }
}
