//! The life of a game server: config → build → start → drain.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use net::clock::Monotonic;
use net::link::{HandedLink, LinkContext, admit_links, keep_linked};
use net::link_core::Sealed;
use net::udp::Poller;
use node::admin::{Check, probe_store, world_check};
use node::data_dir::HeldDir;
use node::dial_plan::{Dialed, follow};
use node::life::{Failure, Fatal, Loss, Node, OwnerThread, Owners, Patience, Pulse};
use node::listen_file;
use node::paper_task::PaperTask;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::NodeNumber;
use protocol::message::subscription::Topology;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::build::{Built, build};
use super::census::CensusTask;
use super::control_task::{ControlEnd, ControlTask, NEWS_MAX};
use super::give;
use super::give_away::give_away;
use super::guest_task::GuestTask;
use super::hang_watch::HangWatch;
use super::lease_task::{LeaseTask, LeaseWord};
use super::live_metrics;
use super::offer_task::OfferTask;
use super::open_store::OpenStore;
use super::operate;
use super::peer_dialer::{servers, target};
use super::played::Played;
use super::push_task::{PushParts, PushTask};
use super::ready::WorldChecks;
use super::reload;
use super::report::WorldReports;
use super::sanction_watch;
use super::settings::GameServerSettings;
use super::status::StatusTask;
use super::topology_gossip::TopologyGossip;
use super::workers::Workers;
use super::world_mailbox::{Door, EndsThread, Mailbox, News, Order};
use super::world_thread::WorldThread;
use crate::world::{Moment, Side, World};

/// Serves until `node.shutdown` asks to drain, and drains: writes everything down, says goodbye, closes the store. The
/// players stay this node's, so that it finds them when it comes back.
///
/// # Errors
/// What the operator has to change, or what broke.
pub async fn serve(settings: GameServerSettings, game: Played, node: Node) -> Result<(), Failure> {
    net::panics::expect_guests(&["node"]);
    node.readiness
        .starting("opening the store and taking over the regions");
    let built = tokio::select! {
        built = build(&settings, &game, &node) => built?,
        // It may be waiting for another server.
        () = node.shutdown.draining() => return Ok(()),
    };
    let running = Running::start(built, &settings, &node)?;
    node.readiness.started();
    running.until_drained(&settings, &node).await
}

/// What a drain keeps of its time for goodbyes and for closing the store, but no more than half.
const GOODBYES_MS: u64 = 1_000;
/// And what closing the store leaves of that, to end as oneself.
const LAST_WORDS_MS: u64 = 200;
/// From the last news of a lost thread until its owner has heard how it ended.
const LOSS_NEWS: Duration = Duration::from_secs(1);

/// A game server at work.
struct Running {
    context: Arc<LinkContext>,
    store: OpenStore,
    hang_watch: HangWatch,
    number: NodeNumber,
    control: ControlTask,
    /// To the keeper of the lease, where servers stand by for each other.
    lease: Option<UnboundedSender<LeaseWord>>,
    in_force: Arc<TopologyInForce>,
    reports: WorldReports,
    mailbox: Mailbox,
    world: OwnerThread,
    tasks: TaskTracker,
    stop: CancellationToken,
    _held: HeldDir,
    /// However this ends, no task stays, and not the thread either.
    _no_task_stays: DropGuard,
    _no_thread_stays: EndsThread,
}

