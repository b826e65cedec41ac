//! The life of an auth node: config → build → start → drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use net::link::{HandedLink, LinkConfig, LinkContext, admit_links};
use node::addresses::Listener;
use node::admin::{Check, Papers, probe_store, store_watch, world_check};
use node::data_dir::{DataDir, HeldDir};
use node::life::{Exit, Failure, Fatal, Loss, Node, NodeProcess};
use node::listen_file;
use node::paper_task::PaperTask;
use node::telemetry::LINK_METRICS;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::Lanes;
use protocol::message::subscription::Topology;
use serde_json::json;
use store::{Store, StoreHandle, StoreSettings, StoreThreads};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Desk, METRICS, PASSWORDS};
use super::settings::AuthSettings;
use crate::server::auth::{AuthRole, Tokens};
use crate::server::build::{local_node, open_store};
use crate::server::settings::ProxyArgs;
use crate::server::topology_news::TopologyNews;

/// How long answers that are under way may take when it ends.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long the store may take to end its last round.
const STORE_CLOSES: Duration = Duration::from_secs(2);

/// Runs an auth node from its command line to its exit code.
#[must_use]
pub fn run_auth(args: &ProxyArgs) -> Exit {
    let process = NodeProcess {
        role: "auth",
        metrics: &[METRICS, LINK_METRICS],
        node_settings: |settings: &AuthSettings| &settings.node,
    };
    node::life::run(&process, &args.node, args.flags(), serve)
}

async fn serve(settings: AuthSettings, node: Node) -> Result<(), Failure> {
    net::panics::expect_guests(&["question", "password", "renewal"]);
    node.readiness.starting("opening the store");
    let started = tokio::select! {
        started = AuthNode::start(&settings, &node) => started?,
        // Nobody is here yet, so there is nothing to finish.
        () = node.shutdown.draining() => return Ok(()),
    };
    let file = json!({"proxy": started.address(), "admin": node.admin});
    listen_file::write(&settings.node.data, &file).map_err(Failure::failed)?;
    let (proxy, admin) = (started.address(), node.admin);
    program::say(format_args!("listening proxy={proxy} admin={admin}"));
    node.readiness.started();
    tokio::select! {
        () = node.shutdown.draining() => {}
        fatal = node.owners.failed() => return Err(fatal.into()),
        thread = started.store_threads.broken() => {
            let loss = Loss::Ended("it panicked".to_owned());
            let thread = thread.to_owned();
            return Err(Fatal { thread, loss }.into());
        }
    }
    started.drain().await;
    listen_file::remove(&settings.node.data);
    Ok(())
}

/// An auth node that runs until it is drained.
pub struct AuthNode {
    address: SocketAddr,
    desk: Arc<Desk>,
    tasks: TaskTracker,
    stop: CancellationToken,
    store_threads: StoreThreads,
    held: HeldDir,
}

/// What it is made of, before it runs.
struct Built {
    data: DataDir,
    held: HeldDir,
    topology: Arc<TopologyInForce>,
    context: Arc<LinkContext>,
    papers: Papers,
    store: StoreHandle,
    store_threads: StoreThreads,
    tokens: Option<Arc<Tokens>>,
}

impl Built {
    /// What is put into the data directory is taken up.
    fn paper_task(&self, desk: &Arc<Desk>, node: &Node) -> PaperTask {
        let desk = Arc::clone(desk);
        PaperTask {
            data: self.data.path().to_owned(),
            role: Role::Auth,
            papers: self.papers.clone(),
            links: Arc::clone(&self.context),
            in_force: Arc::clone(&self.topology),
            readiness: node.readiness.clone(),
            renewed: Box::new(|_| Ok(())),
            offered: Box::new(move |sealed| {
                let bundle = sealed.into();
                desk.offer(&Topology { bundle });
            }),
        }
    }

    /// What `/readyz` asks beside the store.
    fn watch(&self, desk: &Arc<Desk>, node: &Node) {
        self.papers.clone().watch(&node.readiness, &node.live);
        let stores = world_check(Arc::clone(&self.context));
        node.readiness.ask("stores", stores);
        let seen = Arc::downgrade(desk);
        node.readiness.ask("proxies", move || {
            let linked = seen.upgrade().map_or(0, |desk| desk.linked());
            Check::well(format!("{linked} linked"))
        });
    }
}

impl AuthNode {
    /// Builds and starts one on the store that its settings name.
    ///
    /// # Errors
    /// What the operator has to change, or what could not be reached.
    pub async fn start(settings: &AuthSettings, node: &Node) -> Result<Self, Failure> {
        let (path, name) = (&settings.node.data, &settings.node.name);
        let data = DataDir::open(path, name, Role::Auth, net::clock::wall_ms())?;
        let held = data.hold()?;
        let file = settings.store.path_beside(data.path());
        let store = open_store(file, settings.store.accepted(), &data).await?;
        Self::run(build(settings, (data, held), node, store).await?, settings, node)
    }

