//! The servers' side: each a thread that sends a tick's requests at its time and takes the answers that have come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use protocol::ids::{AttemptId, EntityId, NodeNumber, OwnerEpoch, RegionNumber, StateVersion, UserId};
use store::limits::BATCH_ROWS_MAX;
use store::request::DurableCommit;
use store::sqlite::SqliteStore;
use store::{
    PlayerBody, PlayerRow, PlayerSave, Serving, Store, StoreAnswer, StoreHandle, StorePort, StoreReply,
    StoreRequest, StoreSettings,
};

use super::{COMMITS, HOLDINGS, LOADS, PASSES, PLAYERS, SAVES, SERVERS, STATE_BYTES, TICK_HZ, period};

/// No answer comes later than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// All servers on one file.
pub(super) struct Servers(Vec<Server>);

/// Milliseconds from asking to answer, by kind of request.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(BTreeMap<&'static str, Vec<f64>>);

struct Server {
    port: StorePort,
    woken: mpsc::Receiver<()>,
    /// Its two regions, between which its players cross.
    regions: [Serving; 2],
    players: Vec<Player>,
    asked: BTreeMap<u64, Asked>,
    next: u64,
    turn: u64,
    ticks: u32,
    latencies: Latencies,
}

#[derive(Clone, Copy)]
pub(super) struct Player {
    pub(super) user: UserId,
    pub(super) epoch: OwnerEpoch,
    pub(super) version: u64,
    /// The place of its region among the two.
    pub(super) region: usize,
}

struct Asked {
    kind: &'static str,
    at: Instant,
    /// Players with a write under way, by their place.
    writers: Vec<usize>,
}

impl Servers {
    /// Opens the file once for each server, and makes its players.
    pub(super) fn start(path: &Path) -> anyhow::Result<Self> {
        let servers = (1..=SERVERS).map(|number| Server::start(path, NodeNumber(number)));
        Ok(Self(servers.collect::<anyhow::Result<_>>()?))
    }

    /// Lets all of them play for so many seconds.
    pub(super) fn play(&mut self, seconds: u32) -> anyhow::Result<Latencies> {
        let began = Instant::now();
        let mut all = Latencies::default();
        thread::scope(|scope| {
            let playing: Vec<_> = (0..)
                .zip(&mut self.0)
                .map(|(index, server)| {
                    // Servers tick in phases of their own.
                    let began = began + period() * index / u32::from(SERVERS);
                    scope.spawn(move || server.play(began, seconds))
                })
                .collect();
            for played in playing {
                let Ok(played) = played.join() else {
                    bail!("a server's thread has panicked");
                };
                for (kind, times) in played?.0 {
                    all.0.entry(kind).or_default().extend(times);
                }
            }
            Ok(all)
        })
    }
}

impl Player {
    /// Its next version.
    pub(super) fn save(&mut self) -> PlayerSave {
        self.version += 1;
        PlayerSave {
            user: self.user,
            owner_epoch: self.epoch,
            version: StateVersion(self.version),
            body: body(),
        }
    }
}

impl Latencies {
    /// One more.
    pub(super) fn note(&mut self, kind: &'static str, ms: f64) {
        self.0.entry(kind).or_default().push(ms);
    }

    /// Median, 99th percentile and worst of each kind.
    pub(super) fn summary(&self) -> impl Iterator<Item = (&'static str, [f64; 3])> {
        self.0.iter().map(|(kind, times)| {
            let mut times = times.clone();
            times.sort_by(f64::total_cmp);
            let at = |percent: usize| {
                let index = times.len().saturating_sub(1) * percent / 100;
                times.get(index).copied().unwrap_or(f64::NAN)
            };
            (*kind, [at(50), at(99), at(100)])
        })
    }
}

impl Server {
    fn start(path: &Path, node: NodeNumber) -> anyhow::Result<Self> {
        let store = Arc::new(SqliteStore::open(path)?);
        let regions = [1, 2].map(|place| serve(&*store, node, RegionNumber(u32::from(node.0) * 2 + place)));
        let [west, east] = regions;
        let regions = [west?, east?];
        let users = (0..PLAYERS).map(|index| UserId(u64::from(node.0) * 10_000 + index));
        let mut players = Vec::new();
        for user in users {
            let row = new_row(user, regions[0]);
            let inserted = store.execute(&[StoreRequest::InsertPlayer { row }]).pop();
            let Some(Ok(StoreReply::Inserted(row))) = inserted else {
                bail!("a player is not made: {inserted:?}");
            };
            players.push(Player {
                user,
                epoch: row.owner_epoch,
                version: 1,
                region: 0,
            });
        }
        let store: Arc<dyn Store> = store;
        let (handle, _threads) = StoreHandle::spawn(&store, StoreSettings::default())?;
        let (wake, woken) = mpsc::channel();
        let port = handle.port(move || {
            let _ = wake.send(());
        });
        Ok(Self {
            port,
            woken,
            regions,
            players,
            asked: BTreeMap::new(),
            next: 0,
            turn: 0,
            ticks: 0,
            latencies: Latencies::default(),
        })
    }

