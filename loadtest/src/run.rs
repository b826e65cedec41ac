//! A run from its first login to its last word: bots come, walk home, play while everything is measured, stand still to
//! be counted, and go.

use std::io::Write as _;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use client::{ConnectOptions, Credentials};
use protocol::ids::UserId;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::bot::{Activity, Record, Rules};
use crate::census::{Census, Observer};
use crate::join;
use crate::logins;
use crate::nodes::Nodes;
use crate::oracle;
use crate::preflight;
use crate::process::{self, Usage};
use crate::ramp::Ramp;
use crate::report::{Outcome, Report};
use crate::run_error::RunError;
use crate::sockets::Sharing;
use crate::swarm_thread::{self, Look, Share, Word};
use crate::tally::Tally;
use crate::timetable::Beats;
use crate::trade::Givers;

/// How long the cluster may take to become quiet once all bots stand.
const QUIET: Duration = Duration::from_secs(30);
/// Between two looks at the nodes' processes.
const NODES_EVERY_S: u64 = 5;

struct Swarm {
    words: Vec<mpsc::UnboundedSender<Word>>,
    threads: Vec<std::thread::JoinHandle<std::io::Result<()>>>,
}

struct Run<'a> {
    args: &'a Args,
    swarm: Swarm,
    observer: Observer,
    interrupt: CancellationToken,
    second: u64,
}

/// Runs the whole of it. `interrupt` ends measuring early; the bots are counted all the same.
pub(crate) async fn run(args: &Args, interrupt: CancellationToken) -> Result<Report, RunError> {
    preflight::check(args)?;
    let join = join::read(&args.join).await?;
    let observer = Observer::new(&join);
    process::raise_file_limit();
    let rules = Arc::new(Rules {
        behaviour: args.behaviour,
        seed: args.seed,
        input_period_us: args.input_period_us(),
        command_every_us: (args.command_every * 1e6) as u64,
        servers: observer.servers().await,
    });
    let before = observer.census(&[]).await;
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust()?,
        credentials: Credentials::Guest { name: String::new() },
        datagrams: swarm_thread::datagrams(args.transport),
    };
    let mut run = Run {
        args,
        swarm: Swarm::start(args, &rules, &options)?,
        observer,
        interrupt,
        second: 0,
    };
    let measured = run.play().await;
    let counted = match &measured {
        Ok(_) => run.count().await,
        Err(_) => (Vec::new(), Ok(Census::default())),
    };
    let stopped = run.swarm.stop().await;
    let (tally, seconds, generator, nodes) = measured?;
    stopped?;
    let (records, after) = counted;
    let observed = !run.observer.sees_nothing();
    let (findings, uncounted) = match (before, after) {
        (Ok(before), Ok(after)) => (Some(oracle::judge(&records, &before, &after)), None),
        (Err(error), _) => (None, observed.then(|| error.to_string())),
        (_, Err(reason)) => (None, observed.then_some(reason)),
    };
    Ok(Report::new(&Outcome {
        args,
        seconds,
        tally: &tally,
        records: &records,
        servers: &rules.servers,
        findings,
        uncounted,
        generator,
        nodes: nodes.finish(),
    }))
}

impl Swarm {
    fn start(args: &Args, rules: &Arc<Rules>, options: &ConnectOptions) -> std::io::Result<Self> {
        let mut swarm = Self {
            words: Vec::new(),
            threads: Vec::new(),
        };
        let givers = Arc::new(RwLock::new(Givers::new()));
        let began = Instant::now();
        let (errands, logins) = logins::start()?;
        swarm.threads.push(logins);
        let threads = args.threads();
        for thread in 0..threads {
            let (to, words) = mpsc::unbounded_channel();
            let share = Share {
                indices: (thread..args.players).step_by(threads as usize).collect(),
                players: args.players,
                beats: Beats::new(args.input_period_us(), thread, threads),
                sharing: Sharing::part(args.sockets, thread, threads),
                rules: Arc::clone(rules),
                options: options.clone(),
                givers: Arc::clone(&givers),
                began,
                login_every_us: 1_000_000 / u64::from(args.logins.max(1)),
                words,
                errands: errands.clone(),
            };
            let name = format!("bots-{thread}");
            let builder = std::thread::Builder::new().name(name);
            swarm
                .threads
                .push(builder.spawn(move || swarm_thread::run(share))?);
            swarm.words.push(to);
        }
        Ok(swarm)
    }

