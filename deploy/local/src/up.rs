//! `regionmesh up`: a cluster in the foreground, from the topology file to the last child's end.

use crate::command_line::UpArguments;
use crate::next_steps::{MAP, NextSteps};
use crate::{Child, ChildSpec, Cluster, ClusterError, ClusterOptions, Ended, Output, Start};
use anyhow::anyhow;
use nix::sys::signal::Signal;
use node::life::{Exit, Shutdown, drain_on_signals};
use program::{Force, say};
use protocol::Shown;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often children and signals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the bots may take to stand still, to be counted (half a minute), to say goodbye and to report.
const SWARM_GRACE: Duration = Duration::from_secs(45);
/// What stands before the bots' lines.
const SWARM: &str = "swarm";

pub(crate) fn run(arguments: &UpArguments) -> anyhow::Result<ExitCode> {
    arguments.check()?;
    let shutdown = Shutdown::new();
    let _signals =
        listen_for_signals(&shutdown).map_err(|error| anyhow!("cannot listen for signals: {error}"))?;
    let cluster = match Cluster::start(options(arguments, &shutdown)?) {
        Err(ClusterError::Topology(mistakes)) => {
            let report = mistakes.render(crate::answers::colour(&std::io::stderr()));
            // The code says the same to whoever cannot read it.
            let _ = program::print_mistakes(report);
            return Ok(Exit::BadInput.into());
        }
        Err(ClusterError::Interrupted) if Judge::of(arguments) == Judge::Swarm => {
            say("interrupted before the nodes were ready: no bot has played");
            return Ok(Exit::Interrupted.into());
        }
        Err(ClusterError::Interrupted) => return Ok(Exit::Ok.into()),
        started => started?,
    };
    let next_steps = NextSteps::of(&cluster, arguments);
    next_steps.say_ready();
    let code = Foreground::new(cluster, shutdown, arguments)?.run();
    next_steps.say_end(code);
    Ok(code.into())
}

/// Signals arrive in a run time of their own; everything else here looks at the shutdown now and then.
fn listen_for_signals(shutdown: &Shutdown) -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    drain_on_signals(shutdown.clone(), Force::LaterSignal)?;
    drop(guard);
    Ok(runtime)
}

fn options(arguments: &UpArguments, shutdown: &Shutdown) -> anyhow::Result<ClusterOptions> {
    let program = std::env::current_exe()
        .map_err(|error| anyhow!("cannot find the program that is running: {error}"))?;
    let mut options = ClusterOptions::new(program, arguments.data.clone());
    if let Some(file) = &arguments.topology {
        options.topology_name = Shown(file.display()).to_string();
        options.topology = crate::topology_file::read(file)?;
    }
    options.database.clone_from(&arguments.store);
    options.start = if arguments.fresh {
        Start::Fresh
    } else {
        Start::GoOn
    };
    if arguments.accept_store {
        let accept = ("REGIONMESH_STORE__ACCEPT".to_owned(), "true".to_owned());
        options.environment.push(accept);
    }
    if std::env::var_os(MAP).is_none() {
        let audience = map_audience(&options).to_owned();
        options.environment.push((MAP.to_owned(), audience));
    }
    options.output = Output::Terminal;
    options.shutdown = shutdown.clone();
    // More than the nodes' own limit, so that a slow one can say so itself.
    if let Some(limit) = drain_timeout() {
        options.grace = options.grace.max(limit + Duration::from_secs(2));
    }
    Ok(options)
}

/// Anybody may look at the map of a cluster that is found on its own machine alone.
fn map_audience(options: &ClusterOptions) -> &'static str {
    let topology = topology::parse(&options.topology_name, &options.topology);
    let is_at_home = |topology: topology::Topology| {
        let mut proxies = topology.proxies().iter();
        proxies.all(|proxy| proxy.found_at().is_loopback())
    };
    match topology.map(is_at_home) {
        Ok(true) => "public",
        // Mistakes are told by whoever starts it.
        Ok(false) | Err(_) => "operators",
    }
}

/// The limit that the nodes find in the environment for their drain.
fn drain_timeout() -> Option<Duration> {
    let text = std::env::var("REGIONMESH_NODE__DRAIN_TIMEOUT_MS").ok()?;
    text.trim().parse().ok().map(Duration::from_millis)
}

/// The bots, as another child.
fn start_swarm(cluster: &Cluster, arguments: &UpArguments) -> Result<Option<Child>, ClusterError> {
    if arguments.players == 0 {
        return Ok(None);
    }
    let mut command_line = vec![
        "loadtest".to_owned(),
        format!("--join={}", cluster.join_file().to_string_lossy()),
        format!("--players={}", arguments.players),
        format!("--parent={}", std::process::id()),
    ];
    command_line.extend(
        arguments
            .duration
            .map(|time| format!("--for={}s", time.as_secs_f64())),
    );
    let spec = ChildSpec {
        name: SWARM.to_owned(),
        arguments: command_line,
        environment: Vec::new(),
    };
    cluster.spawn(&spec).map(Some)
}

