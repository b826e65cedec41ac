//! SQLite and PostgreSQL side by side: how many durable commands a second each confirms, how long a crossing takes, and what CPU it
//! takes of us and of the database. A closed loop from one thread, every commit synced, the database on this machine.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use protocol::ids::{AttemptId, NodeNumber, RegionNumber, UserId};
use store::postgres::PostgresStore;
use store::postgres::trial::TrialServer;
use store::request::DurableCommit;
use store::sqlite::SqliteStore;
use store::{Serving, Store, StoreReply, StoreRequest};

use super::servers::{Latencies, Player, new_row, serve};
use crate::clocks::process_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;

/// Commands that go together, as servers' do under load.
const TOGETHER: u64 = 16;
const NODE: NodeNumber = NodeNumber(1);

/// A store that is measured, with the folder of the server behind it, where there is one.
struct Measured<'a> {
    store: &'a dyn Store,
    database: Option<&'a Path>,
    regions: [Serving; 2],
    players: Vec<Player>,
    attempts: u64,
}

/// Measures both for so many seconds of each, and publishes.
pub(crate) fn run(seconds: u32) -> anyhow::Result<()> {
    let others = Others::watch();
    let folder = tempfile::tempdir_in(".")?;
    let file = SqliteStore::open(&folder.path().join("store.sqlite"))?;
    let server = TrialServer::start(&["shared_buffers = '128MB'"])?;
    let database = PostgresStore::open(&server.create("world")?)?;
    let place = server.folder().join("data");
    let mut figures = Vec::new();
    figures.extend(Measured::new(&file, None)?.figures("sqlite", seconds)?);
    figures.extend(Measured::new(&database, Some(&place))?.figures("postgres", seconds)?);
    publish("store_databases", figures, &others)
}

impl<'a> Measured<'a> {
    fn new(store: &'a dyn Store, database: Option<&'a Path>) -> anyhow::Result<Self> {
        let [west, east] = [1, 2].map(|number| serve(store, NODE, RegionNumber(number)));
        let regions = [west?, east?];
        let mut players = Vec::new();
        for user in 1..=TOGETHER {
            let row = new_row(UserId(user), regions[0]);
            let inserted = store.execute(&[StoreRequest::InsertPlayer { row }]).pop();
            let Some(Ok(StoreReply::Inserted(row))) = inserted else {
                bail!("a player is not made: {inserted:?}");
            };
            players.push(Player {
                user: row.user,
                epoch: row.owner_epoch,
                version: 1,
                region: 0,
            });
        }
        Ok(Self {
            store,
            database,
            regions,
            players,
            attempts: 0,
        })
    }

    fn figures(mut self, name: &str, seconds: u32) -> anyhow::Result<[Figure; 3]> {
        let lasts = Duration::from_secs(u64::from(seconds));
        let (began, mut commands) = (Instant::now(), 0);
        while began.elapsed() < lasts {
            self.commands()?;
            commands += TOGETHER;
        }
        let per_second = commands as f64 / began.elapsed().as_secs_f64();
        let what = format!("{name}: durable commands a second, {TOGETHER} in a batch");
        let commands = Figure::alone(
            &format!("{name} durable commands"),
            what,
            "per second",
            per_second,
        );

        let (began, mut latencies, mut crossings) = (Instant::now(), Latencies::default(), 0);
        let (own, behind) = (process_cpu_ns(), self.database_cpu_us()?);
        while began.elapsed() < lasts {
            let asked = Instant::now();
            self.crossing(crossings)?;
            latencies.note("crossing", asked.elapsed().as_secs_f64() * 1e3);
            crossings += 1;
        }
        let each = |us: f64| us / crossings as f64;
        let own_us = each((process_cpu_ns() - own) as f64 / 1e3);
        let behind_us = each(self.database_cpu_us()? - behind);
        let (_, [p50, p99, worst]) = latencies.summary().next().context("nobody has crossed")?;
        let what = format!("{name}: one crossing at a time, median");
        let mut crossing = Figure::alone(&format!("{name} crossing"), what, "ms", p50);
        crossing.detail("p99 ms", p99);
        crossing.detail("worst ms", worst);
        let what = format!("{name}: CPU of a crossing, of this process and of the database's");
        let mut cpu = Figure::alone(
            &format!("{name} CPU per crossing"),
            what,
            "us",
            own_us + behind_us,
        );
        cpu.detail("this process, us", own_us);
        cpu.detail("database, us", behind_us);
        Ok([commands, crossing, cpu])
    }

    fn commands(&mut self) -> anyhow::Result<()> {
        let regions = self.regions;
        let commit = |player: &mut Player| StoreRequest::CommitDurable {
            serving: regions[player.region],
            commits: vec![DurableCommit {
                save: player.save(),
                changes: Vec::new(),
            }],
        };
        let batch: Vec<_> = self.players.iter_mut().map(commit).collect();
        for answer in self.store.execute(&batch) {
            match answer? {
                StoreReply::Committed(outcomes) if outcomes == [store::CommitOutcome::Applied] => {}
                other => bail!("a command is refused: {other:?}"),
            }
        }
        Ok(())
    }

    fn crossing(&mut self, turn: usize) -> anyhow::Result<()> {
        let place = turn % self.players.len();
        let player = &mut self.players[place];
        self.attempts += 1;
        let pass = StoreRequest::PassPlayers {
            from: self.regions[player.region],
            to: self.regions[1 - player.region],
            attempt: AttemptId(self.attempts),
            passengers: vec![player.save()],
        };
        match self.store.execute(&[pass]).pop() {
            Some(Ok(StoreReply::Passed)) => {
                player.region = 1 - player.region;
                player.epoch = player.epoch.next()?;
                Ok(())
            }
            other => bail!("a crossing is refused: {other:?}"),
        }
    }

    /// What all processes of the server have used, microseconds; 0 without one.
    fn database_cpu_us(&self) -> anyhow::Result<f64> {
        let Some(data) = self.database else {
            return Ok(0.0);
        };
        let file = fs::read_to_string(data.join("postmaster.pid"))?;
        let first: u32 = file.lines().next().context("the server has ended")?.parse()?;
        let mut ticks = stat(first).context("the server has ended")?.1;
        for process in fs::read_dir("/proc")?.flatten() {
            let number = process.file_name().to_string_lossy().parse::<u32>();
            if let Some((parent, used)) = number.ok().and_then(stat)
                && parent == first
            {
                ticks += used;
            }
        }
        // The kernel tells hundredths of a second.
        Ok(ticks as f64 * 1e4)
    }
}

/// The parent of a process, and the CPU of it and of its children that have ended, in hundredths of a second.
fn stat(process: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let used = fields.get(11..15)?.iter().map(|field| field.parse::<u64>());
    Some((fields.get(1)?.parse().ok()?, used.sum::<Result<_, _>>().ok()?))
}