    fn play(&mut self, began: Instant, seconds: u32) -> anyhow::Result<Latencies> {
        let mut answers = Vec::new();
        for tick in 0..seconds * TICK_HZ {
            let at = began + period() * tick;
            while let Some(left) = at.checked_duration_since(Instant::now()) {
                if self.woken.recv_timeout(left).is_ok() {
                    self.take_answers(&mut answers)?;
                }
            }
            let batch = self.tick();
            self.port.send_batch(batch);
        }
        while !self.asked.is_empty() {
            self.woken.recv_timeout(PATIENCE).context("the store is silent")?;
            self.take_answers(&mut answers)?;
        }
        Ok(std::mem::take(&mut self.latencies))
    }

    /// One tick's requests, once a second with a round of soft saves.
    fn tick(&mut self) -> Vec<(u64, StoreRequest)> {
        self.ticks += 1;
        let is_round = self.ticks.is_multiple_of(TICK_HZ);
        let mut batch = Vec::new();
        let mut busy: BTreeSet<usize> = self
            .asked
            .values()
            .flat_map(|asked| asked.writers.iter().copied())
            .collect();
        for _ in 0..PASSES + COMMITS {
            let place = (self.turn % PLAYERS) as usize;
            self.turn += 1;
            if !busy.insert(place) {
                continue;
            }
            let is_pass = self.turn % (PASSES + COMMITS) >= COMMITS;
            let request = if is_pass {
                self.pass(place)
            } else {
                self.commit(place)
            };
            let kind = if is_pass { "handover" } else { "durable command" };
            batch.push(self.ask(kind, request, vec![place]));
        }
        for index in 0..LOADS + HOLDINGS {
            let user = self.player(self.turn + index).user;
            let request = if index < LOADS {
                StoreRequest::LoadPlayer { user }
            } else {
                StoreRequest::HoldingsOf { user }
            };
            batch.push(self.ask("read", request, Vec::new()));
        }
        let free: Vec<usize> = (0..SAVES as usize)
            .filter(|place| is_round && !busy.contains(place))
            .collect();
        for portion in free.chunks(BATCH_ROWS_MAX) {
            let saves = portion.iter().map(|place| self.save(*place)).collect();
            let owner = self.regions[0].node;
            let request = StoreRequest::SavePlayers { owner, saves };
            batch.push(self.ask("soft save", request, portion.to_vec()));
        }
        batch
    }

    fn player(&self, turn: u64) -> Player {
        self.players[(turn % PLAYERS) as usize]
    }

    fn ask(&mut self, kind: &'static str, request: StoreRequest, writers: Vec<usize>) -> (u64, StoreRequest) {
        self.next += 1;
        let asked = Asked {
            kind,
            at: Instant::now(),
            writers,
        };
        self.asked.insert(self.next, asked);
        (self.next, request)
    }

    fn save(&mut self, place: usize) -> PlayerSave {
        self.players[place].save()
    }

    fn commit(&mut self, place: usize) -> StoreRequest {
        let commits = vec![DurableCommit {
            save: self.save(place),
            changes: Vec::new(),
        }];
        let serving = self.regions[self.players[place].region];
        StoreRequest::CommitDurable { serving, commits }
    }

    fn pass(&mut self, place: usize) -> StoreRequest {
        let passengers = vec![self.save(place)];
        StoreRequest::PassPlayers {
            from: self.regions[self.players[place].region],
            to: self.regions[1 - self.players[place].region],
            attempt: AttemptId(self.next + 1),
            passengers,
        }
    }

    fn take_answers(&mut self, answers: &mut Vec<StoreAnswer>) -> anyhow::Result<()> {
        self.port.take_answers(answers);
        for answer in answers.drain(..) {
            let asked = self.asked.remove(&answer.correlation);
            let asked = asked.context("an answer to nothing")?;
            let ms = asked.at.elapsed().as_secs_f64() * 1e3;
            self.latencies.note(asked.kind, ms);
            match answer.result {
                Ok(StoreReply::Passed) => {
                    for place in asked.writers {
                        let player = &mut self.players[place];
                        player.region = 1 - player.region;
                        player.epoch = player.epoch.next()?;
                    }
                }
                Ok(StoreReply::Saved(outcomes)) => {
                    let applied = |outcome: &_| *outcome == store::SaveOutcome::Applied;
                    ensure!(outcomes.iter().all(applied), "a save is refused: {outcomes:?}");
                }
                Ok(StoreReply::Committed(outcomes)) => {
                    let applied = |outcome: &_| *outcome == store::CommitOutcome::Applied;
                    ensure!(outcomes.iter().all(applied), "a commit is refused: {outcomes:?}");
                }
                Ok(StoreReply::Player(Some(_)) | StoreReply::Holdings(_)) => {}
                other => bail!("the store answers {other:?}"),
            }
        }
        Ok(())
    }
}

pub(super) fn serve(store: &dyn Store, node: NodeNumber, region: RegionNumber) -> anyhow::Result<Serving> {
    let serve = StoreRequest::ServeRegion {
        region,
        node,
        after: None,
    };
    match store.execute(&[serve]).pop() {
        Some(Ok(StoreReply::Serving(region_epoch))) => Ok(Serving {
            node,
            region,
            region_epoch,
        }),
        other => bail!("the region is not served: {other:?}"),
    }
}

pub(super) fn new_row(user: UserId, serving: Serving) -> PlayerRow {
    PlayerRow {
        user,
        owner: Some(serving.node),
        region: serving.region,
        region_epoch: serving.region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(1),
        entity: EntityId(user.0),
        body: body(),
    }
}

fn body() -> PlayerBody {
    PlayerBody {
        state: Bytes::from_static(&[7; STATE_BYTES]),
        ..PlayerBody::default()
    }
}
