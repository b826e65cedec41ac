//! A stolen game server, with true papers, at the real links of a proxy: whatever it says of players and regions that are not its own
//! is refused and counted, and the player plays on with its owner.

#![allow(clippy::panic, reason = "a test may")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::Code;
use protocol::message::client;
use protocol::message::family::{BatchMessage as _, ProxyToClient, ProxyToServer, ServerToProxy};
use protocol::message::node::Kick;
use protocol::message::player::{
    Announce, CommandAck, CommandClass, Elsewhere, Event, Here, Join, JoinRefused, Joined, Moved, Notify,
    Output, Superseded,
};
use protocol::message::subscription::{CellUpdates, GetTopology, RegionBrief, Serving, TickEnd, Topology};
use proxy::server::Proxy;
use world::client::Client;
use world::server::{GameServer, joined};
use world::{A, B, HOME, WEST, World, ada_plays, eventually};

const EDGE: u16 = 101;
/// The region that the thief may serve, and one that nobody has.
const THIEFS: u32 = 2;
const NOBODYS: u32 = 77;
/// An epoch that no store has given out.
const MADE_UP: u64 = 1 << 60;
/// Nobody has this number.
const NOBODY: u64 = 424_242;
/// Links take it out themselves.
const HEARTBEAT: u8 = 0x21;
/// Anybody may say that.
const LAWFUL: &str = "";
/// The store is asked once for claims that come in quick succession.
const ASKED_TOGETHER: &str = "serving_unissued";

/// What is said, and the reason for which it is refused, once by each lane that hears it.
type Lie = (ServerToProxy, &'static str);

/// What is said of a user: of the victim's, with all that its former owner may know, and of nobody's.
fn lies_of_a_user(join: &Join, owner_epoch: u64, region_epoch: u64) -> Vec<Lie> {
    let true_words = joined(join, owner_epoch, region_epoch);
    let mut lies = Vec::new();
    for user in [join.user, NOBODY] {
        let there = |reason: &'static str| {
            if user == join.user {
                reason
            } else {
                "user_not_here"
            }
        };
        let here = Joined {
            user,
            ..true_words.clone()
        };
        lies.extend(of_output(user, owner_epoch, there));
        lies.extend(of_presence(&here, user == join.user));
        lies.extend(of_moves(user, owner_epoch, there));
        lies.extend(of_ends(&here, there));
    }
    lies
}

