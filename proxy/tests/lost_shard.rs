//! A shard that is lost ends its proxy by name, and `/readyz` says so at once. Needs the feature `fault-injection`.

mod world;

use std::time::Duration;

use node::life::{Exit, Failure, Node};
use protocol::ids::Lane;
use protocol::message::subscription::Serving;
use world::{A, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_ends_its_node_by_name_and_is_missing_at_once() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let proxy = world.proxy_of(&settings, &node).await;
    server.serve(101, world.region_epoch).await;
    eventually("it is linked", || {
        let links = node.readiness.report().verbose();
        links.contains("links: 1 of 2")
    })
    .await;
    assert_eq!(node.owners.fatal(), None);
    proxy.panic_shard(1);
    let fatal = tokio::time::timeout(Duration::from_secs(10), node.owners.failed());
    let failure = Failure::from(fatal.await.expect("nobody notices"));
    assert_eq!(failure.message, "shard-1 panicked: told to");
    assert_eq!(failure.exit, Exit::OwnerLost);
    // The other shard lives on until the binary ends the process: its lane still hears who serves.
    let lane = Lane::FIRST;
    let before = proxy.refused("serving_denied");
    server.say_on(
        101,
        lane,
        Serving {
            region: 2,
            region_epoch: 1,
            ..Serving::default()
        },
    );
    eventually("it hears", || proxy.refused("serving_denied") > before).await;
}
