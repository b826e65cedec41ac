//! The largest worlds that `topology check` passes start, are played in, and take bounded memory; a process with few
//! descriptors says so and keeps answering.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use regionmesh::{Cluster, ClusterOptions};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use support::{ONE, eventually, finish, logs, program, start};

/// Far more than a node takes without optimisation; far less than it took when every region cost something.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// A square world of so many cells each way, cut into as many regions, on two servers.
fn world(cells: u32, regions: u32) -> String {
    let mut text = format!(
        "[world]\nname = \"largest\"\nsize = [{0}, {0}]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\n\
         handover_margin = 1.0\n",
        cells * 32
    );
    for number in 1..=2 {
        let server = format!("name = \"gs-{number}\"\nnumber = {number}");
        writeln!(
            text,
            "[[server]]\n{server}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\""
        )
        .unwrap();
    }
    text += "[[proxy]]\nname = \"edge\"\nnumber = 9\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
    let server = |region: u32| format!("\"gs-{}\"", 1 + region * 2 / (regions * regions));
    let servers: Vec<_> = (0..regions * regions).map(server).collect();
    writeln!(
        text,
        "[grid]\ncolumns = {regions}\nrows = {regions}\nservers = [{}]",
        servers.join(", ")
    )
    .unwrap();
    text
}

/// Players come, and everybody is well; what the swarm found.
fn is_played_in(text: String, players: u32) -> Value {
    assert_eq!(
        topology::check("t.toml", &text, topology::Colour::Plain).exit_code,
        0
    );
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let result = folder.path().join("result.json");
    let cluster = start(ClusterOptions {
        topology: text,
        ..ClusterOptions::new(program(), data.clone())
    });
    let join = cluster.join_file().to_str().unwrap().to_owned();
    let players = format!("--players={players}");
    let (code, out, error) = finish(&[
        "loadtest",
        "--join",
        &join,
        &players,
        "--for=1s",
        "--warm-up=1s",
        "--json",
        result.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{out}{error}{}", logs(&data));
    for name in ["gs-1", "gs-2", "edge"] {
        let status = cluster.status(name).unwrap();
        assert_eq!(status["ready"], true, "{status}");
        let bytes = status["rss_bytes"].as_u64().unwrap();
        assert!(bytes < MEMORY_BYTES_MAX, "{name} takes {bytes} bytes");
    }
    let failed = cluster.stop();
    assert!(failed.is_empty(), "{failed:?}\n{}", logs(&data));
    serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap()
}

#[test]
fn as_many_regions_as_there_may_be() {
    is_played_in(world(64, 32), 1);
}

#[test]
fn as_many_cells_as_there_may_be() {
    is_played_in(world(1024, 2), 1);
}

#[test]
fn ticks_as_fast_and_views_as_wide_as_they_may_be() {
    let widest = format!("view_rings = {}", topology::limits::VIEW_RINGS_MAX);
    let broadest = format!("border_cells = {}", topology::limits::BORDER_CELLS_MAX);
    let fastest = format!("tick_hz = {}", topology::limits::TICK_HZ_MAX);
    let text = world(32, 2)
        .replace("cell_size = 32", "cell_size = 4")
        .replace("size = [1024, 1024]", "size = [128, 128]")
        .replace("view_rings = 1", &widest)
        .replace("border_cells = 1", &broadest)
        .replace("tick_hz = 20", &fastest);
    let result = is_played_in(text, 12);
    // All see each other, and what came a few snapshots ago is not the newest.
    let visible = result["visible"]["mean"].as_f64().unwrap();
    assert!(visible > 2.0, "{result:#}");
}

/// The program with a limit of open files.
fn with_few_files(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("few-files");
    let script = format!(
        "#!/bin/sh\nulimit -n 200\nexec '{}' \"$@\"\n",
        program().display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The answer to a request at a node's admin endpoint.
fn ask(cluster: &Cluster, name: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(cluster.addresses_of(name).unwrap().admin).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_proxy_takes_no_more_clients_than_it_has_files_for_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let asked = ("REGIONMESH_CLIENTS__SESSIONS_MAX".to_owned(), "5000".to_owned());
    let cluster = start(ClusterOptions {
        topology: ONE.to_owned(),
        environment: vec![asked],
        ..ClusterOptions::new(with_few_files(folder.path()), data.clone())
    });
    let proxy = cluster
        .addresses()
        .find_map(|node| Some((node.name.clone(), node.listener("tcp")?)));
    let (name, tcp) = proxy.unwrap();
    let log = logs(&data);
    assert!(
        log.contains("leaves room for fewer sessions than clients.sessions_max"),
        "{log}"
    );
    let verbose = ask(&cluster, &name, "/readyz?verbose");
    let room = verbose.split("room: 0 of ").nth(1).expect("a check of its room");
    let most: u32 = room.lines().next().unwrap().parse().unwrap();
    assert!((1..100).contains(&most), "{verbose}");
    // More connections than it could ever hold: they are closed, and nothing else is harmed.
    let held: Vec<_> = (0..400).filter_map(|_| TcpStream::connect(tcp).ok()).collect();
    assert!(ask(&cluster, &name, "/livez").starts_with("HTTP/1.0 200"));
    let errors = "regionmesh_accept_errors_total{listener=\"clients\"} 0\n";
    assert!(
        ask(&cluster, &name, "/metrics").contains(errors),
        "it never came to it"
    );
    drop(held);
    eventually("the proxy is ready", support::PATIENCE, || {
        ask(&cluster, &name, "/readyz").starts_with("HTTP/1.0 200")
    });
}