fn of_output(user: u64, owner_epoch: u64, there: impl Fn(&'static str) -> &'static str) -> Vec<Lie> {
    let output = |owner_epoch| Output {
        user,
        owner_epoch,
        tick: 1,
        input_ack: 0,
        home_cell: HOME.0,
        own: Bytes::from_static(b"lie"),
        discontinuity: 0,
        cells: Vec::new(),
    };
    let ack = CommandAck {
        user,
        owner_epoch,
        number: 1 << 40,
        session_generation: 1,
    };
    let event = Event {
        user,
        owner_epoch,
        number: 1,
        body: Bytes::from_static(b"lie"),
        session_generation: 1,
    };
    vec![
        (output(owner_epoch).into(), there("output_not_owner")),
        // It might be the next owner: nothing is believed before the present one says so.
        (output(owner_epoch + 1).into(), there("output_early")),
        (output(MADE_UP).into(), there("output_not_owner")),
        (ack.into(), there("output_not_owner")),
        (event.into(), there("output_not_owner")),
    ]
}

/// Who says that a player is there is answered where nobody waits for it; where somebody plays, the store is asked at most.
fn of_presence(true_words: &Joined, is_victim: bool) -> Vec<Lie> {
    let claimed = Joined {
        region: THIEFS,
        owner_epoch: MADE_UP,
        ..true_words.clone()
    };
    let here = Here {
        user: claimed.user,
        owner_epoch: claimed.owner_epoch,
        region: THIEFS,
        region_epoch: claimed.region_epoch,
        home_cell: claimed.home_cell,
        entity: claimed.entity,
        last_input: 0,
        last_command: 0,
        session: claimed.session.clone(),
    };
    let not_asked = if is_victim { "joined_not_asked" } else { LAWFUL };
    vec![
        (claimed.into(), not_asked),
        (here.clone().into(), LAWFUL),
        (
            Here {
                owner_epoch: 1,
                ..here
            }
            .into(),
            LAWFUL,
        ),
    ]
}

fn of_moves(user: u64, from_epoch: u64, there: impl Fn(&'static str) -> &'static str) -> Vec<Lie> {
    let moved = |owner_epoch| Moved {
        user,
        from_epoch,
        node: u32::from(B.0),
        region: THIEFS,
        owner_epoch,
    };
    let elsewhere = |node| Elsewhere {
        user,
        node,
        region: THIEFS,
        owner_epoch: from_epoch + 1,
    };
    vec![
        (moved(from_epoch + 1).into(), there("moved_not_owner")),
        (moved(MADE_UP).into(), there("moved_not_owner")),
        (elsewhere(u32::from(B.0)).into(), there("elsewhere_not_owner")),
        (elsewhere(0).into(), there("elsewhere_not_owner")),
    ]
}

fn of_ends(true_words: &Joined, there: impl Fn(&'static str) -> &'static str) -> Vec<Lie> {
    let (user, session) = (true_words.user, true_words.session.clone());
    let refused = JoinRefused {
        user,
        session: session.clone(),
        code: u32::from(Code::Banned.number()),
        retry_ms: 0,
    };
    let kick = Kick {
        user,
        ..Kick::default()
    };
    vec![
        (refused.into(), there("join_refused_not_asked")),
        (Superseded { user, session }.into(), there("superseded_not_owner")),
        (kick.into(), there("kick_not_owner")),
    ]
}

fn brief(region: u32, region_epoch: u64) -> Lie {
    let brief = RegionBrief {
        region,
        region_epoch,
        ..RegionBrief::default()
    };
    (brief.into(), "brief_not_serving")
}

/// What is said to all: of the victim's region at its true epoch, of the thief's at one that no store has given out, of nobody's.
fn lies_of_regions(region_epoch: u64) -> Vec<Lie> {
    let mut lies = vec![
        (GetTopology::default().into(), LAWFUL),
        (
            Topology {
                bundle: Bytes::from_static(&[7; 64]),
            }
            .into(),
            "topology_refused",
        ),
    ];
    for (region, region_epoch) in [(WEST.0, region_epoch), (THIEFS, MADE_UP), (NOBODYS, 1)] {
        let serving = if region == THIEFS {
            ASKED_TOGETHER
        } else {
            "serving_denied"
        };
        let body = Bytes::from_static(b"lie");
        let notify = |user| Notify {
            user,
            region,
            region_epoch,
            body: body.clone(),
        };
        lies.extend([
            (
                Serving {
                    region,
                    region_epoch: MADE_UP,
                    ..Serving::default()
                }
                .into(),
                serving,
            ),
            (
                CellUpdates {
                    region,
                    region_epoch,
                    ..CellUpdates::default()
                }
                .into(),
                "cells_not_serving",
            ),
            (
                TickEnd {
                    region,
                    region_epoch,
                    ..TickEnd::default()
                }
                .into(),
                "tick_end_not_serving",
            ),
            brief(region, region_epoch),
            (notify(NOBODY).into(), "news_not_serving"),
            (
                Announce {
                    region,
                    region_epoch,
                    body: body.clone(),
                }
                .into(),
                "news_not_serving",
            ),
        ]);
    }
    lies
}

/// A player inside and its owner.
struct Victim {
    client: Client,
    owner: GameServer,
    owner_epoch: u64,
    commands: u64,
}

impl Victim {
    /// What it says comes to its owner, what the owner says comes to it, and nobody else's word does.
    async fn assert_unharmed(&mut self, what: &str) {
        self.commands += 1;
        let number = self.commands;
        let command = client::Command {
            number,
            class: CommandClass::Soft.into(),
            body: Bytes::from_static(b"step"),
        };
        self.client.say(command).await;
        let heard = self.owner.heard(|_, message| match message {
            ProxyToServer::Command(command) if command.number == number => Some(command.clone()),
            ProxyToServer::Join(_) | ProxyToServer::Leave(_) => panic!("{what}: {message:?}"),
            _ => None,
        });
        let heard = heard.await;
        assert_eq!(heard.owner_epoch, self.owner_epoch, "{what}");
        let ack = CommandAck {
            user: heard.user,
            owner_epoch: self.owner_epoch,
            number,
            session_generation: heard.session_generation,
        };
        self.owner.say(EDGE, ack);
        let acked = self.client.heard(what, |message| match message {
            ProxyToClient::CommandAck(ack) => Some(ack.number),
            ProxyToClient::Snapshot(snapshot) if &snapshot.own[..] == b"lie" => panic!("{what}: shown"),
            ProxyToClient::Playing(_)
            | ProxyToClient::Event(_)
            | ProxyToClient::News(_)
            | ProxyToClient::Notice(_) => {
                panic!("{what}: {message:?}")
            }
            _ => None,
        });
        assert_eq!(acked.await, number, "{what}");
    }
}

/// Says every lie, sees that the victim plays on, and waits until each is counted for its reason.
async fn assert_refused(proxy: &Proxy, thief: &GameServer, victim: &mut Victim, lies: Vec<Lie>) {
    let mut wanted = BTreeMap::new();
    for (message, reason) in lies {
        let what = format!("{message:?}");
        let lanes = thief.say(EDGE, message) as u64;
        victim.assert_unharmed(&what).await;
        if reason == LAWFUL {
            continue;
        }
        let count = wanted.entry(reason).or_insert(0);
        *count += lanes;
        let (least, most) = if reason == ASKED_TOGETHER {
            (1, *count)
        } else {
            (*count, *count)
        };
        eventually(&what, || (least..=most).contains(&proxy.refused(reason))).await;
    }
    assert_eq!(proxy.sessions().sessions, 1);
}

/// What the guarantees say of the number of these lies is so.
fn assert_promised(lies: &[Lie]) {
    let lawful = lies.iter().filter(|(_, reason)| *reason == LAWFUL).count();
    let (cells, denied) = (lies.len(), lies.len() - lawful);
    let row = format!("| game server, at a proxy | {cells} | {denied} | {lawful} |");
    let promised = include_str!("../../docs/guarantees.md");
    assert!(promised.contains(&row), "docs/guarantees.md has no row {row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_game_server_says_of_others_is_refused() {
    let mut world = World::new().await;
    let (mut owner, mut thief) = (world.server(A), world.server(B));
    let proxy = world.proxy("edge-1").await;
    owner.serve(EDGE, world.region_epoch).await;
    thief.linked(EDGE).await;
    let (client, join, owner_epoch) = ada_plays(&world, &proxy, &mut owner).await;
    let mut victim = Victim {
        client,
        owner,
        owner_epoch,
        commands: 0,
    };
    let mut lies = lies_of_a_user(&join, owner_epoch, world.region_epoch);
    lies.extend(lies_of_regions(world.region_epoch));
    let said: BTreeSet<u8> = lies.iter().map(|(message, _)| message.family()).collect();
    let families = (0..=u8::MAX).filter(|family| *family != HEARTBEAT && is_of_a_server(*family));
    assert_eq!(said, families.collect(), "a family is left out");
    assert_promised(&lies);
    assert_refused(&proxy, &thief, &mut victim, lies).await;
    proxy.drain().await;
}

fn is_of_a_server(family: u8) -> bool {
    ServerToProxy::parse(family, Bytes::new()).is_ok()
}