    fn tell(&self, word: impl Fn() -> Word) {
        for words in &self.words {
            let _ = words.send(word());
        }
    }

    async fn look(&self) -> Look {
        let mut all = Look::default();
        for words in &self.words {
            let (reply, answer) = oneshot::channel();
            let _ = words.send(Word::Look(reply));
            if let Ok(look) = answer.await {
                all.up += look.up;
                all.home += look.home;
                all.logins_failed += look.logins_failed;
                all.last_failure = look.last_failure.or(all.last_failure);
                all.tally.add(&look.tally);
            }
        }
        all
    }

    async fn report(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for words in &self.words {
            let (reply, answer) = oneshot::channel();
            let _ = words.send(Word::Report(reply));
            records.extend(answer.await.unwrap_or_default());
        }
        records
    }

    /// Waits until all threads have ended. An error if one of them did not do its part.
    async fn stop(&mut self) -> Result<(), RunError> {
        self.tell(|| Word::Stop);
        let threads = std::mem::take(&mut self.threads);
        let join = move || {
            for thread in threads {
                let name = thread.thread().name().unwrap_or_default().to_owned();
                match thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        return Err(RunError::Thread {
                            name,
                            why: error.to_string(),
                        });
                    }
                    Err(_) => {
                        return Err(RunError::Thread {
                            name,
                            why: "it panicked".to_owned(),
                        });
                    }
                }
            }
            Ok(())
        };
        tokio::task::spawn_blocking(join)
            .await
            .map_err(std::io::Error::from)?
    }
}

