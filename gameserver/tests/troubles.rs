//! What a game server does and says while something around it is out of order: nobody reads its log, its disk is full, a
//! peer is not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod servers;

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use protocol::identity::Role;
use protocol::ids::NodeNumber;
use servers::client::{Client, user_at};
use servers::process::{Process, arguments, command, piped};
use servers::proxy::Proxy;
use servers::{Cluster, eventually};

const A: NodeNumber = NodeNumber(1);

/// The log of a process, read by a thread of its own.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn of(process: &mut Process) -> Self {
        let log = Self::default();
        let (lines, into) = (process.child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                *into.0.lock().unwrap() += &(line + "\n");
            }
        });
        log
    }

    fn count(&self, what: &str) -> usize {
        self.text().matches(what).count()
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_go_on_while_nobody_reads_the_log() {
    let cluster = Cluster::on_one_server();
    // Held open and never read.
    let (unread, log) = std::io::pipe().unwrap();
    let process = Process::start(command(&cluster, "gs-a", &["--log-level", "debug"]).stderr(log));
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let user = user_at(&cluster.topology, |_| true);
    Client::new(user, &proxy.dir).enter(&mut proxy, A).await;
    let peers = cluster.topology.servers()[0].peer.socket().unwrap();
    let ticks = || {
        let status = process.status();
        let regions = status["regions"].as_array().unwrap();
        regions
            .iter()
            .map(|region| region["tick"].as_u64().unwrap())
            .sum::<u64>()
    };
    eventually("more has been logged than any pipe and buffer take", || {
        // Each connection that comes and goes is two lines.
        for _ in 0..200 {
            drop(TcpStream::connect(peers));
        }
        process.metric("regionmesh_log_lines_dropped_total") > 0.0
    })
    .await;
    let before = ticks();
    eventually("ticks go on", || ticks() > before + 20).await;
    assert_eq!(process.ask("GET /livez"), "alive\n");
    let ready = process.ask("GET /readyz");
    assert!(ready.starts_with("ready\n"), "{ready}");
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_at_readyz_and_does_not_flood_the_log() {
    let cluster = Cluster::on_one_server();
    let mut command = Command::new("sh");
    // What is written beyond the limit fails instead of ending the process.
    command.args([
        "-c",
        "trap '' XFSZ; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_bare-gameserver"),
    ]);
    let mut process = Process::start(piped(command.args(arguments(&cluster, "gs-a", &[]))));
    let log = Log::of(&mut process);
    let verbose = || process.ask("GET /readyz?verbose");
    eventually("it is ready", || verbose().ends_with("\nready\n")).await;
    let limit = |limit: &str| {
        let pid = process.child.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, limit]).status();
        assert!(limited.unwrap().success());
    };
    limit("--fsize=1:unlimited");
    eventually("the store takes no writes", || {
        let said = verbose();
        said.contains("[-] store: ") && said.ends_with("\nnot ready\n")
    })
    .await;
    eventually("the log is told", || log.count("not ready: ") > 0).await;
    limit("--fsize=unlimited:unlimited");
    eventually("it is ready again", || verbose().ends_with("\nready\n")).await;
    eventually("the log is told that it is", || {
        log.count("well again: answered") > 0
    })
    .await;
    assert!(log.text().lines().count() < 60, "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_is_one_warning_at_the_default_level() {
    let cluster = Cluster::new();
    let mut process = Process::start(&mut command(&cluster, "gs-a", &[]));
    let log = Log::of(&mut process);
    eventually("the log is told", || {
        log.count("not well: 0 of 3; not linked: gs-b (cannot connect: Connection refused") > 0
    })
    .await;
    // Dialed once a second, told once a minute.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(log.count("not linked"), 1, "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_there_before_it_is_counted_and_a_peer_that_is_gone_has_no_series() {
    let cluster = Cluster::new();
    let process = Process::start(command(&cluster, "gs-a", &[]).stderr(Stdio::null()));
    let metrics = || process.ask("GET /metrics");
    eventually("it is ready", || {
        process.ask("GET /readyz").starts_with("ready\n")
    })
    .await;
    for zero in [
        "regionmesh_gameserver_refused_total{reason=\"join_ticket\",class=\"hostile\"} 0\n",
        "regionmesh_gameserver_store_errors_total{reason=\"full\"} 0\n",
        "regionmesh_gameserver_ticks_skipped_total 0\n",
        "regionmesh_link_down_total{reason=\"dead\"} 0\n",
        "regionmesh_link_refused_total{reason=\"clock\"} 0\n",
        "regionmesh_log_lines_dropped_total 0\n",
        "regionmesh_guest_panics_total{kind=\"node\"} 0\n",
    ] {
        let text = metrics();
        assert!(text.contains(zero), "{zero} in {text}");
    }
    let series = "regionmesh_link_queue_bytes{peer=\"edge-1\",side=\"accepted\",lane=\"0\"} ";
    assert!(!metrics().contains("link_queue_bytes"));
    let mut proxy = Proxy::new(cluster.open("edge-1", Role::Proxy));
    proxy.dial(A, cluster.topology.servers()[0].proxy.socket().unwrap());
    proxy.up(A).await;
    eventually("the link has its series", || metrics().contains(series)).await;
    drop(proxy);
    eventually("the link is gone, and so is its series", || {
        !metrics().contains("link_queue_bytes")
    })
    .await;
}