/// A cluster that is up, until somebody, the swarm or the clock ends it.
struct Foreground {
    cluster: Cluster,
    swarm: Option<Child>,
    shutdown: Shutdown,
    ends: Option<Instant>,
    /// What the cluster itself comes to.
    verdict: Exit,
    judge: Judge,
    /// The exit code of the swarm that has ended.
    swarm_code: Option<u8>,
}

/// Whose verdict the exit code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    /// The swarm's, which had a time to end by.
    Swarm,
    /// The cluster's: how its nodes ended.
    Cluster,
}

impl Judge {
    fn of(arguments: &UpArguments) -> Self {
        if arguments.players > 0 && arguments.duration.is_some() {
            Self::Swarm
        } else {
            Self::Cluster
        }
    }
}

impl Foreground {
    fn new(cluster: Cluster, shutdown: Shutdown, arguments: &UpArguments) -> Result<Self, ClusterError> {
        let swarm = start_swarm(&cluster, arguments)?;
        // The swarm keeps its own time: it begins to count when all bots are in.
        let time = arguments.duration.filter(|_| swarm.is_none());
        let ends = time.and_then(|time| Instant::now().checked_add(time));
        Ok(Self {
            cluster,
            swarm,
            shutdown,
            ends,
            verdict: Exit::Ok,
            judge: Judge::of(arguments),
            swarm_code: None,
        })
    }

    /// Runs until it is over, then drains everything. The exit code: the swarm's when it had a time to end by and is not
    /// content, or else how the nodes ended.
    fn run(mut self) -> u8 {
        while !self.is_over() {
            self.notice_deaths();
            if let Some(ended) = self.swarm.as_mut().and_then(Child::ended) {
                self.swarm = None;
                self.swarm_ended(&ended);
                if self.judge == Judge::Swarm {
                    break;
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.drain_swarm();
        let said = self
            .swarm_code
            .filter(|code| *code != 0 && self.judge == Judge::Swarm);
        match (self.drain(), said) {
            (Exit::Ok | Exit::Failed | Exit::Unsaved, Some(code)) => code,
            (exit, _) => exit as u8,
        }
    }

    fn swarm_ended(&mut self, ended: &Ended) {
        say(format_args!("{SWARM} {ended}"));
        self.swarm_code = ended.code();
        if ended.code().is_some() {
            return;
        }
        if self.shutdown.is_draining() {
            // The signal came before it could listen, or it took too long: it was to judge, and was kept from it.
            self.swarm_code = Some(Exit::Interrupted as u8);
        } else if self.judge == Judge::Swarm {
            self.verdict = Exit::Failed;
        }
    }

    fn is_over(&self) -> bool {
        self.shutdown.is_draining()
            || (self.cluster.alive() == 0 && self.swarm.is_none())
            || self.ends.is_some_and(|ends| Instant::now() >= ends)
    }

    fn notice_deaths(&mut self) {
        for (name, ended) in self.cluster.take_deaths() {
            if ended.is_as_told() {
                say(format_args!("{name} has drained and ended, as somebody told it"));
            } else {
                self.verdict = after_death(self.verdict, &name, &ended);
            }
            if let Ok(command_line) = self.cluster.by_hand(&name) {
                say(format_args!(
                    "{name} is not started again; start it by hand with: {command_line}"
                ));
            }
        }
    }

    /// Players first, so that they can say goodbye.
    fn drain_swarm(&mut self) {
        say("draining; another Ctrl-C in a second or later stops at once");
        let Some(mut swarm) = self.swarm.take() else {
            return;
        };
        swarm.signal(Signal::SIGTERM);
        let started = Instant::now();
        while swarm.ended().is_none() && !self.shutdown.is_forced() && started.elapsed() < SWARM_GRACE {
            std::thread::sleep(LOOK_EVERY);
        }
        swarm.kill();
        if let Some(ended) = swarm.ended() {
            self.swarm_ended(&ended);
        }
    }

    /// Proxies, then game servers.
    fn drain(mut self) -> Exit {
        // What ended at the last moment is told like the rest.
        self.notice_deaths();
        let deaths = self.cluster.stop().into_iter();
        let verdict = deaths.fold(self.verdict, |verdict, (name, ended)| {
            after_death(verdict, &name, &ended)
        });
        if self.shutdown.is_forced() {
            Exit::Forced
        } else {
            verdict
        }
    }
}

/// A node has ended otherwise than it was told, which is said. Players that were not written down weigh most.
fn after_death(verdict: Exit, name: &str, ended: &Ended) -> Exit {
    let words = if ended.last_line.is_empty() {
        String::new()
    } else {
        format!("; its last line: {}", ended.last_line)
    };
    say(format_args!("{name} {ended}{words}"));
    let has_unsaved = verdict == Exit::Unsaved || ended.code() == Some(Exit::Unsaved as u8);
    if has_unsaved { Exit::Unsaved } else { Exit::Failed }
}