    /// As [`start`](Self::start), on a store that is open already.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        settings: &AuthSettings,
        node: &Node,
        store: Arc<dyn Store>,
    ) -> Result<Self, Failure> {
        let (path, name) = (&settings.node.data, &settings.node.name);
        let data = DataDir::open(path, name, Role::Auth, net::clock::wall_ms())?;
        let held = data.hold()?;
        Self::run(build(settings, (data, held), node, store).await?, settings, node)
    }

    /// Where proxies dial it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many proxies are linked.
    #[must_use]
    pub fn linked(&self) -> usize {
        self.desk.linked()
    }

    /// Takes no questions any more, and ends once the store is closed.
    pub async fn drain(self) {
        let Self {
            desk,
            tasks,
            stop,
            store_threads,
            held,
            ..
        } = self;
        stop.cancel();
        desk.close();
        tasks.close();
        let _ = tokio::time::timeout(GOODBYE, tasks.wait()).await;
        // The threads of the store end with the last who may ask them.
        drop(desk);
        let closing = tokio::task::spawn_blocking(move || store_threads.join());
        if tokio::time::timeout(STORE_CLOSES, closing).await.is_err() {
            tracing::warn!("the store was not closed in time; its log is merged by whoever opens it next");
        }
        drop(held);
    }

    fn run(
        (built, listener): (Built, TcpListener),
        settings: &AuthSettings,
        node: &Node,
    ) -> Result<Self, Failure> {
        let address = listener.local_addr().map_err(Failure::failed)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (cluster_id, uuid) = (built.data.cluster.cluster_id, built.data.uuid());
        let key = built.data.certificate.node_key();
        let auth = AuthRole::new(
            built.store.clone(),
            Arc::clone(&built.topology),
            (cluster_id, uuid),
            key.clone(),
            (&settings.auth, built.tokens.clone(), built.context.clock),
            PASSWORDS,
        );
        let news = TopologyNews {
            topology: Arc::clone(&built.topology),
            data: built.data.path().to_owned(),
        };
        let parts = (Arc::clone(&built.context), Arc::new(news));
        let desk = Arc::new(Desk::new(Arc::new(auth), (cluster_id, uuid, key), parts));
        let spawn = |name: &str, running| {
            tasks.spawn(node.owners.task_until(name, &stop, running));
        };
        let serving = Arc::clone(&desk);
        let hand_over = move |link: HandedLink| serving.take(link);
        let context = Arc::clone(&built.context);
        spawn(
            "proxy listener",
            boxed(admit_links(
                context,
                listener,
                &[Role::Proxy],
                hand_over,
                stop.clone(),
            )),
        );
        if let Some(tokens) = built.tokens.clone() {
            let keeping = tokens.keep_fresh(node.readiness.clone(), stop.clone());
            spawn("token keys", boxed(keeping));
        }
        spawn("papers", boxed(built.paper_task(&desk, node).run(stop.clone())));
        built.watch(&desk, node);
        let probing = probe_store(&node.readiness, built.store, &stop);
        tasks.spawn(node.owners.task("store probe", probing));
        let number = built.data.number.0;
        node.status
            .publish(json!({"number": number, "listen": {"proxy": address}}));
        Ok(Self {
            address,
            desk,
            tasks,
            stop,
            store_threads: built.store_threads,
            held: built.held,
        })
    }
}

fn boxed<'a>(
    task: impl Future<Output = ()> + Send + 'a,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    Box::pin(task)
}

async fn build(
    settings: &AuthSettings,
    (data, held): (DataDir, HeldDir),
    node: &Node,
    store: Arc<dyn Store>,
) -> Result<(Built, TcpListener), Failure> {
    let entry = data.view.topology().auth(data.number).cloned();
    let entry = entry.ok_or_else(|| Failure::bad_input("the topology does not list this auth node"))?;
    let listener = Listener {
        key: "listen.proxy",
        said: settings.listen.proxy,
        advertised: &entry.proxy,
    };
    let listener = listener.tcp().await?;
    let tokens = Tokens::open(&settings.jwt).map_err(Failure::bad_input)?;
    let identity = store.identity();
    let started = StoreHandle::spawn_watched(&store, StoreSettings::default(), store_watch(&node.owners));
    let (store, store_threads) = started.map_err(Failure::failed)?;
    let topology = Arc::new(TopologyInForce::of(&data));
    let local = local_node(&data, &store, identity, Lanes::ONE).await?;
    let context = LinkContext::new(LinkConfig::default(), local, topology.clone());
    let built = Built {
        papers: Papers::new(&data, &topology),
        data,
        held,
        context: Arc::new(context),
        topology,
        store,
        store_threads,
        tokens,
    };
    Ok((built, listener))
}
