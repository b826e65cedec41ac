//! What operators do to users reaches every proxy: real processes, bots that play, and the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use client::{
    Client, ClientEvent, CommandClass, ConnectOptions, ConnectionError, Credentials, Datagrams, JoinFile,
};
use demo::{Event, Refusal};
use nix::sys::signal::Signal;
use protocol::Code;
use regionmesh::{Cluster, ClusterOptions};
use sha2::{Digest as _, Sha256};
use store::{
    AccountKey, AccountReply, AccountRequest, NewAccount, NodeStore, Store as _, StoreReply, StoreRequest,
    Verifier,
};
use support::{PATIENCE, eventually, finish, program, start};
use tokio::time::timeout;

/// A guest at one proxy, who knows of the others.
async fn connect(cluster: &Cluster, proxy: SocketAddr) -> Result<Client, ConnectionError> {
    let join = JoinFile::read(cluster.join_file()).unwrap();
    let others = join.addresses().into_iter().filter(|other| *other != proxy);
    let options = ConnectOptions {
        proxies: std::iter::once(proxy).chain(others).collect(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: "Ada".to_owned(),
        },
        datagrams: Datagrams::Allowed,
    };
    Client::connect(options).await
}

/// Plays until the client is out of the world.
async fn end_of(client: &mut Client) -> ConnectionError {
    let end = async {
        loop {
            if let Err(error) = client.next_event().await {
                return error;
            }
        }
    };
    timeout(PATIENCE, end).await.expect("nobody ends the session")
}

async fn playing(client: &mut Client) {
    let plays = async { while !matches!(client.next_event().await.unwrap(), ClientEvent::Snapshot(_)) {} };
    timeout(PATIENCE, plays).await.expect("not in time");
}

/// `regionmesh account`; what it prints.
fn account(store: &Path, arguments: &[&str]) -> String {
    let store = store.to_str().unwrap();
    let (code, out, error) = finish(&[&["account"], arguments, &["--store", store]].concat());
    assert_eq!(code, 0, "{out}{error}");
    out
}

fn proxies(cluster: &Cluster) -> Vec<(String, SocketAddr)> {
    let nodes = cluster.addresses();
    let all = nodes.filter_map(|node| Some((node.name.clone(), node.listener("tcp")?)));
    all.filter(|(name, _)| name.starts_with("edge")).collect()
}

