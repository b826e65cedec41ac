//! `regionmesh up`: a cluster in the foreground, from the topology file to the last child's end.

use crate::command_line::UpArguments;
use anyhow::Context as _;
use local_cluster::{Child, ChildSpec, Cluster, ClusterError, ClusterOptions, Ended, Output, Start};
use nix::sys::signal::Signal;
use node::life::{Exit, Failure, Shutdown, drain_on_signals};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often children and signals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the bots may take to say goodbye and to report.
const SWARM_GRACE: Duration = Duration::from_secs(15);
/// What stands before the bots' lines.
const SWARM: &str = "swarm";

pub(crate) fn run(arguments: &UpArguments) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::new();
    let _signals = listen_for_signals(&shutdown).context("cannot listen for signals")?;
    let cluster = match Cluster::start(options(arguments, &shutdown)?) {
        Err(ClusterError::Topology(mistakes)) => {
            let report = mistakes.render(crate::topology_command::colour(&std::io::stderr()));
            std::io::stderr().write_all(report.as_bytes())?;
            return Ok(Exit::BadInput.into());
        }
        Err(ClusterError::Interrupted) => return Ok(Exit::Ok.into()),
        started => started?,
    };
    say_ready(&cluster);
    let foreground = Foreground::new(cluster, shutdown, arguments)?;
    Ok(foreground.run(arguments.seconds.is_some()))
}

/// Signals arrive in a run time of their own; everything else here looks at the shutdown now and then.
fn listen_for_signals(shutdown: &Shutdown) -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    drain_on_signals(shutdown.clone())?;
    drop(guard);
    Ok(runtime)
}

fn options(arguments: &UpArguments, shutdown: &Shutdown) -> anyhow::Result<ClusterOptions> {
    let program = std::env::current_exe().context("cannot find the program that is running")?;
    let mut options = ClusterOptions::new(program, arguments.data.clone());
    if let Some(file) = &arguments.topology {
        options.topology_name = file.display().to_string();
        options.topology = std::fs::read_to_string(file).map_err(|error| {
            Failure::bad_input(format!(
                "cannot read the topology file {}: {error}",
                file.display()
            ))
        })?;
    }
    options.start = if arguments.fresh {
        Start::Fresh
    } else {
        Start::GoOn
    };
    options.output = Output::Terminal;
    options.shutdown = shutdown.clone();
    Ok(options)
}

/// Scripts wait for this line, and read the join file's name from its end.
fn say_ready(cluster: &Cluster) {
    let proxies: Vec<String> = cluster
        .addresses()
        .filter_map(|node| Some(format!("{} {}", node.name, node.listener("tcp")?)))
        .collect();
    say(&format!(
        "ready: {} nodes; proxies: {}; join file: {}",
        cluster.addresses().count(),
        proxies.join(", "),
        cluster.join_file().display()
    ));
}

/// The bots, as another child.
fn start_swarm(cluster: &Cluster, arguments: &UpArguments) -> Result<Option<Child>, ClusterError> {
    if arguments.players == 0 {
        return Ok(None);
    }
    let mut command_line = vec![
        "loadtest".to_owned(),
        format!("--join={}", cluster.join_file().display()),
        format!("--players={}", arguments.players),
        format!("--parent={}", std::process::id()),
    ];
    command_line.extend(arguments.seconds.map(|seconds| format!("--for={seconds}s")));
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
    verdict: Exit,
}

impl Foreground {
    fn new(cluster: Cluster, shutdown: Shutdown, arguments: &UpArguments) -> Result<Self, ClusterError> {
        let swarm = start_swarm(&cluster, arguments)?;
        // The swarm keeps its own time: it begins to count when all bots are in.
        let seconds = arguments.seconds.filter(|_| swarm.is_none());
        let ends = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Ok(Self {
            cluster,
            swarm,
            shutdown,
            ends,
            verdict: Exit::Ok,
        })
    }

    /// Runs until it is over, then drains everything. The exit code is the swarm's when it had a time to end by.
    fn run(mut self, ends_with_swarm: bool) -> ExitCode {
        let mut swarm_code = None;
        while !self.is_over() {
            self.notice_deaths();
            if let Some(ended) = self.swarm.as_mut().and_then(Child::ended) {
                self.swarm = None;
                swarm_code = ended.code();
                say(&format!("{SWARM} {ended}"));
                if ends_with_swarm {
                    break;
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.notice_deaths();
        let drained = self.drain();
        match (drained, swarm_code.filter(|_| ends_with_swarm)) {
            (Exit::Ok | Exit::Failed, Some(code)) => code.into(),
            (exit, _) => exit.into(),
        }
    }

    fn is_over(&self) -> bool {
        self.shutdown.is_draining()
            || (self.cluster.alive() == 0 && self.swarm.is_none())
            || self.ends.is_some_and(|ends| Instant::now() >= ends)
    }

    fn notice_deaths(&mut self) {
        for (name, ended) in self.cluster.take_deaths() {
            self.verdict = Exit::Failed;
            say_death(&name, &ended);
        }
    }

    /// Players first, so that they can say goodbye; then proxies, then game servers.
    fn drain(mut self) -> Exit {
        say("draining; another Ctrl-C stops at once");
        if let Some(swarm) = &mut self.swarm {
            swarm.signal(Signal::SIGTERM);
            let started = Instant::now();
            while swarm.ended().is_none() && !self.shutdown.is_forced() && started.elapsed() < SWARM_GRACE {
                std::thread::sleep(LOOK_EVERY);
            }
            swarm.kill();
        }
        for (name, ended) in self.cluster.stop() {
            self.verdict = Exit::Failed;
            say_death(&name, &ended);
        }
        if self.shutdown.is_forced() {
            Exit::Forced
        } else {
            self.verdict
        }
    }
}

fn say_death(name: &str, ended: &Ended) {
    let words = if ended.last_line.is_empty() {
        String::new()
    } else {
        format!("; its last line: {}", ended.last_line)
    };
    say(&format!("{name} {ended}; it is not started again{words}"));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed our output does not want the line.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
