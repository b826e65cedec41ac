//! A run from its first login to its last word: bots come, walk home, play while everything is measured, stand still to
//! be counted, and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Carrier, ConnectOptions, Credentials};
use game::bot::MakeBehaviour;
use protocol::ids::UserId;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, Transport};
use crate::bot::{Activity, Record, Rules};
use crate::census::{Census, Observer};
use crate::count::{Count, Progress};
use crate::join;
use crate::node_watch::NodeWatch;
use crate::nodes::NodeUse;
use crate::oracle::{self, Findings};
use crate::preflight;
use crate::process::{self, Usage};
use crate::pulse::Silences;
use crate::ramp::Ramp;
use crate::report::{Outcome, Report};
use crate::run_error::RunError;
use crate::swarm::Swarm;
use crate::tally::Tally;
use crate::words::{Look, Word};

/// How long the swarm's players may take to come to rest once all bots stand.
const QUIET: Duration = Duration::from_secs(30);
/// The same after an interrupt: somebody waits, and where the store takes nothing no command is ever confirmed.
const QUIET_IN_HASTE: Duration = Duration::from_secs(10);
/// Between two looks at the nodes' processes.
const NODES_EVERY_S: u64 = 5;
/// After an interrupt, a cluster that cannot be counted so often is ending too.
const MISSED_MAX: u32 = 3;
const SECOND: Duration = Duration::from_secs(1);

/// What there is before the first bot.
struct Prepared {
    observer: Observer,
    rules: Arc<Rules>,
    options: ConnectOptions,
    carrier: Carrier,
    /// The count before anybody came; or why there will be none.
    before: Result<Census, String>,
}

struct Run<'a> {
    args: &'a Args,
    swarm: Swarm,
    observer: Observer,
    interrupt: CancellationToken,
    before: Result<Census, String>,
    began: Instant,
    /// When the bots were looked at last.
    looked: Instant,
}

/// What came of the measured time.
struct Measured {
    tally: Tally,
    seconds: f64,
    /// Whether it should have been longer.
    interrupted: bool,
    silences: Silences,
    generator: Usage,
    nodes: Vec<NodeUse>,
}

async fn prepare(args: &Args, make_behaviour: MakeBehaviour) -> Result<Prepared, RunError> {
    preflight::check(args)?;
    let join = join::read(&args.join).await?;
    let trust = join.trust()?;
    let observer = Observer::new(&join);
    process::raise_file_limit();
    let before = if observer.sees_nothing() {
        Err("the join file names no status pages (`observe`)".to_owned())
    } else {
        let counted = observer.first_census().await;
        Ok(counted.map_err(RunError::Uncountable)?)
    };
    let rules = Arc::new(Rules {
        pattern: args.behaviour,
        make_behaviour,
        seed: args.seed,
        input_period_us: args.input_period_us(),
        command_every_us: (args.command_every * 1e6) as u64,
        servers: observer.servers().await,
        datagrams: args.transport == Transport::Udp,
    });
    let (proxies, carrier) = match args.transport {
        Transport::Udp | Transport::Tcp => (join.addresses(), Carrier::Tcp),
        Transport::Ws => {
            let proxies = join.web_addresses()?;
            (proxies.clone(), Carrier::WebSocket(proxies.into()))
        }
    };
    let options = ConnectOptions {
        proxies,
        trust,
        credentials: Credentials::Guest { name: String::new() },
        datagrams: args.transport.datagrams(),
    };
    Ok(Prepared {
        observer,
        rules,
        options,
        carrier,
        before,
    })
}

/// Runs the whole of it. `interrupt` ends it early: without a result while nothing is measured yet; after that the bots are
/// counted all the same.
pub(crate) async fn run(
    args: &Args,
    make_behaviour: MakeBehaviour,
    interrupt: CancellationToken,
) -> Result<Report, RunError> {
    let prepared = tokio::select! {
        prepared = prepare(args, make_behaviour) => prepared?,
        () = interrupt.cancelled() => {
            let when = "before the first bot had come".to_owned();
            return Err(RunError::Interrupted { when });
        }
    };
    let Prepared {
        observer,
        rules,
        options,
        carrier,
        before,
    } = prepared;
    let now = Instant::now();
    let mut run = Run {
        args,
        swarm: Swarm::start(args, &rules, (&options, &carrier))?,
        observer,
        interrupt,
        before,
        began: now,
        looked: now,
    };
    if let Err(why) = &run.before {
        tell_blind(args, why);
    }
    if let Some(told) = args.too_many_threads() {
        say(args, told);
    }
    let measured = run.play().await;
    let (records, counted) = match &measured {
        Ok(_) => run.count().await,
        Err(_) => (Vec::new(), Err(String::new())),
    };
    let stopped = run.swarm.stop().await;
    let Measured {
        tally,
        seconds,
        interrupted,
        silences,
        generator,
        nodes,
    } = measured?;
    stopped?;
    let not_judged = run.before.err();
    let (findings, uncounted) = match counted {
        Ok(findings) => (Some(findings), None),
        Err(why) => (None, not_judged.is_none().then_some(why)),
    };
    Ok(Report::new(&Outcome {
        args,
        seconds,
        interrupted,
        tally: &tally,
        records: &records,
        servers: &rules.servers,
        findings,
        uncounted,
        not_judged,
        silent_regions: silences.finish(&rules.servers),
        generator,
        nodes,
    }))
}

