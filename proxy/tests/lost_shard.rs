//! A shard that is lost ends its proxy by name, and `/readyz` says so at once. Needs the feature `fault-injection`.

mod world;

use std::time::Duration;

use node::life::{Exit, Failure, Node};
use world::{A, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_ends_its_node_by_name_and_is_missing_at_once() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let proxy = world.proxy_of(&settings, &node).await;
    server.serve(101, world.region_epoch).await;
    assert_eq!(node.owners.fatal(), None);
    proxy.panic_shard(1);
    let fatal = tokio::time::timeout(Duration::from_secs(10), node.owners.failed());
    let failure = Failure::from(fatal.await.expect("nobody notices"));
    assert_eq!(failure.message, "shard-1 panicked: told to");
    assert_eq!(failure.exit, Exit::OwnerLost);
    // The other shard and all links live on until the binary ends the process.
    eventually("it is linked", || {
        let links = node.readiness.report().verbose();
        links.contains("links: 1 of 2")
    })
    .await;
}
