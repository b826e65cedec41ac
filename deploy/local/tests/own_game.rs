//! A game of its own on real processes, which are this very program: its rules panic and hang, put players to a server that
//! theirs has no link to, and have a cow that outlives servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::ExitCode;
use std::time::Duration;

use client::{
    Client, ClientEvent, CommandClass, ConnectOptions, Credentials, Datagrams, JoinFile, SnapshotNews,
};
use game::bytes::Bytes;
use game::{Ctx, EntityId, Game, GameCommand, GameLogic, NoSettings, Position, Reliability, UserId, World};
use regionmesh::{Cluster, ClusterOptions, Ended, Program};
use support::{PATIENCE, eventually, logs, start};
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
        Rules::default()
    }
}

#[derive(Default)]
struct Rules {
    cows: Vec<EntityId>,
}

impl Rules {
    /// Which cows are here, in the order of their numbers.
    fn herd(&self) -> Bytes {
        let mut cows = self.cows.clone();
        cows.sort_unstable();
        let numbers = cows.into_iter().flat_map(|cow| cow.0.to_le_bytes());
        numbers.collect::<Vec<u8>>().into()
    }
}

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
            [b'c'] => {
                let at = Position { x: 120.0, y: 60.0 };
                if let Some(cow) = ctx.spawn_persistent(2, at, &[]) {
                    self.cows.push(cow);
                }
            }
            [b'w'] => {
                for cow in &self.cows {
                    ctx.walk(*cow, Position { x: 131.0, y: 60.0 }, 0, 0.0);
                }
            }
            [b'h'] => ctx.tell(command.user, self.herd(), Reliability::Soft),
            [b'n'] => ctx.tell(command.user, Bytes::from_static(b"noted"), Reliability::Durable),
            [b'z'] => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            _ => panic!("told to"),
        }
    }

    fn came(&mut self, _: &mut dyn Ctx, cow: EntityId) {
        self.cows.push(cow);
    }

    fn went(&mut self, _: &mut dyn Ctx, cow: EntityId) {
        self.cows.retain(|other| *other != cow);
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

/// Asks which cows are in the player's region, until the answer is as wanted.
async fn until_cows(client: &mut Client, what: &str, is_it: impl Fn(&[u64]) -> bool) -> Vec<u64> {
    let mut cows = Vec::new();
    let mut asked = 0;
    let ask = async {
        loop {
            // One is lost with the server that was asked.
            let command = client.send_command(CommandClass::Soft, Bytes::from_static(b"h"));
            asked += u32::from(command.is_ok());
            let mut answer = None;
            let heard = play_until(client, what, |event| {
                if let ClientEvent::Event(_, body) = event {
                    answer = Some(body.clone());
                }
                answer.is_some()
            });
            let _ = timeout(Duration::from_secs(2), heard).await;
            let Some(body) = answer else { continue };
            let (numbers, _) = body.as_chunks::<8>();
            cows = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
            if is_it(&cows) {
                return;
            }
        }
    };
    let ended = timeout(PATIENCE, ask).await;
    assert!(
        ended.is_ok(),
        "not in time: {what}, after {asked} questions: {cows:x?}"
    );
    cows
}

async fn a_creature_is_there_again_once_after_its_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        topology: topology(),
        topology_name: "row.toml".to_owned(),
        ..ClusterOptions::new(std::env::current_exe().unwrap(), folder.path().join("d"))
    });
    let mut client = connect(&cluster).await;
    let say = |client: &mut Client, what: Vec<u8>| {
        client
            .send_command(CommandClass::Durable, Bytes::from(what))
            .unwrap();
    };
    say(&mut client, vec![b'c']);
    let cow = until_cows(&mut client, "a cow", |cows| cows.len() == 1).await;
    eventually("its birth is in the store", PATIENCE, || {
        let status = cluster.status("gs-1").unwrap();
        let region = &status["regions"][0];
        region["persistent"] == 1 && region["creatures_unwritten"] == 0
    });
    cluster.kill("gs-1").unwrap();
    cluster.restart("gs-1").unwrap();
    until_cows(&mut client, "the same cow, once", |cows| cows == cow).await;

    say(&mut client, vec![b'w']);
    until_cows(&mut client, "it has left", <[u64]>::is_empty).await;
    say(&mut client, vec![b'g', 80, 30]);
    arrive(&mut client, 2).await;
    until_cows(&mut client, "it is over there", |cows| cows == cow).await;
    for name in ["gs-2", "gs-1"] {
        cluster.kill(name).unwrap();
        cluster.restart(name).unwrap();
        until_cows(&mut client, "it is over there, once", |cows| cows == cow).await;
    }
    say(&mut client, vec![b'g', 5, 30]);
    arrive(&mut client, 1).await;
    until_cows(&mut client, "and not here", <[u64]>::is_empty).await;
    assert!(
        cluster.stop().iter().all(|(_, ended)| ended.is_as_told()),
        "all have drained"
    );
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

/// The process ends by itself and says why; the next one is not held up by the same command, and does the one after it.
async fn a_command_that_hangs_ends_the_process_and_is_refused_by_the_next_one() {
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
    let [_, noted] = [&b"z"[..], b"n"].map(|body| {
        let body = Bytes::copy_from_slice(body);
        client.send_command(CommandClass::Durable, body).unwrap()
    });
    let ended = play_until_one_ends(&mut client, &mut cluster).await;
    assert_eq!(ended.0, "gs-1");
    assert_eq!(ended.1.status.code(), Some(9), "{:?}", ended.1);
    let words = "do not come back from `command`";
    assert!(ended.1.last_line.contains(words), "{:?}", ended.1);
    cluster.restart("gs-1").unwrap();
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
    assert_eq!(cluster.take_deaths().len(), 0, "nobody else has died of it");
    assert!(
        cluster.stop().iter().all(|(_, ended)| ended.is_as_told()),
        "all have drained"
    );
}

/// Plays until a node has died.
async fn play_until_one_ends(client: &mut Client, cluster: &mut Cluster) -> (String, Ended) {
    let mut ticks = interval(Duration::from_millis(50));
    let play = async {
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    client.send_input(Bytes::new());
                    if let Some(ended) = cluster.take_deaths().pop() {
                        return ended;
                    }
                }
                event = client.next_event() => drop(event.unwrap()),
            }
        }
    };
    timeout(PATIENCE, play)
        .await
        .expect("not in time: the end of a process")
}

fn main() -> ExitCode {
    const PANIC: &str = "a_panic_costs_a_command_and_a_teleport_goes_where_no_link_is";
    const HANG: &str = "a_command_that_hangs_ends_the_process_and_is_refused_by_the_next_one";
    const COW: &str = "a_creature_is_there_again_once_after_its_server_was_killed";
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words
        .first()
        .is_some_and(|first| matches!(&**first, "gameserver" | "proxy"))
    {
        return Program::of::<Restless>().main();
    }
    // As the harness of other tests takes them.
    if words.iter().any(|word| word == "--list" || word == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let names: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_meant = |test: &str| names.is_empty() || names.iter().any(|name| test.contains(&***name));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if is_meant(PANIC) {
        runtime.block_on(a_panic_costs_a_command_and_a_teleport_goes_where_no_link_is());
    }
    if is_meant(COW) {
        runtime.block_on(a_creature_is_there_again_once_after_its_server_was_killed());
    }
    if is_meant(HANG) {
        runtime.block_on(a_command_that_hangs_ends_the_process_and_is_refused_by_the_next_one());
    }
    ExitCode::SUCCESS
}