#[tokio::test]
async fn who_is_kicked_or_banned_is_out_at_every_proxy_and_stays_out_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let store = cluster.data().join("world.db");
    let proxies = proxies(&cluster);
    let [(first, at_first), (_, at_second)] = &proxies[..] else {
        panic!("two proxies");
    };
    let mut clients = Vec::new();
    for proxy in [at_first, at_second, at_first] {
        let mut client = connect(&cluster, *proxy).await.unwrap();
        playing(&mut client).await;
        clients.push(client);
    }
    let [kicked, banned, away] = &mut clients[..] else {
        panic!("three clients");
    };
    let user = |client: &Client| client.user().0.to_string();

    account(&store, &["kick", &user(kicked), "--reason", "no building here"]);
    account(&store, &["ban", &user(banned), "--for", "1h", "--reason", "spam"]);
    let error = end_of(kicked).await;
    assert_eq!(error.code(), Some(Code::Kicked), "{error}");
    assert!(error.to_string().contains("no building here"), "{error}");
    let error = end_of(banned).await;
    assert_eq!(error.code(), Some(Code::Banned), "{error}");
    assert!(error.to_string().contains(" UTC: spam"), "{error}");

    // Its proxy cannot tell it, and the other one does not let it come back.
    cluster.signal(first, Signal::SIGSTOP).unwrap();
    account(&store, &["ban", &user(away)]);
    let error = end_of(away).await;
    cluster.signal(first, Signal::SIGCONT).unwrap();
    assert!(matches!(error, ConnectionError::Refused(_)), "{error}");
    assert_eq!(error.code(), Some(Code::Banned), "{error}");

    let listed = account(&store, &["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains(&format!("user {} is banned until it is lifted", user(away))));
    account(&store, &["unban", &user(away)]);
    account(&store, &["unban", &user(banned)]);
    assert_eq!(account(&store, &["list"]), "nobody is banned or muted\n");
    let all = account(&store, &["list", "--all"]);
    assert_eq!(all.lines().count(), 5, "{all}");
    assert!(all.contains("was kicked (no building here)"), "{all}");
}

/// Says it, again and again, until it is heard by everybody near or refused: the event, and how long that took.
async fn says(client: &mut Client, words: &str, wanted: fn(&Event) -> bool) -> (Event, Duration) {
    let began = Instant::now();
    let mut said = began - Duration::from_millis(100);
    let heard = async {
        loop {
            if said.elapsed() >= Duration::from_millis(100) {
                said = Instant::now();
                let body = demo::Command::Say(words.to_owned()).encode();
                client.send_command(CommandClass::Soft, body).unwrap();
            }
            let next = timeout(Duration::from_millis(50), client.next_event()).await;
            if let Ok(ClientEvent::Event(_, body)) = next.map(|event| event.unwrap()) {
                let event = Event::parse(&body).unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        }
    };
    let event = timeout(PATIENCE, heard).await.expect("not in time");
    (event, began.elapsed())
}

#[tokio::test]
async fn who_is_muted_plays_on_and_says_nothing_until_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(support::one(&folder.path().join("d")));
    let store = cluster.data().join("world.db");
    let (_, at) = proxies(&cluster).remove(0);
    let mut client = connect(&cluster, at).await.unwrap();
    playing(&mut client).await;
    let is_said: fn(&Event) -> bool = |event| matches!(event, Event::Said { .. });
    let is_refused: fn(&Event) -> bool = |event| matches!(event, Event::Refused { .. });
    says(&mut client, "hello", is_said).await;
    let user = client.user().0.to_string();
    let muted = account(&store, &["mute", &user, "--for", "1h", "--reason", "spam"]);
    assert!(muted.contains(&format!("user {user} is muted until ")), "{muted}");
    let (refused, after) = says(&mut client, "spam", is_refused).await;
    let Event::Refused {
        reason: Refusal::Muted { until_ms },
        ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert!(after < Duration::from_secs(1), "{after:?}");
    let hour = until_ms.abs_diff(node::clock::wall_ms() + 3_600_000);
    assert!(hour < 60_000, "{hour}");
    assert!(account(&store, &["list"]).contains("(spam)"));
    account(&store, &["unmute", &user]);
    let (_, after) = says(&mut client, "sorry", is_said).await;
    assert!(after < Duration::from_secs(1), "{after:?}");
    assert_eq!(account(&store, &["list"]), "nobody is banned or muted\n");

    // Whom one has heard one may report, oneself as well, with what was heard.
    let report = demo::Command::Report {
        user: client.user(),
        why: "it says nothing".to_owned(),
    };
    client.send_command(CommandClass::Soft, report.encode()).unwrap();
    let is_reported: fn(&Event) -> bool = |event| matches!(event, Event::Reported { .. });
    says(&mut client, "hm", is_reported).await;
    let listed = account(&store, &["reports"]);
    assert!(
        listed.contains(&format!(
            "user {user}, a guest, reports user {user}, a guest,: it says nothing"
        )),
        "{listed}"
    );
    assert!(listed.contains("): sorry\n"), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&account(&store, &["reports", "--json"])).unwrap();
    assert_eq!(json[0]["why"], "it says nothing");
    let number = json[0]["report"].to_string();
    account(&store, &["reports", "--close", &number, "--note", "nonsense"]);
    assert!(account(&store, &["reports"]).starts_with("nobody has reported"));
    assert!(account(&store, &["reports", "--all"]).contains(": nonsense"));
}

#[tokio::test]
async fn nobody_comes_from_a_network_that_is_banned_and_who_was_there_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(support::one(&folder.path().join("d")));
    let store = cluster.data().join("world.db");
    let (proxy, at) = proxies(&cluster).remove(0);
    let mut client = connect(&cluster, at).await.unwrap();
    playing(&mut client).await;
    account(&store, &["ban", "127.0.0.0/8", "--reason", "a flood"]);
    assert_eq!(end_of(&mut client).await.code(), Some(Code::Banned));
    // What was done before a start is read before anybody is let in.
    cluster.kill(&proxy).unwrap();
    cluster.restart(&proxy).unwrap();
    let at = proxies(&cluster).remove(0).1;
    let error = connect(&cluster, at).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Banned), "{error}");
    account(&store, &["unban", "127.0.0.1/8"]);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        eventually("somebody is let in again", PATIENCE, || {
            runtime.block_on(connect(&cluster, at)).is_ok()
        });
    })
    .await
    .unwrap();
}

