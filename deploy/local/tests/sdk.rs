//! The client SDK as a game uses it, against real processes: it plays, survives the death of its proxy, and leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
/// The example, as whoever reads the demo's page of bytes would write it.
#[path = "../../../client/examples/walker.rs"]
#[allow(dead_code, reason = "its own `main` is not called")]
mod walker;

use std::time::Duration;

use client::{
    Client, ClientEvent, ConnectOptions, ConnectionError, Credentials, Datagrams, JoinFile, Transport,
};
use demo::{Input, OwnState};
use nix::sys::signal::Signal;
use protocol::Code;
use regionmesh::{Cluster, ClusterOptions};
use support::{PATIENCE, program, start};
use tokio::time::{interval, timeout};

async fn connect(cluster: &Cluster, name: &str, datagrams: Datagrams) -> Client {
    let join = JoinFile::read(cluster.join_file()).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: name.to_owned(),
        },
        datagrams,
    };
    Client::connect(options).await.unwrap()
}

/// Walks east until `is_it` says that what has been waited for has come; the number of the last input.
async fn walk_until(client: &mut Client, is_it: impl Fn(&Client, &ClientEvent, u64) -> bool) -> u64 {
    let mut ticks = interval(Duration::from_millis(50));
    let walk = async {
        let mut number = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    number = client.send_input(Input { heading: 0, speed: 255 }.encode().to_vec());
                }
                event = client.next_event() => {
                    let event = event.unwrap();
                    if is_it(client, &event, number) {
                        return number;
                    }
                }
            }
        }
    };
    timeout(PATIENCE, walk).await.expect("not in time")
}

/// Whether a snapshot acknowledges an input after `after` and knows of the player itself.
fn acknowledges(event: &ClientEvent, after: u64) -> bool {
    match event {
        ClientEvent::Snapshot(news) => news.input_ack > after && OwnState::parse(&news.own).is_ok(),
        _ => false,
    }
}

#[tokio::test]
async fn a_game_plays_by_datagram_resumes_elsewhere_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let mut client = connect(&cluster, "walker", Datagrams::Allowed).await;
    walk_until(&mut client, |client, event, _| {
        client.transport() == Transport::Udp && acknowledges(event, 0)
    })
    .await;
    assert!(client.world().is_some() && client.round_trip_ms().is_some());
    assert!(client.traffic().down_bytes > 0 && client.traffic().up_bytes > 0);

    let before = client.proxy();
    let name = cluster
        .addresses()
        .find(|node| node.listener("tcp") == Some(before))
        .map(|node| node.name.clone())
        .unwrap();
    cluster.kill(&name).unwrap();
    let last = walk_until(&mut client, |_, event, _| {
        matches!(event, ClientEvent::Resumed { .. })
    })
    .await;
    assert_ne!(client.proxy(), before);
    walk_until(&mut client, |_, event, _| acknowledges(event, last)).await;

    client.logout();
    let goodbye = async {
        loop {
            if let Err(error) = client.next_event().await {
                return error;
            }
        }
    };
    let error = timeout(PATIENCE, goodbye).await.expect("not in time");
    assert_eq!(error.code(), Some(Code::Ok), "{error}");
    assert!(matches!(
        client.next_event().await,
        Err(ConnectionError::Closed(_))
    ));
}

// SI-2, and what comes of SI-3: the proxy wakes up and finds that its player has gone elsewhere.
#[tokio::test]
async fn a_game_at_a_frozen_proxy_goes_on_at_another_however_often_it_looks_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let mut client = connect(&cluster, "walker", Datagrams::Allowed).await;
    walk_until(&mut client, |_, event, _| acknowledges(event, 0)).await;
    let before = client.proxy();
    let name = cluster
        .addresses()
        .find(|node| node.listener("tcp") == Some(before))
        .map(|node| node.name.clone())
        .unwrap();
    cluster.signal(&name, Signal::SIGSTOP).unwrap();
    // No handshake is over within a millisecond: what it has come to must not be lost each time.
    let resume = async {
        loop {
            let event = timeout(Duration::from_millis(1), client.next_event()).await;
            if let Ok(event) = event
                && matches!(event.unwrap(), ClientEvent::Resumed { .. })
            {
                break;
            }
        }
    };
    timeout(PATIENCE, resume).await.expect("not in time");
    assert_ne!(client.proxy(), before);
    let last = client.send_input(Input::default().encode().to_vec());
    cluster.signal(&name, Signal::SIGCONT).unwrap();
    walk_until(&mut client, |_, event, _| acknowledges(event, last)).await;
}

#[tokio::test]
async fn a_game_without_datagrams_plays_on_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(support::one(&folder.path().join("d")));
    let mut client = connect(&cluster, "walker", Datagrams::Off).await;
    walk_until(&mut client, |_, event, _| acknowledges(event, 3)).await;
    assert_eq!(client.transport(), Transport::Tcp);
}

#[tokio::test]
async fn a_client_that_was_written_from_the_page_of_bytes_alone_walks_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let (mut west, mut east) = (f32::MAX, f32::MIN);
    let walk = walker::walk(cluster.join_file(), |_, own, _| {
        assert!(own.region > 0, "{own:?}");
        (west, east) = (west.min(own.x), east.max(own.x));
        east - west < 10.0
    });
    timeout(PATIENCE, walk).await.expect("not in time").unwrap();
}