impl Run<'_> {
    async fn play(&mut self) -> Result<(Tally, f64, Usage, Nodes), RunError> {
        self.ramp().await?;
        self.walk_home().await;
        let mut nodes = Nodes::default();
        self.look_at(&mut nodes).await;
        self.swarm.tell(|| Word::Measure);
        let (began, before) = (Instant::now(), Usage::now());
        let mut tally = Tally::default();
        let third = self.args.duration.map_or(u64::MAX, |whole| whole.as_secs() / 3);
        let mut second = 0;
        while self.second_passes("playing", began, Some(&mut tally)).await {
            second += 1;
            if second % NODES_EVERY_S == 0 || second == third {
                self.look_at(&mut nodes).await;
            }
            if second == third {
                nodes.third();
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let generator = Usage::now().since(before);
        self.look_at(&mut nodes).await;
        Ok((tally, seconds, generator, nodes))
    }

    async fn look_at(&self, nodes: &mut Nodes) {
        nodes.look(&self.observer.look().await);
    }

    /// Until all are in the world.
    async fn ramp(&mut self) -> Result<(), RunError> {
        let began = Instant::now();
        let mut ramp = Ramp::new(self.args.players);
        loop {
            let look = self.pause_and_look().await;
            self.live("coming", &look, 1.0);
            if ramp.look(look.up, look.last_failure, began.elapsed())? {
                return Ok(());
            }
            if self.interrupt.is_cancelled() {
                return ramp.cut_short();
            }
        }
    }

    async fn walk_home(&mut self) {
        let began = Instant::now();
        loop {
            let look = self.pause_and_look().await;
            if look.home >= self.args.players || began.elapsed() >= self.args.warm_up {
                let (home, players) = (look.home, self.args.players);
                let seconds = began.elapsed().as_secs();
                say(&format!(
                    "{home} of {players} bots are home after {seconds} s; measuring begins"
                ));
                return;
            }
            self.live(&format!("home {}", look.home), &look, 1.0);
            if self.interrupt.is_cancelled() {
                return;
            }
        }
    }

    async fn pause_and_look(&mut self) -> Look {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = self.interrupt.cancelled() => {}
        }
        self.second += 1;
        self.swarm.look().await
    }

    /// Lets a second of measuring pass, or what is left of it; `false` when it is over.
    async fn second_passes(&mut self, what: &str, began: Instant, total: Option<&mut Tally>) -> bool {
        let whole = self.args.duration.unwrap_or(Duration::MAX);
        let left = whole.saturating_sub(began.elapsed());
        let pause = left.min(Duration::from_secs(1));
        let paused = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.interrupt.cancelled() => {}
        }
        self.second += 1;
        let look = self.swarm.look().await;
        self.live(what, &look, paused.elapsed().as_secs_f64());
        if let Some(total) = total {
            total.add(&look.tally);
        }
        left > pause && !self.interrupt.is_cancelled()
    }

    /// The line of this second.
    fn live(&self, what: &str, look: &Look, seconds: f64) {
        let (tally, up) = (&look.tally, f64::from(look.up.max(1)));
        let per_s = |count: u64| count as f64 / seconds.max(0.001);
        say(&format!(
            "{:4} s {what}: up {}, inputs/s {:.0}, snapshots/s {:.0}, visible {:.1}, ack p50 {:.0} ms p99 {:.0} ms, crossings/s {:.0}, B/s per player up {:.0} down {:.0}{}",
            self.second,
            look.up,
            per_s(tally.inputs),
            per_s(tally.snapshots),
            tally.visible.mean(),
            tally.ack_us.ms(0.5),
            tally.ack_us.ms(0.99),
            per_s(tally.crossings),
            per_s(tally.up_bytes) / up,
            per_s(tally.down_bytes) / up,
            match &look.last_failure {
                Some(failure) => format!(", logins failed {} ({failure})", look.logins_failed),
                None => String::new(),
            },
        ));
    }

    /// Has everybody stand still, and counts until two counts a second apart agree.
    async fn count(&mut self) -> (Vec<Record>, Result<Census, String>) {
        self.swarm.tell(|| Word::Act(Activity::Stand));
        let began = Instant::now();
        let mut last: Option<Census> = None;
        let mut why = String::new();
        while began.elapsed() < QUIET {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let records = self.swarm.report().await;
            let busy = records.iter().filter(|record| !record.is_quiet).count();
            let users: Vec<UserId> = records.iter().map(|record| record.user).collect();
            let census = match self.observer.census(&users).await {
                Ok(census) => census,
                Err(error) if self.observer.sees_nothing() => return (records, Err(error.to_string())),
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            if busy > 0 || !census.is_quiet() {
                why = format!("{busy} bots await something; regions: {}", unrest(&census));
                last = None;
            } else if last.as_ref() == Some(&census) {
                return (records, Ok(census));
            } else {
                "two counts differ".clone_into(&mut why);
                last = Some(census);
            }
            self.second += 1;
            say(&format!("{:4} s counting: {why}", self.second));
        }
        let records = self.swarm.report().await;
        (
            records,
            Err(format!(
                "the cluster did not become quiet within {} s: {why}",
                QUIET.as_secs()
            )),
        )
    }
}

/// What is still under way.
fn unrest(census: &Census) -> String {
    let busy = census.regions.iter().map(|region| {
        format!(
            "{}: frozen {}, handovers {}, joining {}, unsaved {}",
            region.region, region.frozen, region.handovers, region.joining, region.unsaved
        )
    });
    busy.collect::<Vec<_>>().join("; ")
}

fn say(line: &str) {
    // Whoever reads the swarm's lines may be gone already; that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints the result and writes it where it was asked for.
pub(crate) fn publish(args: &Args, report: &Report) -> Result<(), RunError> {
    say(&report.table());
    let Some(path) = &args.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(&report.json).unwrap_or_default() + "\n";
    std::fs::write(path, text).map_err(|error| RunError::Output {
        path: path.clone(),
        error,
    })
}