impl Run<'_> {
    async fn play(&mut self) -> Result<Measured, RunError> {
        self.ramp().await?;
        self.walk_home().await?;
        let mut nodes = NodeWatch::begin(&self.observer).await;
        self.swarm.tell(|| Word::Measure);
        let (began, before) = (Instant::now(), Usage::now());
        self.looked = began;
        let (mut tally, mut silences) = (Tally::default(), Silences::default());
        let whole = self.args.duration.unwrap_or(Duration::MAX);
        let mut third = Some(whole / 3);
        loop {
            let second = began.elapsed().as_secs() + 1;
            let next = Duration::from_secs(second).min(whole);
            self.pause(next.saturating_sub(began.elapsed())).await;
            let is_over = began.elapsed() >= whole || self.interrupt.is_cancelled();
            let look = match is_over {
                true => self.swarm.end_measuring().await,
                false => self.swarm.look().await,
            };
            self.live("playing", &look);
            tally.add(&look.tally);
            silences.look(&look.presence);
            nodes.take().await;
            if is_over {
                break;
            }
            if second.is_multiple_of(NODES_EVERY_S) {
                nodes.ask();
            }
            if third.take_if(|third| began.elapsed() >= *third).is_some() {
                nodes.third();
            }
        }
        let seconds = began.elapsed();
        let generator = Usage::now().since(before);
        Ok(Measured {
            tally,
            seconds: seconds.as_secs_f64(),
            // Without a time a signal is how it ends.
            interrupted: self.args.duration.is_some_and(|whole| seconds < whole),
            silences,
            generator,
            nodes: nodes.finish().await,
        })
    }

    /// Until all are in the world.
    async fn ramp(&mut self) -> Result<(), RunError> {
        let began = Instant::now();
        let mut ramp = Ramp::new(self.args.players);
        loop {
            let look = self.pause_and_look().await;
            if self.interrupt.is_cancelled() {
                return Err(self.interrupted("had come", look.up));
            }
            self.check_sight(&look).await;
            self.live("coming", &look);
            match ramp.look(look.up, look.failure(), began.elapsed()) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // A refusal is short; the nodes themselves know more.
                Err(error) => return Err(error.explained(&self.observer.complaints().await)),
            }
        }
    }

    fn interrupted(&self, had: &str, bots: u32) -> RunError {
        let when = format!("when {bots} of {} bots {had}", self.args.players);
        RunError::Interrupted { when }
    }

    /// A world of which the join file shows a part only cannot be counted.
    async fn check_sight(&mut self, look: &Look) {
        let shows = |census: &Census, region: &u32| census.regions.iter().any(|one| one.region == *region);
        let Ok(before) = &self.before else { return };
        if look.regions.iter().all(|region| shows(before, region)) {
            return;
        }
        let served = self.observer.servers().await;
        let unseen = look.regions.iter().filter(|region| !served.contains_key(region));
        let unseen: Vec<u32> = unseen.copied().collect();
        if !unseen.is_empty() {
            let why = format!("nobody that the join file's `observe` names serves regions {unseen:?}");
            tell_blind(self.args, &why);
            self.before = Err(why);
        }
    }

    async fn walk_home(&mut self) -> Result<(), RunError> {
        let began = Instant::now();
        loop {
            let look = self.pause_and_look().await;
            if self.interrupt.is_cancelled() {
                return Err(self.interrupted("were home", look.home));
            }
            if look.home >= self.args.players || began.elapsed() >= self.args.warm_up {
                let (home, players) = (look.home, self.args.players);
                let seconds = began.elapsed().as_secs();
                self.say(format_args!(
                    "{home} of {players} bots are home after {seconds} s; measuring begins"
                ));
                return Ok(());
            }
            self.live(&format!("home {}", look.home), &look);
        }
    }

    async fn pause_and_look(&mut self) -> Look {
        self.pause(SECOND).await;
        self.swarm.look().await
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.interrupt.cancelled() => {}
        }
    }

    fn say(&self, line: impl std::fmt::Display) {
        say(self.args, line);
    }

    /// The line of this look. It may have come late: what it counts is of the time since the one before.
    fn live(&mut self, what: &str, look: &Look) {
        let now = Instant::now();
        let seconds = now.duration_since(std::mem::replace(&mut self.looked, now));
        let (tally, up) = (&look.tally, f64::from(look.up.max(1)));
        let per_s = |count: u64| count as f64 / seconds.as_secs_f64().max(0.001);
        self.say(format_args!(
            "{:4} s {what}: up {}, inputs/s {:.0}, snapshots/s {:.0}, visible {:.1}, ack p50 {:.0} ms p99 {:.0} ms, crossings/s {:.0}, B/s per player up {:.0} down {:.0}{}",
            self.began.elapsed().as_secs(),
            look.up,
            per_s(tally.inputs),
            per_s(tally.snapshots),
            tally.visible.mean(),
            tally.ack_us.ms(0.5),
            tally.ack_us.ms(0.99),
            per_s(tally.crossings),
            per_s(tally.up_bytes) / up,
            per_s(tally.down_bytes) / up,
            trouble(look),
        ));
    }

    /// Has everybody stand still, and counts until what is seen may be believed.
    async fn count(&mut self) -> (Vec<Record>, Result<Findings, String>) {
        self.swarm.tell(|| Word::Act(Activity::Stand));
        let began = Instant::now();
        let (mut why, mut missed) = (String::new(), 0);
        let before = match &self.before {
            Ok(before) => before,
            Err(why) => return (self.swarm.report().await, Err(why.clone())),
        };
        let regions: BTreeSet<u32> = before.regions.iter().map(|region| region.region).collect();
        let mut count = Count::new(before);
        let patience = || match self.interrupt.is_cancelled() {
            true => QUIET_IN_HASTE,
            false => QUIET,
        };
        while began.elapsed() < patience() {
            tokio::time::sleep(SECOND).await;
            let records = self.swarm.report().await;
            let users: Vec<UserId> = records.iter().map(|record| record.user).collect();
            match self.observer.census(&users, &regions).await {
                Ok(census) => match count.look(&records, &census) {
                    Progress::Done(wrongs) => {
                        let findings = oracle::judge(&records, before, &census, &wrongs);
                        return (records, Ok(findings));
                    }
                    Progress::Wait(reason) => why = reason,
                },
                Err(error) if self.interrupt.is_cancelled() && missed == MISSED_MAX => {
                    return (records, Err(format!("the cluster is ending too: {error}")));
                }
                Err(error) => {
                    missed += 1;
                    why = error.to_string();
                }
            }
            let seconds = self.began.elapsed().as_secs();
            self.say(format_args!("{seconds:4} s counting: {why}"));
        }
        let records = self.swarm.report().await;
        let seconds = patience().as_secs();
        (
            records,
            Err(format!(
                "the swarm's players did not come to rest within {seconds} s: {why}"
            )),
        )
    }
}

