//! A newer topology reaches every game server, whoever brings it to the first, and only if the authority signed it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use net::link_core::DownReason;
use protocol::Code;
use protocol::identity::Role;
use protocol::ids::NodeNumber;
use protocol::message::subscription::Topology;
use servers::proxy::Proxy;
use servers::{Cluster, Server, eventually};

const A: NodeNumber = NodeNumber(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_topology_spreads_from_server_to_server_and_a_forged_one_does_not() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let version = |server: &Server| server.status()["topology_version"].as_u64();
    eventually("both start with the first", || {
        version(&a) == Some(1) && version(&b) == Some(1)
    })
    .await;
    cluster.issue();
    let newer = cluster.open("edge-1", Role::Proxy);
    let mut forged = newer.view.sealed().to_vec();
    forged[40] ^= 1;
    proxy.say(
        A,
        Topology {
            bundle: forged.into(),
        },
    );
    eventually("the forged one is refused", || {
        a.refused("messages", "topology") == 1
    })
    .await;
    assert_eq!(version(&a), Some(1));
    let bundle = newer.view.sealed().to_vec();
    proxy.say(
        A,
        Topology {
            bundle: bundle.into(),
        },
    );
    eventually("both have the second", || {
        version(&a) == Some(2) && version(&b) == Some(2)
    })
    .await;
    assert!(
        a.status()["links"].to_string().contains("\"up\""),
        "nobody was revoked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_says_goodbye_and_leaves_no_listen_file() {
    let cluster = Cluster::new();
    let (a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let file = node::listen_file::read(&cluster.data("gs-a")).unwrap();
    let server = cluster.topology.server(A).unwrap();
    assert_eq!(file["peer"], server.peer.to_string());
    assert_eq!(file["proxy"], server.proxy.to_string());
    a.drain().await.unwrap();
    assert_eq!(proxy.down(A).await, DownReason::ClosedByPeer(Code::Draining));
    assert_eq!(node::listen_file::read(&cluster.data("gs-a")), None);
}
