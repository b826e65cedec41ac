//! A world that panics ends its process by name and with a code of its own. Needs the feature `fault-injection`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::identity::Role;
use protocol::ids::NodeNumber;
use servers::Cluster;
use servers::client::{Client, user_at};
use servers::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_panics_ends_its_process_by_name_and_with_a_code_of_its_own() {
    let cluster = Cluster::on_one_server();
    let mut process = Command::new(env!("CARGO_BIN_EXE_bare-gameserver"))
        .args(["--name", "gs-a", "--data"])
        .arg(cluster.data("gs-a"))
        .env("FAULT_INJECTION", "panic")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody ticks where nobody plays.
    let proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let user = user_at(&cluster.topology, |at| at.x < 32.0);
    let started = Instant::now();
    while process.try_wait().unwrap().is_none() {
        proxy.say(NodeNumber(1), Client::new(user, &proxy.dir).join(&proxy.dir));
        tokio::time::sleep(Duration::from_millis(50)).await;
        if started.elapsed() > Duration::from_secs(20) {
            let _ = process.kill();
            panic!("it lives on without its world");
        }
    }
    let ended = process.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(6), "{said}");
    assert!(said.ends_with("error: world panicked: told to\n"), "{said}");
}
