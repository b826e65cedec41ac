//! A game of its own on real processes, which are this very program: its rules panic, and put players to a server that theirs has
//! no link to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::ExitCode;
use std::time::Duration;

use client::{
    Client, ClientEvent, CommandClass, ConnectOptions, Credentials, Datagrams, JoinFile, SnapshotNews,
};
use game::bytes::Bytes;
use game::{Ctx, EntityId, Game, GameCommand, GameLogic, NoSettings, Position, Reliability, UserId, World};
use regionmesh::{Cluster, ClusterOptions, Program};
use support::{PATIENCE, logs, start};
use tokio::time::{interval, timeout};

struct Restless;

impl Game for Restless {
    const ID: &'static str = "restless";
    const VERSION: u32 = 1;
    type Settings = NoSettings;
    type Rules = Rules;

    fn new(_: NoSettings) -> Self {
        Self
    }

    fn rules(&self) -> Rules {
        Rules
    }
}

struct Rules;

impl GameLogic for Rules {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 10.0, y: 10.0 }
    }

    fn kind_of_player(&self) -> u16 {
        1
    }

    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        match *command.body {
            [b'g', x, y] => {
                let [x, y] = [x, y].map(|part| f32::from(part) * 2.0);
                ctx.teleport(command.user, Position { x, y });
            }
            [b'n'] => ctx.tell(command.user, Bytes::from_static(b"noted"), Reliability::Durable),
            _ => panic!("told to"),
        }
    }

    fn own_state(&self, ctx: &dyn Ctx, _: UserId, _: EntityId, out: &mut Vec<u8>) {
        out.extend(ctx.region().0.to_le_bytes());
    }
}

/// Four servers in a row: the first and the last are no neighbours.
fn topology() -> String {
    let mut text = "[world]\nname = \"row\"\nsize = [512, 128]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\n\
                    handover_margin = 1.0\n[grid]\ncolumns = 4\nrows = 1\nservers = [\"gs-1\", \"gs-2\", \"gs-3\", \"gs-4\"]\n\
                    [[proxy]]\nname = \"edge-1\"\nnumber = 101\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n"
        .to_owned();
    for number in 1..=4 {
        text += &format!(
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
        );
    }
    text
}

async fn connect(cluster: &Cluster) -> Client {
    let join = JoinFile::read(cluster.join_file()).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: "traveller".to_owned(),
        },
        datagrams: Datagrams::Allowed,
    };
    Client::connect(options).await.unwrap()
}

/// Plays until `is_it` says that what has been waited for has come.
async fn play_until(client: &mut Client, what: &str, mut is_it: impl FnMut(&ClientEvent) -> bool) {
    let mut ticks = interval(Duration::from_millis(50));
    let play = async {
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    client.send_input(Bytes::new());
                }
                event = client.next_event() => {
                    if is_it(&event.unwrap()) {
                        return;
                    }
                }
            }
        }
    };
    timeout(PATIENCE, play)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn is_in(news: &SnapshotNews, region: u32) -> bool {
    news.own[..] == region.to_le_bytes()
}

async fn arrive(client: &mut Client, region: u32) {
    let mut jumps = 0;
    play_until(client, &format!("region {region}"), |event| match event {
        ClientEvent::Snapshot(news) => {
            jumps += u32::from(news.has_jumped);
            is_in(news, region)
        }
        _ => false,
    })
    .await;
    assert!(jumps > 0, "on the way to region {region}");
}

async fn a_panic_costs_a_command_and_a_teleport_goes_where_no_link_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        topology: topology(),
        topology_name: "row.toml".to_owned(),
        ..ClusterOptions::new(std::env::current_exe().unwrap(), folder.path().join("d"))
    });
    let mut client = connect(&cluster).await;
    play_until(
        &mut client,
        "the world",
        |event| matches!(event, ClientEvent::Snapshot(news) if is_in(news, 1)),
    )
    .await;

    let pid = cluster.pid("gs-1").unwrap();
    let fatal = client
        .send_command(CommandClass::Durable, Bytes::from_static(b"die"))
        .unwrap();
    let noted = client
        .send_command(CommandClass::Durable, Bytes::from_static(b"n"))
        .unwrap();
    let (mut acked, mut told) = (0, 0);
    play_until(&mut client, "both commands over, and one obeyed", |event| {
        match event {
            ClientEvent::CommandAcked(number) => acked = acked.max(number.0),
            ClientEvent::Event(..) => told += 1,
            _ => {}
        }
        acked >= noted.0 && told == 1
    })
    .await;
    assert!(fatal.0 < noted.0);
    assert_eq!(cluster.pid("gs-1").unwrap(), pid, "the process lives");
    let said = logs(cluster.data());
    assert!(
        said.contains("the rules of the game panicked") && said.contains("told to"),
        "{said}"
    );

    for (x, region) in [(250, 4), (5, 1), (250, 4)] {
        client
            .send_command(CommandClass::Durable, Bytes::from(vec![b'g', x, 30]))
            .unwrap();
        arrive(&mut client, region).await;
    }
    assert!(
        cluster.stop().iter().all(|(_, ended)| ended.is_as_told()),
        "all have drained"
    );
}

fn main() -> ExitCode {
    const TEST: &str = "a_panic_costs_a_command_and_a_teleport_goes_where_no_link_is";
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words
        .first()
        .is_some_and(|first| matches!(&**first, "gameserver" | "proxy"))
    {
        return Program::of::<Restless>().main();
    }
    // As the harness of other tests takes them.
    let mut names = words.iter().filter(|word| !word.starts_with('-')).peekable();
    let is_meant = names.peek().is_none() || names.any(|name| TEST.contains(&**name));
    if is_meant && !words.iter().any(|word| word == "--list" || word == "--ignored") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(a_panic_costs_a_command_and_a_teleport_goes_where_no_link_is());
    }
    ExitCode::SUCCESS
}