#[test]
fn whom_the_store_does_not_know_cannot_be_kicked_and_no_store_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(support::one(&folder.path().join("d")));
    let store = cluster.data().join("world.db");
    let refused = |arguments: &[&str], store: &Path| {
        let store = ["--store", store.to_str().unwrap()];
        let (code, out, error) = finish(&[&["account"], arguments, &store].concat());
        assert_eq!(code, 2, "{out}{error}");
        error
    };
    assert!(refused(&["kick", "7"], &store).contains("user 7 has no account and never logged in"));
    assert!(refused(&["unban", "203.0.113.0/24"], &store).contains("is not banned"));
    assert!(refused(&["ban", "203.0.113.0/33"], &store).contains("is no network"));
    for command in ["kick", "ban", "unban"] {
        assert!(refused(&[command, "Ada"], &store).contains("there is no account Ada"));
    }
    assert!(refused(&["mute", "7"], &store).contains("user 7 has no account and never logged in"));
    assert!(refused(&["mute", "Ada"], &store).contains("there is no account Ada"));
    assert!(refused(&["unmute", "7"], &store).contains("user 7 is not muted"));
    assert!(refused(&["ban", "7", "--reason", "a\nb"], &store).contains("one line"));
    assert!(refused(&["reset", "Ada"], &store).contains("there is no account Ada"));
    assert!(refused(&["delete", "7"], &store).contains("there is no account 7"));
    assert!(refused(&["reset", "A\u{200b}da"], &store).contains("U+200B"));
    let missing = folder.path().join("missing.db");
    refused(&["list"], &missing);
    assert!(!missing.exists());
}

#[tokio::test]
async fn an_account_is_found_by_its_name_gets_a_code_for_a_forgotten_password_and_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(support::one(&folder.path().join("d")));
    let place = cluster.data().join("world.db");
    let (_, at) = proxies(&cluster).remove(0);
    let mut client = connect(&cluster, at).await.unwrap();
    playing(&mut client).await;
    let user = client.user();
    let called = format!("user {}", user.0);
    let store = NodeStore::open(&place).unwrap();
    let ask = |request| match store.execute(&[StoreRequest::Account(request)]).remove(0) {
        Ok(StoreReply::Account(reply)) => reply,
        other => panic!("{other:?}"),
    };
    let found = || match ask(AccountRequest::Read(AccountKey::User(user))) {
        AccountReply::Account(found) => found,
        other => panic!("{other:?}"),
    };
    let new = NewAccount {
        user,
        name: "Ada".to_owned(),
        fold: "ada".to_owned(),
        look: "ada".to_owned(),
        verifier: Verifier("$argon2id$".to_owned()),
        identity: None,
    };
    assert_eq!(ask(AccountRequest::Create(Box::new(new))), AccountReply::Created);
    let said = account(&place, &["reset", "ADA"]);
    let code = said.lines().nth(1).unwrap();
    assert!(
        said.starts_with(&format!("Ada ({called}) sets a new password")) && code.len() == 23,
        "{said}"
    );
    let hash: [u8; 32] = Sha256::digest(code).into();
    assert_eq!(found().unwrap().reset_hash, Some(hash));
    assert_ne!(
        account(&place, &["reset", &user.0.to_string()]),
        said,
        "each code is another one"
    );
    for (arguments, told) in [
        (["kick", "ada"], "is kicked"),
        (["ban", "ada"], "is banned until it is lifted"),
        (["unban", "Ada"], "is banned no more"),
    ] {
        let said = account(&place, &arguments);
        assert!(said.starts_with(&format!("{called} {told}")), "{said}");
    }
    assert_eq!(end_of(&mut client).await.code(), Some(Code::Kicked));
    let said = account(&place, &["delete", "Ada", "--reason", "as asked"]);
    assert!(
        said.contains(&format!("the account of Ada ({called}) is no more")),
        "{said}"
    );
    assert!(found().is_none());
    store.close();
}
