//! Players who cannot be let in hear why: the store is somebody else's just now, or nobody serves their part of the world.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Client, ClientEvent, ConnectOptions, ConnectionError, Credentials, Datagrams, JoinFile};
use client_core::AccountClient;
use net::entropy::OsEntropy;
use protocol::Code;
use protocol::sealed_deed::Deed;
use regionmesh::{Cluster, ClusterOptions};
use rusqlite::Connection;
use support::{ONE, PATIENCE, eventually, finish, one, program, start};
use tokio::time::timeout;

async fn connect(join: &Path) -> Result<Client, ConnectionError> {
    let join = JoinFile::read(join).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: "Ada".to_owned(),
        },
        datagrams: Datagrams::Allowed,
    };
    Client::connect(options).await
}

/// All know one proxy, and are spread over both.
#[test]
fn newcomers_are_sent_to_the_proxy_that_has_fewer() {
    const PLAYERS: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let known = folder.path().join("join.json");
    let join = std::fs::read(cluster.join_file()).unwrap();
    let mut join: serde_json::Value = serde_json::from_slice(&join).unwrap();
    join["proxies"].as_array_mut().unwrap().truncate(1);
    std::fs::write(&known, join.to_string()).unwrap();
    let players = PLAYERS.to_string();
    let line = [
        "loadtest",
        "--players",
        &players,
        "--for",
        "30s",
        "--logins",
        "25",
        "--join",
    ];
    let mut swarm = std::process::Command::new(program())
        .args(line)
        .arg(&known)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let at = |edge, what: &str| cluster.status(edge).unwrap()[what].as_u64().unwrap();
    eventually("everybody plays", PATIENCE, || {
        at("edge-1", "playing") + at("edge-2", "playing") == PLAYERS
    });
    let players = ["edge-1", "edge-2"].map(|edge| at(edge, "playing"));
    eventually(
        "all of the other proxy's are counted as sent there",
        PATIENCE,
        || cluster.status("edge-1").unwrap()["refused"]["login_sent_on"] == players[1],
    );
    let _ = swarm.kill();
    let _ = swarm.wait();
    // Figures travel for a second, in which as many as have just been sent there count twice.
    assert!(players[0].abs_diff(players[1]) <= 30, "{players:?}");
}

/// A swarm that nobody lets in; what it says at its end.
fn swarm(join: &Path) -> String {
    let join = join.to_str().unwrap();
    let (code, out, error) = finish(&["loadtest", "--join", join, "--players", "2", "--for", "1s"]);
    assert_eq!(code, 3, "{out}{error}");
    error
}

#[tokio::test]
async fn whoever_comes_while_the_store_is_locked_hears_that_it_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(one(&folder.path().join("d")));
    let writer = Connection::open(cluster.data().join("world.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = connect(cluster.join_file()).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Busy), "{error}");
    assert!(error.to_string().contains("the store does not answer"), "{error}");
    let said = swarm(cluster.join_file());
    let why = said
        .lines()
        .find(|line| line.contains("no bot could log in"))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(why.contains("the store does not answer"), "{why}");
    assert!(why.contains("edge-1 is not ready: store"), "{why}");
    writer.execute_batch("ROLLBACK").unwrap();
    let mut last = None;
    for _ in 0..10 {
        match connect(cluster.join_file()).await {
            Ok(_) => return,
            Err(error) => last = Some(error),
        }
    }
    panic!("nobody is let in again: {last:?}");
}

/// Asks the accounts' API of the proxy; the status, and the document of the answer.
fn post(cluster: &Cluster, path: &str, authorization: &str, body: &str) -> (u16, serde_json::Value) {
    let http = cluster.addresses_of("edge-1").unwrap().listener("http").unwrap();
    let length = body.len();
    let lines = [
        format!("POST {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n"),
        format!("Authorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{body}"),
    ];
    let mut io = TcpStream::connect(http).unwrap();
    io.write_all(lines.concat().as_bytes()).unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).unwrap();
    let (head, document) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(document).unwrap())
}

/// Has an auth node do something, by the API, for a new client.
fn sealed(cluster: &Cluster, path: &str, deed: &Deed) -> (u16, serde_json::Value) {
    let trust = JoinFile::read(cluster.join_file()).unwrap().trust().unwrap();
    let account = AccountClient::new(&mut OsEntropy);
    let sealed = account.sealed((trust.cluster_id, &trust.auth), deed, &mut OsEntropy);
    let sealed = STANDARD.encode(sealed.unwrap().expect("an auth node in join.json"));
    let body = serde_json::json!({ "sealed": sealed }).to_string();
    let asked = ("POST", path);
    let word = account.authorization(trust.cluster_id, asked, body.as_bytes(), node::clock::wall_ms());
    post(cluster, path, &word, &body)
}

async fn log_in(cluster: &Cluster, password: &str) -> Result<Client, ConnectionError> {
    let join = JoinFile::read(cluster.join_file()).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Password {
            name: "Ada".to_owned(),
            password: password.to_owned().into(),
        },
        datagrams: Datagrams::Off,
    };
    Client::connect(options).await
}

const PASSWORD: &str = "correct horse battery staple";

