//! `regionmesh up`: a cluster in the foreground, from the topology file to the last child's end.

use crate::command_line::UpArguments;
use anyhow::anyhow;
use local_cluster::{Child, ChildSpec, Cluster, ClusterError, ClusterOptions, Ended, Output, Start};
use nix::sys::signal::Signal;
use node::life::{Exit, Shutdown, drain_on_signals};
use protocol::Shown;
use std::io::Write as _;
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
    let shutdown = Shutdown::new();
    let _signals =
        listen_for_signals(&shutdown).map_err(|error| anyhow!("cannot listen for signals: {error}"))?;
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
    Ok(foreground.run())
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
    let program = std::env::current_exe()
        .map_err(|error| anyhow!("cannot find the program that is running: {error}"))?;
    let mut options = ClusterOptions::new(program, arguments.data.clone());
    if let Some(file) = &arguments.topology {
        options.topology_name = Shown(file.display()).to_string();
        options.topology = crate::topology_command::read(file)?;
    }
    options.start = if arguments.fresh {
        Start::Fresh
    } else {
        Start::GoOn
    };
    if arguments.accept_store {
        let accept = ("REGIONMESH_STORE__ACCEPT".to_owned(), "true".to_owned());
        options.environment.push(accept);
    }
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
        Shown(cluster.join_file().display())
    ));
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

impl Foreground {
    fn new(cluster: Cluster, shutdown: Shutdown, arguments: &UpArguments) -> Result<Self, ClusterError> {
        let swarm = start_swarm(&cluster, arguments)?;
        // The swarm keeps its own time: it begins to count when all bots are in.
        let time = arguments.duration.filter(|_| swarm.is_none());
        let ends = time.and_then(|time| Instant::now().checked_add(time));
        let judge = if swarm.is_some() && arguments.duration.is_some() {
            Judge::Swarm
        } else {
            Judge::Cluster
        };
        Ok(Self {
            cluster,
            swarm,
            shutdown,
            ends,
            verdict: Exit::Ok,
            judge,
            swarm_code: None,
        })
    }

    /// Runs until it is over, then drains everything. The exit code is the swarm's when it had a time to end by, also
    /// when a signal came before that.
    fn run(mut self) -> ExitCode {
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
        let (judge, swarm_code) = (self.judge, self.swarm_code);
        match (self.drain(), swarm_code) {
            (Exit::Ok | Exit::Failed, Some(code)) if judge == Judge::Swarm => code.into(),
            (exit, _) => exit.into(),
        }
    }

    fn swarm_ended(&mut self, ended: &Ended) {
        self.swarm_code = ended.code();
        if self.judge == Judge::Swarm && self.swarm_code.is_none() {
            // It was to judge and could not.
            self.verdict = Exit::Failed;
        }
        say(&format!("{SWARM} {ended}"));
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
            if let Ok(command_line) = self.cluster.by_hand(&name) {
                say(&format!(
                    "{name} is not started again; start it by hand with: {command_line}"
                ));
            }
        }
    }

    /// Players first, so that they can say goodbye.
    fn drain_swarm(&mut self) {
        say("draining; another Ctrl-C stops at once");
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
    say(&format!("{name} {ended}{words}"));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed our output does not want the line.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