impl Running {
    fn start(mut built: Built, settings: &GameServerSettings, node: &Node) -> Result<Self, Failure> {
        let (addresses, poller) = (addresses(&built)?, Poller::new().map_err(Failure::failed)?);
        let (mailbox, waker) = (Mailbox::new(poller.waker()), poller.waker());
        let (news, heard) = mpsc::channel(NEWS_MAX);
        let (gossip, reports) = (gossip(&built, settings), WorldReports::default());
        let papers = paper_task(&built, news.downgrade(), settings, node);
        let pushes = push_task(&built, news.downgrade(), node);
        let guests = guest_task(&built, &mailbox, &reports, settings);
        let lease = LeaseTask::of(&built, &mailbox, &news, &reports, &node.readiness);
        let world = WorldThread {
            world: world(&mut built),
            poller,
            mailbox: mailbox.clone(),
            news,
            store: built.store.handle.port(move || waker.wake()),
            context: Arc::clone(&built.context),
            gossip: Arc::clone(&gossip),
            reports: Arc::clone(&reports),
            clock: built.context.clock,
            drain_ms: writing_ms(node.settings.drain_timeout_ms),
            has_standbys: lease.is_some(),
            workers: Workers::new(built.maker.game().answer_asks(), mailbox.clone()),
        };
        let run = move |pulse: &Pulse| world.run(pulse);
        let thread = node.owners.thread("world", Patience::HOT, run);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let census = CensusTask::new(&node.status, built.store.handle.clone(), mailbox.clone());
        watch_world(&built, &reports, &mailbox, node);
        let status = status_task(&built, &addresses, Arc::clone(&reports), settings, node);
        let probing = probe_store(&node.readiness, built.store.handle.clone(), &stop);
        tasks.spawn(node.owners.task("store probe", probing));
        let meeting = Meeting {
            gossip: Arc::clone(&gossip),
            mailbox: mailbox.clone(),
            owners: &node.owners,
            tasks: &tasks,
            stop: &stop,
        };
        meeting.spawn("status", status.run(stop.clone()));
        meeting.spawn("census", census.run(stop.clone()));
        meeting.spawn("pushes", pushes.run(stop.clone()));
        meeting.spawn("guests", guests.run(stop.clone()));
        meeting.spawn("offers", OfferTask::of(&built.store.handle).run(stop.clone()));
        meeting.spawn("papers", papers.run(stop.clone()));
        meeting.spawn("sanctions", sanction_watch::watch(&built, &mailbox, stop.clone()));
        let lease = lease.map(|(task, telling)| {
            meeting.spawn("lease", task.run(stop.clone()));
            telling
        });
        meeting.begin(built.proxy_listener, built.peer_listener, built.number);
        tasks.close();
        announce(&settings.node.data, &addresses, node.admin)?;
        Ok(Self {
            control: ControlTask::new(heard, mailbox.clone(), gossip, built.sanctions),
            number: built.number,
            lease,
            in_force: built.in_force,
            reports,
            context: built.context,
            store: built.store,
            hang_watch: built.hang_watch,
            _held: built.held,
            _no_thread_stays: EndsThread(mailbox.clone()),
            mailbox,
            world: thread.map_err(Failure::failed)?,
            tasks,
            _no_task_stays: stop.clone().drop_guard(),
            stop,
        })
    }

    async fn until_drained(mut self, settings: &GameServerSettings, node: &Node) -> Result<(), Failure> {
        let mut result = self.until_it_ends(node).await?;
        tracing::info!("draining");
        let began = Instant::now();
        // Also when nobody asked for it.
        node.readiness.set("draining", Check::missing(""));
        self.context.loads.start_draining();
        if let Some(lease) = &self.lease {
            let _ = lease.send(LeaseWord::Drain);
        }
        self.mailbox.send(Order::Drain);
        if let Err(failure) = self.written_down(node).await {
            result = result.and(Err(failure));
        } else if self.lease.is_some() {
            let served = self.reports.load().served();
            let listing = self.in_force.listing();
            give_away(&self.mailbox, listing.now(), self.number, served.into_keys()).await;
        }
        self.stop.cancel();
        self.tasks.wait().await;
        self.mailbox.send(Order::Stop);
        self.world.ended().await;
        drop(self.hang_watch);
        listen_file::remove(&settings.node.data);
        let left_ms = node.settings.drain_timeout_ms.saturating_sub(LAST_WORDS_MS);
        let until = began + Duration::from_millis(left_ms);
        if tokio::time::timeout_at(until, self.store.close()).await.is_err() {
            tracing::warn!("the store still holds on to what was sent last; it is left at that");
        }
        result
    }

    /// Waits until this node is asked to drain, or has to.
    ///
    /// # Errors
    /// What ends it at once. Within: what ends it when everything is written down.
    async fn until_it_ends(&mut self, node: &Node) -> Result<Result<(), Failure>, Failure> {
        loop {
            let end = tokio::select! {
                () = node.shutdown.draining() => return Ok(Ok(())),
                fatal = node.owners.failed() => return Err(fatal.into()),
                thread = self.store.broken() => return Err(store_lost(thread).into()),
                end = self.control.next_end() => end,
            };
            let why = match (end, &self.lease) {
                (None, _) => return Err(world_lost(node).await),
                (Some(ControlEnd::Superseded(region, epoch)), Some(lease)) => {
                    tracing::warn!(%region, "another server serves this region now");
                    let _ = lease.send(LeaseWord::Superseded(region, epoch));
                    continue;
                }
                // The others are still ours, and so are their players: they are written down first.
                (Some(ControlEnd::Superseded(region, _)), None) => format!(
                    "another process serves region {region} now; let only one of this name run, and start it again"
                ),
                (Some(ControlEnd::Foreign(_)), _) => {
                    "another process of this node has started later: let only one of this name run".to_owned()
                }
                (Some(other), _) => format!("the world came to an end by itself: {other:?}"),
            };
            return Ok(Err(Failure::failed(why)));
        }
    }

