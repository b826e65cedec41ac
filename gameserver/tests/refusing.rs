//! Who is refused at a game server, told so, and counted: nodes in the wrong role, and joins without proof.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use node::life::Exit;
use protocol::Code;
use protocol::identity::Role;
use protocol::ids::{NodeNumber, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::{Join, JoinRefused};
use servers::client::{Client, user_at};
use servers::proxy::Proxy;
use servers::{Cluster, eventually};
use store::sqlite::SqliteStore;
use store::{
    AccountReply, AccountRequest, NewSanction, SanctionKind, Store as _, StoreReply, StoreRequest, Subject,
};

const A: NodeNumber = NodeNumber(1);

#[tokio::test(flavor = "multi_thread")]
async fn listeners_serve_their_own_role_only() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let addresses = cluster.topology.server(A).unwrap();
    let server = Proxy::new(cluster.open("gs-b", Role::GameServer));
    server.dial(A, addresses.proxy.socket().unwrap());
    eventually("a server at the proxies' listener is refused", || {
        a.refused("links", "role_denied") > 0
    })
    .await;
    drop(server);
    let seen = a.refused("links", "role_denied");
    let proxy = Proxy::new(cluster.open("edge-1", Role::Proxy));
    proxy.dial(A, addresses.peer.socket().unwrap());
    eventually("a proxy at the peers' listener is refused", || {
        a.refused("links", "role_denied") > seen + 1
    })
    .await;
    assert!(!a.status()["links"].to_string().contains("\"up\""));
}

/// Says a join and returns how it is refused.
async fn refused(proxy: &mut Proxy, join: Join) -> JoinRefused {
    let user = join.user;
    proxy.say(A, join);
    proxy
        .hear(A, "the join is refused", |message| match message {
            ServerToProxy::JoinRefused(refused) if refused.user == user => Some(refused.clone()),
            ServerToProxy::Joined(joined) => panic!("{joined:?}"),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_without_proof_are_refused_and_counted() {
    let cluster = Cluster::new();
    let (a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let user = user_at(&cluster.topology, |at| at.x < 32.0);
    let client = Client::new(user, &proxy.dir);
    let good = client.join(&proxy.dir);
    let other_proxy = cluster.open("edge-2", Role::Proxy);
    let no_auth = Client::new(user, &cluster.open("gs-b", Role::GameServer));
    let mut forged = good.clone();
    let mut ticket = forged.ticket.to_vec();
    ticket[30] ^= 1;
    forged.ticket = ticket.into();
    let somebody_else = Join {
        user: user.0 + 1,
        ..good.clone()
    };
    let no_attach = Join {
        attach: vec![0; 64].into(),
        ..good.clone()
    };
    let short_attach = Join {
        attach: vec![0; 63].into(),
        ..good.clone()
    };
    let cases = [
        (no_attach, "join_attach", Code::TicketInvalid, 1),
        (client.join(&other_proxy), "join_attach", Code::TicketInvalid, 2),
        (short_attach, "join_attach", Code::TicketInvalid, 3),
        (somebody_else, "join_other_user", Code::TicketInvalid, 1),
        (forged, "join_ticket", Code::TicketInvalid, 1),
        (no_auth.join(&proxy.dir), "join_ticket", Code::TicketInvalid, 2),
    ];
    for (join, label, code, count) in cases {
        let session = join.attach_no;
        let refused = refused(&mut proxy, join).await;
        assert_eq!(refused.code, u32::from(code.number()), "{label}");
        assert_eq!(
            refused.session.map(|session| session.attach_no),
            Some(session),
            "{label}"
        );
        eventually(label, || a.refused("messages", label) == count).await;
    }
    assert_eq!(a.region("players"), 0);
    let joined = client.enter(&mut proxy, A).await;
    assert_eq!(
        UserId(joined.user),
        user,
        "the same join with its proofs is served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_region_another_process_serves_ends_and_says_so() {
    let cluster = Cluster::new();
    let (a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let store = SqliteStore::open(&cluster.settings("gs-a").store_path()).unwrap();
    let region = cluster.topology.regions_of(A).next().unwrap().number;
    let read = store.execute(&[StoreRequest::ReadService { region }]);
    let [Ok(StoreReply::Service(Some(newest)))] = &read[..] else {
        panic!("{read:?}")
    };
    let after = Some(newest.region_epoch);
    let serve = StoreRequest::ServeRegion {
        region,
        node: A,
        after,
    };
    store.execute(&[serve]).remove(0).unwrap();

    let user = user_at(&cluster.topology, |at| at.x < 32.0);
    proxy.say(A, Client::new(user, &proxy.dir).join(&proxy.dir));
    let failure = a.ended().await.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(
        failure.message.contains("another process serves region"),
        "{failure:?}"
    );
}

/// As an operator does; told of nothing, the servers read it.
fn kick(cluster: &Cluster, user: UserId) {
    let kick = AccountRequest::Sanction(NewSanction {
        subject: Subject::User(user),
        kind: SanctionKind::Kick,
        for_ms: None,
        reason: String::new(),
    });
    let kicked = cluster.ask_store(StoreRequest::Account(kick));
    assert!(
        matches!(kicked, StoreReply::Account(AccountReply::Sanctioned(_))),
        "{kicked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_kicked_joins_nowhere_by_the_login_of_before_whenever_it_was() {
    let cluster = Cluster::new();
    // Two users, and the first is kicked before the server starts.
    let first = user_at(&cluster.topology, |at| at.x < 32.0 && at.y < 24.0);
    let second = user_at(&cluster.topology, |at| at.x < 32.0 && at.y > 40.0);
    let _b = cluster.start("gs-b").await;
    let old = [first, second].map(|user| cluster.log_in(user));
    kick(&cluster, first);
    let a = cluster.start("gs-a").await;
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let ended = u32::from(Code::Kicked.number());
    let client = Client::of_login(first, old[0], &proxy.dir);
    let join = client.join(&proxy.dir);
    assert_eq!(refused(&mut proxy, join).await.code, ended);
    eventually("it is counted", || a.refused("messages", "join_ended") == 1).await;
    let again = cluster.log_in(first);
    Client::of_login(first, again, &proxy.dir)
        .enter(&mut proxy, A)
        .await;

    // The second is in, and is kicked then: a proxy that has not heard of it brings nobody back.
    let mut client = Client::of_login(second, old[1], &proxy.dir);
    client.enter(&mut proxy, A).await;
    kick(&cluster, second);
    let began = std::time::Instant::now();
    loop {
        client.attach_no += 1;
        proxy.say(A, client.join(&proxy.dir));
        let user = second.0;
        let code = proxy
            .hear(A, "an answer", |message| match message {
                ServerToProxy::JoinRefused(refused) if refused.user == user => Some(Some(refused.code)),
                ServerToProxy::Joined(joined) if joined.user == user => Some(None),
                _ => None,
            })
            .await;
        match code {
            Some(code) => break assert_eq!(code, ended),
            None => assert!(began.elapsed().as_secs() < 5, "it is let in for ever"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(began.elapsed().as_millis() < 3_000, "{:?}", began.elapsed());
    let again = cluster.log_in(second);
    let mut client = Client::of_login(second, again, &proxy.dir);
    client.attach_no = 1;
    client.enter(&mut proxy, A).await;
}
