//! A cluster on three hosts, made of the files of deploy/three-hosts with the commands that an operator gives: two game servers and a
//! proxy each. The swarm plays from outside. Needs root, `ip`, bash and PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

pub(crate) mod network;
pub(crate) mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use store::postgres::trial::TrialServer;

use crate::support::{PATIENCE, eventually, program, send};
use network::{Network, OUTSIDE, address};

/// Where they stand.
pub(crate) const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../three-hosts");
/// Of each host: its nodes, with their role.
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

/// A node that runs; ends with this.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    role: &'static str,
    admin: String,
    host: usize,
    child: Child,
    log: PathBuf,
}

impl Node {
    fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        format!("== {}\n{log}", self.name)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All of it.
pub(crate) struct Mesh {
    nodes: Vec<Node>,
    join: PathBuf,
    _database: TrialServer,
    pub(crate) network: Network,
    folder: tempfile::TempDir,
}

impl Mesh {
    /// Issues papers, prepares the database, carries what each host needs to it, starts every node and waits until all are ready.
    /// `more`: what a node has in its environment, by the host it is on.
    pub(crate) fn start(network: Network, topology: &Path, more: impl Fn(usize) -> Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let papers = folder.path();
        issue(papers, topology);
        let database = network.database();
        let store = database.address("postgres");
        prepare(&network, papers, &store, topology);
        let mut nodes = Vec::new();
        for host in 1..=3 {
            let home = carry(papers, host, &store);
            for (place, (name, role)) in HOSTS[host - 1].into_iter().enumerate() {
                let log = home.join(format!("{name}.log"));
                nodes.push(Node {
                    name,
                    role,
                    admin: admin_of(host, place),
                    host,
                    child: spawn(&network, host, (name, role), &log, more(host)),
                    log,
                });
            }
        }
        let join = join_file(papers, &nodes);
        let mesh = Self {
            nodes,
            join,
            _database: database,
            network,
            folder,
        };
        for node in &mesh.nodes {
            mesh.until_ready(node);
        }
        mesh
    }

    fn until_ready(&self, node: &Node) {
        let what = format!("{} on host {} is ready", node.name, node.host);
        eventually(&what, 3 * PATIENCE, || {
            let runs = fs::metadata(format!("/proc/{}", node.child.id())).is_ok();
            assert!(runs, "{}", node.log());
            self.ready(node).contains(" 200 ")
        });
    }

    pub(crate) fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).unwrap()
    }

    /// Asked from outside, as a probe is.
    pub(crate) fn ready(&self, node: &Node) -> String {
        let script = format!(
            "exec 3<>/dev/tcp/{}; printf 'GET /readyz?verbose HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
            node.admin.replace(':', "/")
        );
        let asked = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.network.space(OUTSIDE),
                "bash",
                "-c",
                &script,
            ])
            .output();
        asked.map_or_else(
            |_| String::new(),
            |answer| String::from_utf8_lossy(&answer.stdout).into_owned(),
        )
    }

    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        send(self.node(name).child.id(), signal);
    }

    /// Ends a node as a crash would.
    pub(crate) fn kill(&mut self, name: &str) {
        let node = self.nodes.iter_mut().find(|node| node.name == name).unwrap();
        node.child.kill().unwrap();
        node.child.wait().unwrap();
    }

    /// Starts a node that was killed, and waits until it is ready.
    pub(crate) fn restart(&mut self, name: &str) {
        let node = self.nodes.iter_mut().find(|node| node.name == name).unwrap();
        let again = node.log.with_extension("again.log");
        node.child = spawn(
            &self.network,
            node.host,
            (node.name, node.role),
            &again,
            Vec::new(),
        );
        self.until_ready(self.node(name));
    }

    /// A swarm that plays from outside.
    pub(crate) fn swarm(&self, line: &str) -> Swarm {
        let result = self.folder.path().join("result.json");
        let line = format!(
            "loadtest --join {} --json {} {line}",
            self.join.display(),
            result.display()
        );
        let child = self
            .network
            .on(OUTSIDE)
            .args(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Swarm { child, line, result }
    }

    pub(crate) fn logs(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }

    /// Every node drains, and says that it did.
    pub(crate) fn stop(mut self) {
        for node in self.nodes.iter().rev() {
            send(node.child.id(), Signal::SIGTERM);
        }
        for node in &mut self.nodes {
            assert_eq!(node.child.wait().unwrap().code(), Some(0), "{}", node.log());
        }
    }
}

/// Names and values.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// Bots that play.
pub(crate) struct Swarm {
    child: Child,
    line: String,
    result: PathBuf,
}

impl Swarm {
    /// Its result, which finds nothing wrong.
    pub(crate) fn ended(self, mesh: &Mesh) -> Value {
        let ended = self.child.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        println!("$ regionmesh {}\n{said}", self.line);
        // 4: too busy a machine for the bots' own timing; what they found holds all the same.
        let is_fine = matches!(ended.status.code(), Some(0 | 4));
        assert!(is_fine, "{said}{}", mesh.logs());
        serde_json::from_slice(&fs::read(self.result).unwrap()).unwrap()
    }
}

fn regionmesh(folder: &Path, line: &str) {
    let out = run(Command::new(program())
        .current_dir(folder)
        .args(line.split_whitespace()));
    println!("$ regionmesh {line}\n{out}");
}

/// What the operator does at their desk.
fn issue(folder: &Path, topology: &Path) {
    regionmesh(folder, "authority init");
    regionmesh(
        folder,
        "node issue gs-a gs-b gs-c gs-d gs-e gs-f --role gameserver",
    );
    regionmesh(folder, "node issue edge-1 edge-2 edge-3 --role proxy");
    regionmesh(folder, &format!("topology check {}", topology.display()));
    regionmesh(folder, &format!("topology sign {}", topology.display()));
}

/// What the operator does once with the database.
fn prepare(network: &Network, folder: &Path, store: &str, topology: &Path) {
    let init = format!("store init --store {store}");
    let nodes = "gs-a gs-b gs-c gs-d gs-e gs-f edge-1 edge-2 edge-3";
    let grant = format!(
        "store grant {nodes} --store {store} --topology {}",
        topology.display()
    );
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

/// Starts a node by the configuration that stands beside its log.
fn spawn(
    network: &Network,
    host: usize,
    (name, role): (&str, &str),
    log: &Path,
    environment: Environment,
) -> Child {
    let mut command = network.on(host);
    command
        .args([role, "--config"])
        .arg(log.with_file_name(format!("{name}.toml")))
        .envs(environment)
        .stdout(Stdio::null())
        .stderr(fs::File::create(log).unwrap());
    command.spawn().unwrap()
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
