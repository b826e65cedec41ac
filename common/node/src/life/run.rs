//! Runs one node process from its command line to its exit code.

use super::{Exit, Failure, Owners, Shutdown, drain_on_signals, watch_parent};
use crate::admin::{self, AdminState, Readiness, StatusBoard};
use crate::config::{self, Flag, Settings};
use crate::settings::{NodeArgs, NodeSettings};
use crate::telemetry::{self, LiveMetrics, Metric};
use program::Force;
use protocol::ShownLines;
use std::net::SocketAddr;
use std::time::Duration;

/// What a process is: fixed by its crate.
#[derive(Clone, Copy, Debug)]
pub struct NodeProcess<S> {
    /// `gameserver` or `proxy`: names it in `/status`.
    pub role: &'static str,
    /// Tables of every metric it counts.
    pub metrics: &'static [&'static [Metric]],
    /// Where its settings hold the table `[node]`.
    pub node_settings: fn(&S) -> &NodeSettings,
}

/// What a running process gets from its frame.
#[derive(Clone, Debug)]
pub struct Node {
    /// The table `[node]`.
    pub settings: NodeSettings,
    /// Where the admin endpoint listens.
    pub admin: SocketAddr,
    /// To be told when the node has started and when it is blocked.
    pub readiness: Readiness,
    /// To be given the role's part of `/status`.
    pub status: StatusBoard,
    /// To be told whom to ask for figures at each scrape.
    pub live: LiveMetrics,
    /// The threads and tasks that the node cannot do without: whoever starts one lists it here.
    pub owners: Owners,
    /// When to drain and when to stop.
    pub shutdown: Shutdown,
}

impl Node {
    /// A node of a process that has others, or tests: nobody watches its threads or answers for it over HTTP.
    #[must_use]
    pub fn in_process(settings: NodeSettings) -> Self {
        Self {
            admin: settings.admin,
            settings,
            readiness: Readiness::default(),
            status: StatusBoard::default(),
            live: LiveMetrics::default(),
            owners: Owners::default(),
            shutdown: Shutdown::new(),
        }
    }

    /// Whether it takes work: what its `/readyz` answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        admin::whole_report(&self.readiness, &self.owners, &self.shutdown).is_ready()
    }
}

/// Threads of the run time: what is hot has threads of its own, and work with keys as well.
const CONTROL_THREADS: usize = 1;

/// Config → build → start → drain. `serve` runs until it is told to drain and has drained, or fails.
///
/// The message of a failure goes to standard error as one line per mistake.
pub fn run<S, F>(
    process: &NodeProcess<S>,
    args: &NodeArgs,
    flags: Vec<Flag>,
    serve: impl FnOnce(S, Node) -> F,
) -> Exit
where
    S: Settings,
    F: Future<Output = Result<(), Failure>>,
{
    match start(process, args, flags, serve) {
        Ok(exit) => {
            telemetry::last_words("");
            exit
        }
        Err(failure) => {
            telemetry::last_words(&format!("error: {}", ShownLines(&failure)));
            failure.exit
        }
    }
}

fn start<S, F>(
    process: &NodeProcess<S>,
    args: &NodeArgs,
    flags: Vec<Flag>,
    serve: impl FnOnce(S, Node) -> F,
) -> Result<Exit, Failure>
where
    S: Settings,
    F: Future<Output = Result<(), Failure>>,
{
    let loaded = config::load::<S>(&args.sources(flags))?;
    if args.print_config {
        let printed = program::print(config::print(&loaded)).map(|()| Exit::Ok);
        return printed.map_err(|error| Failure::failed(format!("cannot write to standard output: {error}")));
    }
    let settings = (process.node_settings)(&loaded.settings).clone();
    let shutdown = Shutdown::new();
    if let Some(parent) = args.parent {
        watch_parent(parent, shutdown.clone()).map_err(Failure::failed)?;
    }
    let telemetry = telemetry::install(&settings.log_level, settings.log_format, process.metrics)?;
    let state = AdminState {
        name: settings.name.clone(),
        role: process.role,
        readiness: Readiness::default(),
        status: StatusBoard::default(),
        owners: Owners::default(),
        shutdown: shutdown.clone(),
        log: telemetry.log,
        metrics: Some(telemetry.metrics),
        live: LiveMetrics::default(),
    };
    telemetry::tell_process(&state.live, process.role);
    let (readiness, status, live, owners) = (
        state.readiness.clone(),
        state.status.clone(),
        state.live.clone(),
        state.owners.clone(),
    );
    let admin = admin::start(settings.admin, state)?;
    tracing::info!(role = process.role, name = settings.name, admin = %admin.address(), "starting");
    let node = Node {
        settings,
        admin: admin.address(),
        readiness,
        status,
        live,
        owners,
        shutdown,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let force = args.parent.map_or(Force::LaterSignal, |_| Force::Parent);
    let exit = runtime.block_on(until_drained(loaded.settings, node, force, serve));
    // Tasks that still hold on must not hold the process.
    runtime.shutdown_background();
    exit
}

async fn until_drained<S, F>(
    settings: S,
    node: Node,
    force: Force,
    serve: impl FnOnce(S, Node) -> F,
) -> Result<Exit, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let (shutdown, owners) = (node.shutdown.clone(), node.owners.clone());
    let timeout = Duration::from_millis(node.settings.drain_timeout_ms);
    drain_on_signals(shutdown.clone(), force).map_err(Failure::failed)?;
    let overdue = async {
        shutdown.draining().await;
        tokio::time::sleep(timeout).await;
    };
    tokio::select! {
        biased;
        () = shutdown.forced() => Ok(Exit::Forced),
        fatal = owners.failed() => Err(fatal.into()),
        result = serve(settings, node) => result.map(|()| { tracing::info!("drained"); Exit::Ok }),
        () = overdue => Err(Failure::failed(format!("not drained after {} ms; stopping", timeout.as_millis()))),
    }
}
