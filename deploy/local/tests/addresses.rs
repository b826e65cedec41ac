//! A cluster whose nodes find each other, and whose players find them, by IPv6 and by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::IpAddr;

use regionmesh::ClusterOptions;
use serde_json::Value;
use support::{eventually, finish, logs, program, start};

/// Two by two on this host, with a swarm that is content; the addresses at which players were served.
fn played_on(host: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let options = ClusterOptions::new(program(), data.clone());
    let topology = options.topology.replace("127.0.0.1:0", &format!("{host}:0"));
    assert!(topology.contains(host));
    let cluster = start(ClusterOptions { topology, ..options });
    let (join, result) = (cluster.join_file().to_owned(), folder.path().join("result.json"));
    let line = format!(
        "loadtest --join {} --players 12 --for 4s --warm-up 2s --behaviour border --json {}",
        join.display(),
        result.display()
    );
    let (code, out, error) = finish(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code, 0, "{out}{error}{}", logs(&data));
    let result: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    assert_eq!(result["verdict"], "ok");
    let proxies: Vec<String> = cluster.addresses().map(|node| node.name.clone()).collect();
    let mut listened = Vec::new();
    for name in proxies {
        let status = cluster.status(&name).unwrap();
        let listen = status["listen"].as_object().unwrap();
        let all = listen.values().flat_map(|at| match at {
            Value::Array(each) => each.clone(),
            one => vec![one.clone()],
        });
        listened.extend(all.map(|at| at.as_str().unwrap().to_owned()));
    }
    assert!(cluster.stop().is_empty(), "{}", logs(&data));
    listened
}

#[test]
fn a_cluster_on_ipv6_plays() {
    let listened = played_on("[::1]");
    assert_eq!(listened.len(), 14, "{listened:?}");
    assert!(listened.iter().all(|at| at.starts_with("[::1]:")), "{listened:?}");
}

#[test]
fn a_cluster_found_by_name_plays() {
    let listened = played_on("localhost");
    let ip = |at: &String| at.parse::<std::net::SocketAddr>().unwrap().ip();
    assert!(
        listened.iter().map(ip).all(|ip: IpAddr| ip.is_loopback()),
        "{listened:?}"
    );
}

/// A node listens where it is told, and is dialed where the topology says: here on all addresses of the machine.
#[test]
fn a_node_that_listens_elsewhere_is_dialed_where_the_topology_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let first = start(support::one(&data));
    let port_of = |what: &str| {
        let all = first.addresses().find_map(|node| node.listener(what));
        all.unwrap().port()
    };
    let environment = ["peer", "proxy", "tcp", "udp", "http"].map(|what| {
        let key = format!("REGIONMESH_LISTEN__{}", what.to_uppercase());
        (key, format!("0.0.0.0:{}", port_of(what)))
    });
    assert!(first.stop().is_empty(), "{}", logs(&data));
    let again = start(ClusterOptions {
        environment: environment.to_vec(),
        ..support::one(&data)
    });
    let listeners = [
        ("gs-a", "peer"),
        ("gs-a", "proxy"),
        ("edge-1", "tcp"),
        ("edge-1", "http"),
    ];
    for (name, what) in listeners {
        let status = again.status(name).unwrap();
        let at = status["listen"][what].as_str().unwrap();
        assert!(at.starts_with("0.0.0.0:"), "{name} {what}: {at}");
    }
    eventually("the proxy is linked", support::PATIENCE, || {
        again.status("edge-1").is_ok_and(|status| status["ready"] == true)
    });
    let join = again.join_file().display().to_string();
    let line = [
        "loadtest",
        "--join",
        &join,
        "--players",
        "3",
        "--for",
        "2s",
        "--warm-up",
        "1s",
    ];
    let (code, out, error) = finish(&line);
    assert_eq!(code, 0, "{out}{error}{}", logs(&data));
    assert!(again.stop().is_empty(), "{}", logs(&data));
}
