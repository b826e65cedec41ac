//! The largest cluster that `topology check` passes, of which three nodes run: they come up, find each other, and the five
//! hundred others cost them little, be it that nobody listens there or that their hosts swallow whatever is sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use node::OsEntropy;
use node::authority_dir::AuthorityDir;
use node::clock::wall_ms;
use node::ports::PortFinder;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use support::{PATIENCE, ask, eventually, program};
use topology::PortUse;
use topology::limits::{PROXIES_MAX, SERVERS_MAX, SHARDS_MAX};

/// What a node may take without optimisation, most of it for what it would have to say to each of the others.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Of one core, without optimisation.
const CPU_SHARE_MAX: f64 = 0.5;
/// The nodes that run.
const RUNNING: [(&str, &str); 3] = [
    ("gameserver", "gs-1"),
    ("gameserver", "gs-2"),
    ("proxy", "edge-1"),
];

/// A region for each server. Those that do not run have addresses of this machine that begin with 127 and the digit of the test.
fn topology_text(digit: u8) -> String {
    let mut text = "[world]\nname = \"many\"\nsize = [1024, 1024]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n".to_owned();
    let at = |runs: bool, kind: u32, number: usize, port: u16| match runs {
        true => "127.0.0.1:0".to_owned(),
        false => format!("127.{digit}{kind}.{}.{}:{port}", number / 200, 1 + number % 200),
    };
    for number in 1..=SERVERS_MAX {
        let (peer, proxy) = (
            at(number <= 2, 1, number, 19_001),
            at(number <= 2, 1, number, 19_002),
        );
        writeln!(
            text,
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"{peer}\"\nproxy = \"{proxy}\""
        )
        .unwrap();
    }
    for number in 1..=PROXIES_MAX {
        let [tcp, udp, http] = [19_001, 19_011, 19_021].map(|port| at(number == 1, 2, number, port));
        writeln!(
            text,
            "[[proxy]]\nname = \"edge-{number}\"\nnumber = {}\ntcp = \"{tcp}\"\nudp = \"{udp}\"\nhttp = \"{http}\"\nshards = {SHARDS_MAX}",
            SERVERS_MAX + number
        )
        .unwrap();
    }
    let servers: Vec<_> = (1..=SERVERS_MAX)
        .map(|number| format!("\"gs-{number}\""))
        .collect();
    writeln!(
        text,
        "[grid]\ncolumns = 16\nrows = 16\nservers = [{}]",
        servers.join(", ")
    )
    .unwrap();
    text
}

/// A process that ends with the test.
struct Node {
    process: Child,
    name: &'static str,
    admin: String,
}

impl Node {
    fn start(folder: &Path, (role, name): (&str, &'static str), ports: &mut PortFinder) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admin = format!("{ip}:{}", ports.find(ip, PortUse::Tcp).unwrap());
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let process = Command::new(program())
            .args([role, "--name", name, "--admin", &admin])
            .arg("--data")
            .arg(folder.join("nodes").join(name))
            .arg("--store")
            .arg(folder.join("world.db"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, name, admin }
    }

    fn status(&self) -> Value {
        let answer = ask(&self.admin, "GET /status");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hosts that answer nothing: somebody listens, and has so many waiting already that the kernel drops who comes next.
struct Swallowed {
    _full: Vec<(Socket, Vec<TcpStream>)>,
}

impl Swallowed {
    fn new(addresses: impl Iterator<Item = SocketAddr>) -> Self {
        let full = addresses.map(|address| {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            listener.set_reuse_address(true).unwrap();
            listener.bind(&address.into()).unwrap();
            listener.listen(0).unwrap();
            let patience = Duration::from_millis(20);
            let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, patience).ok());
            let waiting: Vec<_> = waiting.take(8).collect();
            assert!(waiting.len() < 8, "{address} takes everybody");
            (listener, waiting)
        });
        Self {
            _full: full.collect(),
        }
    }
}

#[test]
fn three_of_as_many_nodes_as_there_may_be_come_up_and_the_others_cost_them_little() {
    come_up_alone(7);
}

#[test]
fn hosts_that_swallow_what_they_are_sent_cost_as_little() {
    // Proxies dial every game server, and game servers those that they border on.
    let others = (3..=SERVERS_MAX).flat_map(|number| {
        let [peer, proxy] = [19_001, 19_002].map(|port| {
            let ip = Ipv4Addr::new(127, 81, (number / 200) as u8, (1 + number % 200) as u8);
            SocketAddr::from((ip, port))
        });
        [peer, proxy]
    });
    let _swallowed = Swallowed::new(others);
    come_up_alone(8);
}

fn come_up_alone(digit: u8) {
    let folder = tempfile::tempdir().unwrap();
    let text = topology_text(digit);
    let checked = topology::check("t.toml", &text, topology::Colour::Plain);
    assert_eq!(checked.exit_code, 0, "{}", checked.report);
    let draw = u16::from_le_bytes(protocol::entropy::array(&mut OsEntropy));
    let mut ports = PortFinder::new(draw);
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let topology = topology::parse("t.toml", &text)
        .unwrap()
        .with_ports(&mut |_, used| ports.find(ip, used).unwrap());
    let mut authority = AuthorityDir::open_or_create(folder.path(), &mut OsEntropy).unwrap();
    authority
        .issue(&topology.to_toml(), &topology, &mut OsEntropy, wall_ms())
        .unwrap();
    let nodes = RUNNING.map(|node| Node::start(folder.path(), node, &mut ports));
    let log = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.log"))).unwrap();
    for node in &nodes {
        eventually(node.name, PATIENCE, || {
            TcpStream::connect(&node.admin).is_ok() && ask(&node.admin, "GET /readyz").contains(" 200 ")
        });
    }
    // A proxy is ready with the first region that is served.
    eventually("the proxy knows both game servers", PATIENCE, || {
        ask(&nodes[2].admin, "GET /readyz?verbose").contains("regions: 2 of 256 are served")
    });
    // Past the first tries at each of the others.
    std::thread::sleep(Duration::from_secs(3));
    let cpu_s = || {
        nodes
            .each_ref()
            .map(|node| node.status()["cpu_s"].as_f64().unwrap())
    };
    let (began, before) = (Instant::now(), cpu_s());
    std::thread::sleep(Duration::from_secs(5));
    let (after, seconds) = (cpu_s(), began.elapsed().as_secs_f64());
    for (index, node) in nodes.iter().enumerate() {
        let share = (after[index] - before[index]) / seconds;
        let bytes = node.status()["rss_bytes"].as_u64().unwrap();
        println!("{}: {share:.3} of a core, {} MiB", node.name, bytes >> 20);
        assert!(bytes < MEMORY_BYTES_MAX, "{} takes {bytes} bytes", node.name);
        assert!(share < CPU_SHARE_MAX, "{} takes {share} of a core", node.name);
        let lines = log(node.name).lines().count();
        assert!(lines < 1_000, "{lines} lines:\n{}", log(node.name));
    }
}
