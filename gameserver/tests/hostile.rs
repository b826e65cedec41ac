//! Stolen nodes at the real listeners of a game server, with true papers: whatever they say of what they do not own is
//! refused and counted, and harms nobody.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use std::collections::BTreeMap;
use std::time::Duration;

use demo::Command as GemsCommand;
use protocol::identity::Role;
use protocol::ids::{NodeNumber, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::{Command, CommandClass, Joined};
use servers::client::{Client, user_at};
use servers::lies::{LAWFUL, Lie, lies_of_a_proxy, lies_of_a_server};
use servers::proxy::{Neighbour, Proxy};
use servers::{Cluster, Server};
use store::{PlayerRow, StoreReply, StoreRequest};

/// How often the counters are looked at, and how long they may take.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(20);

const A: NodeNumber = NodeNumber(1);
/// The store is asked once for claims that come in quick succession.
const ASKED_TOGETHER: &str = "messages.serving_unissued";

/// All that a server has refused, by kind and reason.
fn refused(server: &Server) -> BTreeMap<String, u64> {
    let status = server.status();
    let kinds = status["refused"].as_object().unwrap();
    let each = kinds.iter().flat_map(|(kind, reasons)| {
        let reasons = reasons.as_object().into_iter().flatten();
        reasons.map(move |(reason, count)| (format!("{kind}.{reason}"), count.as_u64().unwrap_or(0)))
    });
    let each = each.map(|(reason, count)| {
        let counted = if reason == ASKED_TOGETHER {
            count.min(1)
        } else {
            count
        };
        (reason, counted)
    });
    each.filter(|(_, count)| *count > 0).collect()
}

/// A player inside, by way of an honest proxy.
struct Victim {
    client: Client,
    edge: Proxy,
    joined: Joined,
    commands: u64,
}

impl Victim {
    async fn enter(cluster: &Cluster) -> Self {
        let mut edge = Proxy::new(cluster.open("edge-1", Role::Proxy));
        let at = cluster.topology.server(A).unwrap().proxy.socket().unwrap();
        edge.dial(A, at);
        edge.up(A).await;
        let user = user_at(&cluster.topology, |at| at.x < 32.0);
        let client = Client::new(user, &edge.dir);
        let joined = client.enter(&mut edge, A).await;
        Self {
            client,
            edge,
            joined,
            commands: 0,
        }
    }

    fn user(&self) -> UserId {
        self.client.user
    }

    fn row(&self, cluster: &Cluster) -> PlayerRow {
        match cluster.ask_store(StoreRequest::LoadPlayer { user: self.user() }) {
            StoreReply::Player(Some(row)) => row,
            other => panic!("{other:?}"),
        }
    }

    /// Plays on under the same owner, as if nothing had been said.
    async fn assert_unharmed(&mut self, cluster: &Cluster, what: &str) {
        self.commands += 1;
        let body = GemsCommand::Emote(3).encode();
        let (user, owner_epoch) = (self.client.user.0, self.joined.owner_epoch);
        self.edge.say(
            A,
            Command {
                user,
                owner_epoch,
                number: self.commands,
                class: CommandClass::Soft.into(),
                body,
                session_generation: 1,
            },
        );
        let wanted = self.commands;
        let acked = |message: &ServerToProxy| match message {
            ServerToProxy::CommandAck(ack) if ack.user == user && ack.number == wanted => {
                Some(ack.owner_epoch)
            }
            ServerToProxy::Moved(_) | ServerToProxy::Elsewhere(_) | ServerToProxy::Superseded(_) => {
                panic!("{what}: {message:?}")
            }
            _ => None,
        };
        let epoch = self.edge.hear(A, what, acked).await;
        assert_eq!(epoch, owner_epoch, "{what}");
        let row = self.row(cluster);
        assert_eq!((row.owner, row.owner_epoch.0), (Some(A), owner_epoch), "{what}");
    }
}

/// Says every lie, sees that the victim plays on, and waits until each is counted for its reason, and nothing else is.
async fn assert_refused<M>(
    cluster: &Cluster,
    a: &Server,
    victim: &mut Victim,
    lies: Vec<Lie<M>>,
    say: impl Fn(M),
) where
    M: std::fmt::Debug,
{
    let mut wanted = BTreeMap::new();
    for (message, reason) in lies {
        let what = format!("{message:?}");
        say(message);
        victim.assert_unharmed(cluster, &what).await;
        for reason in reason.split_whitespace() {
            let reason = format!("messages.{reason}");
            let is_counted = reason != ASKED_TOGETHER || !wanted.contains_key(&reason);
            *wanted.entry(reason).or_insert(0) += u64::from(is_counted);
        }
    }
    let is_counted = async {
        while refused(a) != wanted {
            tokio::time::sleep(LOOK).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, is_counted).await;
    assert!(in_time.is_ok(), "counted {:?}, wanted {wanted:?}", refused(a));
}

/// What the guarantees say of the number of these lies is so.
fn assert_promised<M>(thief: &str, lies: &[Lie<M>]) {
    let lawful = lies.iter().filter(|(_, reason)| *reason == LAWFUL).count();
    let (cells, denied) = (lies.len(), lies.len() - lawful);
    let row = format!("| {thief} | {cells} | {denied} | {lawful} |");
    let promised = include_str!("../../docs/guarantees.md");
    assert!(promised.contains(&row), "docs/guarantees.md has no row {row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_game_server_says_of_others_is_refused() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let mut victim = Victim::enter(&cluster).await;
    let mut thief = Neighbour::new(cluster.open("gs-b", Role::GameServer));
    thief.dial(A, cluster.topology.server(A).unwrap().peer.socket().unwrap());
    thief.up(A).await;
    let lies = lies_of_a_server(&victim.joined);
    assert_promised("game server, at a game server", &lies);
    assert_refused(&cluster, &a, &mut victim, lies, |message| thief.say(A, message)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_proxy_says_of_others_is_refused() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let mut victim = Victim::enter(&cluster).await;
    let mut thief = Proxy::new(cluster.open("edge-2", Role::Proxy));
    thief.dial(A, cluster.topology.server(A).unwrap().proxy.socket().unwrap());
    thief.up(A).await;
    let lies = lies_of_a_proxy(&victim.joined);
    assert_promised("proxy, at a game server", &lies);
    assert_refused(&cluster, &a, &mut victim, lies, |message| thief.say(A, message)).await;
}