/// What keeps bots from playing just now; nothing when nothing does.
fn trouble(look: &Look) -> String {
    let mut words = String::new();
    if look.silent > 0 {
        words += &format!(", without news for a second {}", look.silent);
    }
    if look.logins_failed > 0 {
        words += &format!(", logins failed {}", look.logins_failed);
    }
    if let Some(heard) = &look.last_failure {
        words += &format!(", last heard: {heard}");
    }
    words
}

/// Said before anybody plays rather than when the run is over.
fn tell_blind(args: &Args, why: &str) {
    let line = format_args!("commands, holdings, population and the nodes' memory will not be judged: {why}");
    say(args, line);
}

/// A line for whoever watches; standard output may be for the result alone.
fn say(args: &Args, line: impl std::fmt::Display) {
    if args.prints_json() {
        program::note(line);
    } else {
        program::say(line);
    }
}

/// Prints the result and writes it where it was asked for.
pub(crate) fn publish(args: &Args, report: &Report) -> Result<(), RunError> {
    say(args, report.table());
    let Some(path) = &args.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(&report.json).unwrap_or_default() + "\n";
    let written = if args.prints_json() {
        program::print(text)
    } else {
        std::fs::write(path, text)
    };
    written.map_err(|error| RunError::Output {
        path: path.clone(),
        error,
    })
}