    /// Waits until the world is written down, or cannot be.
    async fn written_down(&mut self, node: &Node) -> Result<(), Failure> {
        loop {
            let end = tokio::select! {
                fatal = node.owners.failed() => return Err(fatal.into()),
                end = self.control.next_end() => end,
            };
            match end {
                Some(ControlEnd::WrittenDown(unsaved)) if unsaved.is_nothing() => return Ok(()),
                Some(ControlEnd::WrittenDown(unsaved)) => {
                    let within_ms = writing_ms(node.settings.drain_timeout_ms);
                    return Err(Failure::unsaved(format!(
                        "{unsaved} could not be written down within {within_ms} ms, and what was done since they last were is lost: {}",
                        unsaved.why
                    )));
                }
                Some(ControlEnd::Superseded(..) | ControlEnd::Foreign(_)) => {}
                None => return Err(world_lost(node).await),
            }
        }
    }
}

/// What `/readyz` and each scrape ask of the world's reports, and an operator of the world.
fn watch_world(built: &Built, reports: &WorldReports, mailbox: &Mailbox, node: &Node) {
    give::answer(&node.status, &built.in_force, mailbox, built.store.has_standbys());
    operate::answer(&node.status, &built.in_force, mailbox);
    reload::answer(&node.status, built.maker.game(), mailbox);
    let checks = WorldChecks {
        reports: Arc::clone(reports),
        context: Arc::clone(&built.context),
        in_force: Arc::clone(&built.in_force),
        own: built.number,
        has_standbys: built.store.has_standbys(),
        period_us: built.topology.world().tick_us(),
    };
    checks.watch(&node.readiness);
    built.papers.clone().watch(&node.readiness, &node.live);
    live_metrics::tell(&node.live, reports, &built.in_force, built.store.handle.queue());
    let stores = world_check(Arc::clone(&built.context));
    node.readiness.ask("stores", stores);
}

/// What is put into the data directory is taken up; a topology as if a peer had offered it.
fn paper_task(
    built: &Built,
    news: mpsc::WeakSender<News>,
    settings: &GameServerSettings,
    node: &Node,
) -> PaperTask {
    PaperTask {
        data: settings.node.data.clone(),
        role: Role::GameServer,
        papers: built.papers.clone(),
        links: Arc::clone(&built.context),
        in_force: Arc::clone(&built.in_force),
        readiness: node.readiness.clone(),
        renewed: Box::new(|_| Ok(())),
        offered: Box::new(move |sealed| {
            let bundle = sealed.into();
            // The thread keeps it open, and none comes back from its end.
            if let Some(news) = news.upgrade() {
                let _ = news.try_send(News::Topology(Topology { bundle }));
            }
        }),
    }
}

fn push_task(built: &Built, news: mpsc::WeakSender<News>, node: &Node) -> PushTask {
    let parts = PushParts {
        in_force: Arc::clone(&built.in_force),
        store: built.store.handle.clone(),
        processes: built.store.processes(),
        news,
        has_standbys: built.store.has_standbys(),
    };
    PushTask::new(&node.status, parts)
}

fn gossip(built: &Built, settings: &GameServerSettings) -> Arc<TopologyGossip> {
    Arc::new(TopologyGossip {
        in_force: Arc::clone(&built.in_force),
        context: Arc::clone(&built.context),
        data: settings.node.data.clone(),
        far: watch::Sender::new(BTreeSet::new()),
    })
}

/// The world with the regions that are served from the beginning.
fn world(built: &mut Built) -> World<Sealed> {
    let regions = std::mem::take(&mut built.regions);
    let now = now(built.context.clock);
    let mut world = World::new(built.number, Arc::clone(&built.topology), regions, now);
    world.handle_listing(built.in_force.listing(), now);
    world
}

fn guest_task(
    built: &Built,
    mailbox: &Mailbox,
    reports: &WorldReports,
    settings: &GameServerSettings,
) -> GuestTask {
    GuestTask {
        store: built.store.handle.clone(),
        mailbox: mailbox.clone(),
        topology: Arc::clone(&built.topology),
        node: built.number,
        reports: Arc::clone(reports),
        idle_ms: settings.limits.guest_idle_ms,
    }
}

/// How long a drain may write.
fn writing_ms(drain_timeout_ms: u64) -> u64 {
    drain_timeout_ms - GOODBYES_MS.min(drain_timeout_ms / 2)
}