/// One game server, one proxy and an auth node, whose passwords cost little.
fn with_auth_node(folder: &Path) -> Cluster {
    const AUTH: &str = "[[auth]]\nname = \"auth-1\"\nnumber = 201\nproxy = \"127.0.0.1:0\"\n";
    let cheap = [("MEMORY_KIB", "64"), ("ROUNDS", "1")];
    let cheap = cheap.map(|(key, value)| (format!("REGIONMESH_AUTH__PASSWORD_{key}"), value.to_owned()));
    start(ClusterOptions {
        topology: ONE.replacen("[[proxy]]", &format!("{AUTH}[[proxy]]"), 1),
        environment: cheap.to_vec(),
        ..one(folder)
    })
}

fn register() -> Deed {
    Deed::Register {
        name: "Ada".to_owned(),
        password: PASSWORD.to_owned().into(),
    }
}

/// What is said openly is not even looked at, and what is sealed is done: the user that has an account then.
fn registered(cluster: &Cluster) -> String {
    let account = AccountClient::new(&mut OsEntropy);
    let trust = JoinFile::read(cluster.join_file()).unwrap().trust().unwrap();
    let path = "/api/register";
    let open = serde_json::json!({"name": "Ada", "password": PASSWORD}).to_string();
    let (asked, now) = (("POST", path), node::clock::wall_ms());
    let word = account.authorization(trust.cluster_id, asked, open.as_bytes(), now);
    let (status, refused) = post(cluster, path, &word, &open);
    assert_eq!(
        (status, refused["error"].as_str()),
        (403, Some("RoleDenied")),
        "{refused}"
    );
    let (status, granted) = sealed(cluster, path, &register());
    assert_eq!(
        (status, granted["name"].as_str()),
        (200, Some("Ada")),
        "{granted}"
    );
    let (status, taken) = sealed(cluster, path, &register());
    assert_eq!(
        (status, taken["error"].as_str()),
        (409, Some("NameTaken")),
        "{taken}"
    );
    granted["user"].as_str().unwrap().to_owned()
}

fn counted(cluster: &Cluster, node: &str, metric: &str) -> f64 {
    let metrics = cluster.metrics(node).unwrap();
    let line = metrics.lines().find(|line| line.starts_with(metric));
    let figure = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    figure.unwrap_or(0.0)
}

// SD-3: the proxy has no password, and the auth node dies and comes back.
#[tokio::test]
async fn sd_3_an_auth_node_alone_reads_passwords_and_only_they_miss_it_while_it_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = with_auth_node(&folder.path().join("d"));
    let user = registered(&cluster);
    let mut client = log_in(&cluster, PASSWORD).await.unwrap();
    assert_eq!(client.user().0.to_string(), user);
    let wrong = log_in(&cluster, "correct horse battery stapler").await;
    assert_eq!(wrong.err().unwrap().code(), Some(Code::AuthFailed));
    let computed = |node, role: &str| counted(&cluster, node, &format!("regionmesh_{role}_passwords_total"));
    assert_eq!(
        (computed("auth-1", "auth"), computed("edge-1", "proxy")),
        (3.0, 0.0)
    );

    cluster.kill("auth-1").unwrap();
    let admin = cluster.addresses_of("edge-1").unwrap().admin.to_string();
    let ready = || support::ask(&admin, "GET /readyz?verbose");
    let misses_it = || ready().contains("nobody comes by a password meanwhile");
    eventually("the proxy misses it", PATIENCE, misses_it);
    assert!(ready().lines().next().unwrap().contains(" 200 "), "{}", ready());
    let error = log_in(&cluster, PASSWORD).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Busy), "{error}");
    assert!(
        error.to_string().contains("who checks passwords is away"),
        "{error}"
    );
    let (status, away) = sealed(&cluster, "/api/login", &register());
    assert_eq!(
        (status, away["retry_ms"].as_u64() > Some(0)),
        (503, true),
        "{away}"
    );
    // A guest comes in, and who has logged in plays on.
    connect(cluster.join_file()).await.unwrap();
    let plays = async { while !matches!(client.next_event().await.unwrap(), ClientEvent::Snapshot(_)) {} };
    timeout(PATIENCE, plays).await.expect("it does not play");

    cluster.restart("auth-1").unwrap();
    eventually("it is linked again", PATIENCE, || !misses_it());
    log_in(&cluster, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn whoever_comes_while_nobody_serves_the_world_hears_that_it_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(one(&folder.path().join("d")));
    cluster.kill("gs-a").unwrap();
    eventually("the proxy misses its game server", PATIENCE, || {
        cluster.status("edge-1").unwrap()["not_ready"]
            .to_string()
            .contains("links")
    });
    let mut client = connect(cluster.join_file()).await.unwrap();
    let told = async {
        loop {
            if let ClientEvent::Notice(code, text) = client.next_event().await.unwrap() {
                return (code, text);
            }
        }
    };
    let (code, text) = timeout(PATIENCE, told).await.expect("nothing is told");
    assert_eq!(code, Code::WorldRecovering, "{text}");
    // The cluster's own pages name the server; whoever has none of them hears what players hear.
    assert!(swarm(cluster.join_file()).contains("the cluster cannot be counted: gs-a: "));
    let blind = folder.path().join("join.json");
    let mut join: serde_json::Value =
        serde_json::from_slice(&std::fs::read(cluster.join_file()).unwrap()).unwrap();
    join["observe"] = serde_json::Value::Array(Vec::new());
    std::fs::write(&blind, join.to_string()).unwrap();
    let said = swarm(&blind);
    assert!(
        said.contains("no bot could log in: This part of the world is being recovered"),
        "{said}"
    );
}