fn status_task(
    built: &Built,
    addresses: &Addresses,
    reports: WorldReports,
    settings: &GameServerSettings,
    node: &Node,
) -> StatusTask {
    StatusTask {
        node: built.number,
        context: Arc::clone(&built.context),
        in_force: Arc::clone(&built.in_force),
        reports,
        store: built.store.handle.clone(),
        status: node.status.clone(),
        players_max: settings.limits.players_max,
        fixed: json!({
            "number": built.number.0,
            "incarnation": built.incarnation.0,
            "listen": {"peer": addresses.peer, "proxy": addresses.proxy},
        }),
    }
}

fn now(clock: Monotonic) -> Moment {
    Moment {
        mono_us: clock.now_us(),
        wall_ms: net::clock::wall_ms(),
    }
}

/// The world says nothing any more: a panic ends its news before its owner has heard how it ended.
async fn world_lost(node: &Node) -> Failure {
    let fatal = tokio::time::timeout(LOSS_NEWS, node.owners.failed()).await;
    let fatal = fatal.unwrap_or_else(|_| Fatal {
        thread: "world".to_owned(),
        loss: Loss::Ended("nobody had asked it to".to_owned()),
    });
    fatal.into()
}

fn store_lost(thread: &str) -> Fatal {
    let loss = Loss::Ended("it panicked".to_owned());
    let thread = thread.to_owned();
    Fatal { thread, loss }
}

/// Starts everything that meets other nodes.
struct Meeting<'a> {
    gossip: Arc<TopologyGossip>,
    mailbox: Mailbox,
    owners: &'a Owners,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl Meeting<'_> {
    fn begin(&self, proxies: TcpListener, peers: TcpListener, own: NodeNumber) {
        self.listen(proxies, Door::Proxies);
        self.listen(peers, Door::Peers(Side::Accepted));
        self.dial(own);
    }

    fn listen(&self, listener: TcpListener, door: Door) {
        let (name, roles): (_, &[Role]) = match door {
            Door::Proxies => ("proxy listener", &[Role::Proxy]),
            Door::Peers(_) => ("peer listener", &[Role::GameServer]),
        };
        let context = Arc::clone(&self.gossip.context);
        let admitting = admit_links(context, listener, roles, self.hand_over(door), self.stop.clone());
        self.spawn(name, admitting);
    }

    /// Dials the neighbours, also those of newer topologies, and whom a player is to be put to.
    fn dial(&self, own: NodeNumber) {
        let in_force = Arc::clone(&self.gossip.in_force);
        let far = self.gossip.far.subscribe();
        let wishes = Some(far.clone());
        let wanted = move || servers(&in_force, own, &far.borrow());
        let gossip = Arc::clone(&self.gossip);
        let (owners, tasks) = (self.owners.clone(), self.tasks.clone());
        let hand_over = self.hand_over(Door::Peers(Side::Dialed));
        let dial = move |dialed: Dialed, until: CancellationToken| {
            let target = target(&gossip.in_force, dialed);
            let context = Arc::clone(&gossip.context);
            let dialing = keep_linked(context, target, hand_over.clone(), until.clone());
            tasks.spawn(owners.task_until(&format!("link to {}", dialed.0), &until, dialing));
        };
        let changes = self.gossip.in_force.changes();
        self.spawn("dialer", follow(changes, wishes, self.stop.clone(), wanted, dial));
    }

    fn hand_over(&self, door: Door) -> impl Fn(HandedLink) + Clone + Send + Sync + 'static {
        let mailbox = self.mailbox.clone();
        move |link| mailbox.send(Order::Link(door, Box::new(link)))
    }

    /// Runs until `stop`; ending earlier ends the node.
    fn spawn(&self, name: &str, running: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.owners.task_until(name, self.stop, running));
    }
}

/// Where a server listens, with the ports that were found.
struct Addresses {
    number: NodeNumber,
    peer: SocketAddr,
    proxy: SocketAddr,
}

fn addresses(built: &Built) -> Result<Addresses, Failure> {
    Ok(Addresses {
        number: built.number,
        peer: built.peer_listener.local_addr().map_err(Failure::failed)?,
        proxy: built.proxy_listener.local_addr().map_err(Failure::failed)?,
    })
}

/// For people, and for whoever started this process with ports 0.
fn announce(data: &Path, addresses: &Addresses, admin: SocketAddr) -> Result<(), Failure> {
    let Addresses { number, peer, proxy } = addresses;
    let file = json!({"number": number.0, "peer": peer, "proxy": proxy, "admin": admin});
    listen_file::write(data, &file).map_err(Failure::failed)?;
    program::say(format_args!("listening peer={peer} proxy={proxy} admin={admin}"));
    Ok(())
}
