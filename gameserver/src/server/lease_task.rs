//! Keeps this process's lease where servers stand by for each other: asks the store what the keeper wants to know, and tells
//! the world which regions come and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use net::clock::Monotonic;
use node::admin::{Check, Readiness};
use node::topology_in_force::TopologyInForce;
use protocol::ids::{Incarnation, NodeNumber, RegionEpoch, RegionNumber, TopologyVersion};
use store::{Lease, LeaseStore, StoreError, StoreHandle, StoreRequest, StoreResult};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use topology::Topology;

use super::build::Built;
use super::region_maker::RegionMaker;
use super::report::WorldReports;
use super::world_mailbox::{Mailbox, News, Order};
use crate::lease::{LeaseEffect, LeaseKeeper, LeaseQuestion};
use crate::world::NotGiven;

/// How often the world's thread is asked whether it comes round.
const PING_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether the processes that hold regions are there.
const SIGNS_EVERY: Duration = Duration::from_millis(100);
/// What stands in `/readyz` of regions that are to go elsewhere.
const MOVES: &str = "moves";

/// What the keeper has to hear of.
#[derive(Clone, Copy, Debug)]
pub(super) enum LeaseWord {
    /// The world serves this region no more.
    Superseded(RegionNumber, RegionEpoch),
    /// No region is to be taken any more.
    Drain,
}

/// What is needed to keep a lease.
struct LeaseParts {
    lease: Lease,
    in_force: Arc<TopologyInForce>,
    maker: RegionMaker,
    /// With connections of its own: a renewal waits behind nothing.
    own: StoreHandle,
    store: StoreHandle,
    /// The same, for questions about processes.
    shows: Arc<dyn LeaseStore>,
    reports: WorldReports,
    mailbox: Mailbox,
    news: mpsc::WeakSender<News>,
    clock: Monotonic,
    readiness: Readiness,
}

/// What comes back of questions.
enum Heard {
    Answer(LeaseQuestion, StoreResult),
    /// What came of a region that was to go to another server.
    Gave(RegionNumber, Result<(), Option<NotGiven>>),
    /// Whether these processes were seen to be there, and in which session of the store.
    Signs(Vec<(Lease, Option<bool>)>, u64),
}

/// The keeper at work.
pub(super) struct LeaseTask {
    parts: LeaseParts,
    keeper: LeaseKeeper,
    changes: watch::Receiver<TopologyVersion>,
    words: mpsc::UnboundedReceiver<LeaseWord>,
    heard: mpsc::UnboundedReceiver<Heard>,
    telling: UnboundedSender<Heard>,
    ping: Option<oneshot::Receiver<()>>,
    ping_at: Instant,
    signs_at: Instant,
    is_looking: bool,
    /// The session of the last signs: what is free in another one may be because that began.
    session: Option<u64>,
    /// Regions that nobody serves, as it was told last.
    told_unheld: Option<usize>,
    /// What was told last of regions that are to go elsewhere.
    told_leaving: Option<String>,
    /// Regions that the store does not give to this node, as it was told.
    told_refused: BTreeSet<RegionNumber>,
}

impl LeaseTask {
    /// For a process on a store where servers stand by for each other. Also tells how to speak to it.
    pub(super) fn of(
        built: &Built,
        mailbox: &Mailbox,
        news: &mpsc::Sender<News>,
        reports: &WorldReports,
        readiness: &Readiness,
    ) -> Option<(Self, UnboundedSender<LeaseWord>)> {
        let (own, shows) = built.store.leases()?;
        Some(Self::new(LeaseParts {
            lease: Lease {
                node: built.number,
                incarnation: built.incarnation,
            },
            in_force: Arc::clone(&built.in_force),
            maker: built.maker.clone(),
            own,
            store: built.store.handle.clone(),
            shows,
            reports: Arc::clone(reports),
            mailbox: mailbox.clone(),
            news: news.downgrade(),
            clock: built.context.clock,
            readiness: readiness.clone(),
        }))
    }

    fn new(parts: LeaseParts) -> (Self, UnboundedSender<LeaseWord>) {
        let changes = parts.in_force.changes();
        let (version, listing) = (parts.in_force.view().version(), parts.in_force.listing());
        let regions = listing.now().candidates();
        let left = listing.left_by(parts.lease.node);
        let keeper = LeaseKeeper::new(parts.lease, version, regions, left, parts.clock.now_us());
        let (telling, words) = mpsc::unbounded_channel();
        let (telling_itself, heard) = mpsc::unbounded_channel();
        let task = Self {
            parts,
            keeper,
            changes,
            words,
            heard,
            telling: telling_itself,
            signs_at: Instant::now(),
            is_looking: false,
            session: None,
            ping: None,
            ping_at: Instant::now(),
            told_unheld: None,
            told_leaving: None,
            told_refused: BTreeSet::new(),
        };
        (task, telling)
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let until = stop.clone();
        until.run_until_cancelled(self.go_on()).await;
    }

    async fn go_on(&mut self) {
        loop {
            self.keeper.announced(self.parts.reports.load().announced.clone());
            self.keeper.tick(self.parts.clock.now_us());
            self.carry_out();
            self.tell_readiness();
            self.tell_leaving();
            self.ping();
            self.look_for_signs();
            let due = Instant::from_std(self.parts.clock.at_us(self.keeper.due_us().min(FAR_US)));
            tokio::select! {
                Some(heard) = self.heard.recv() => self.hear(heard),
                Ok(()) = self.changes.changed() => self.list(),
                Some(word) = self.words.recv() => match word {
                    LeaseWord::Superseded(region, epoch) => {
                        self.keeper.superseded(region, epoch, self.parts.clock.now_us());
                    }
                    LeaseWord::Drain => self.keeper.drain(),
                },
                () = answered(&mut self.ping) => {
                    self.ping = None;
                    self.keeper.world_answered(self.parts.clock.now_us());
                }
                () = sleep_until(due.min(self.ping_at).min(self.signs_at)) => {}
            }
        }
    }

    /// Another topology is in force.
    fn list(&mut self) {
        let version = *self.changes.borrow_and_update();
        self.told_refused.clear();
        let listing = self.parts.in_force.listing();
        let regions = listing.now().candidates();
        let left = listing.left_by(self.parts.lease.node);
        self.keeper
            .list(version, regions, left, self.parts.clock.now_us());
    }

    fn hear(&mut self, heard: Heard) {
        let now_us = self.parts.clock.now_us();
        match heard {
            Heard::Answer(question, result) => {
                self.tell_refusal(question, &result);
                self.keeper.answered(question, &result, now_us);
            }
            Heard::Gave(region, outcome) => {
                if let Err(Some(why)) = outcome {
                    tracing::warn!(region = %self.name_of(region), "the topology gives this region to another server, and it stays for now: {why}");
                }
                self.keeper.gave(region, outcome.is_ok(), now_us);
            }
            Heard::Signs(signs, session) => {
                self.is_looking = false;
                let is_same = self.session.replace(session) == Some(session);
                for (lease, is_shown) in signs {
                    self.keeper.shown(lease, is_shown.filter(|_| is_same), now_us);
                }
            }
        }
    }

    /// The store gives a region to nobody whom it was not told of: once for each topology.
    fn tell_refusal(&mut self, question: LeaseQuestion, result: &StoreResult) {
        if let (LeaseQuestion::Take(region, _), Err(error @ StoreError::NotCandidate { .. })) =
            (question, result)
            && self.told_refused.insert(region)
        {
            tracing::warn!(region = %self.name_of(region), "this region cannot be taken: {error}");
        }
    }

    /// Looks whether the processes that hold regions are there, one round at a time.
    fn look_for_signs(&mut self) {
        if self.signs_at > Instant::now() {
            return;
        }
        self.signs_at = Instant::now() + SIGNS_EVERY;
        let holders = self.keeper.holders();
        if self.is_looking || holders.is_empty() {
            return;
        }
        self.is_looking = true;
        let (store, reports, telling) = (
            self.parts.shows.clone(),
            Arc::clone(&self.parts.reports),
            self.telling.clone(),
        );
        tokio::task::spawn_blocking(move || {
            let is_held = |lease: &Lease| store.is_held(lease.node).ok();
            let held: Vec<(Lease, Option<bool>)> =
                holders.iter().map(|lease| (*lease, is_held(lease))).collect();
            let linked = reports.load().servers();
            let shown = |(lease, held): (Lease, Option<bool>)| {
                let is_linked = linked.contains(&lease.node);
                (lease, held.map(|held| held || is_linked))
            };
            // Nobody listens any more where the process ends.
            let _ = telling.send(Heard::Signs(
                held.into_iter().map(shown).collect(),
                store.session(),
            ));
        });
    }

    fn tell_readiness(&mut self) {
        let unheld = self.keeper.unheld();
        if self.told_unheld.replace(unheld) != Some(unheld) {
            let check = match unheld {
                0 => Check::well("each that is this server's or that it stands by for has a server"),
                count => Check::missing(format!(
                    "{count} of those that are this server's or that it stands by for have no server just now"
                )),
            };
            self.parts.readiness.set("regions", check);
        }
    }

    /// Asks the world's thread, one question at a time.
    fn ping(&mut self) {
        if self.ping_at > Instant::now() {
            return;
        }
        self.ping_at = Instant::now() + PING_EVERY;
        if self.ping.is_none() {
            let (pong, ping) = oneshot::channel();
            self.parts.mailbox.send(Order::Ping(pong));
            self.ping = Some(ping);
        }
    }

    fn carry_out(&mut self) {
        for effect in self.keeper.take_effects() {
            match effect {
                LeaseEffect::Ask(question, request) => self.ask(question, request),
                LeaseEffect::Serve(region, epoch) => self.serve(region, epoch),
                LeaseEffect::Give(region, to) => self.give(region, to),
                LeaseEffect::LetGo => {
                    tracing::warn!(
                        "the lease of this process has ended: it was silent for long, another server has taken over, or the store was restored; it serves nothing until it has a new one"
                    );
                    self.parts.mailbox.send(Order::LetGo);
                }
                LeaseEffect::Foreign(newest) => self.foreign(newest),
            }
        }
    }

    fn ask(&self, question: LeaseQuestion, request: StoreRequest) {
        let store = match question {
            LeaseQuestion::Take(..) | LeaseQuestion::Note | LeaseQuestion::PassOn(_) => &self.parts.store,
            LeaseQuestion::Start | LeaseQuestion::Renew(_) | LeaseQuestion::Look(_) => &self.parts.own,
        };
        let (store, telling) = (store.clone(), self.telling.clone());
        tokio::spawn(async move {
            let result = store.ask(request).await;
            // Nobody listens any more where the process ends.
            let _ = telling.send(Heard::Answer(question, result));
        });
    }

    fn serve(&self, region: RegionNumber, epoch: RegionEpoch) {
        match self.parts.maker.make(region, epoch) {
            Ok(made) => {
                tracing::info!(%region, epoch = epoch.0, "serves this region");
                self.parts.mailbox.send(Order::Serve(Box::new(made)));
            }
            Err(error) => tracing::error!(%region, %error, "this region cannot be served"),
        }
    }

    /// The topology gives a region of this server to another one.
    fn give(&self, region: RegionNumber, to: NodeNumber) {
        let (given, outcome) = oneshot::channel();
        tracing::info!(region = %self.name_of(region), to = %self.name_of_node(to), "the topology gives this region to another server");
        self.parts.mailbox.send(Order::Give(region, to, given));
        let telling = self.telling.clone();
        tokio::spawn(async move {
            // Without an outcome the process ends.
            let outcome = outcome.await.map_or(Err(None), |given| given.map_err(Some));
            // Nobody listens any more where the process ends.
            let _ = telling.send(Heard::Gave(region, outcome));
        });
    }

    /// Whom regions wait for that belong to others.
    fn tell_leaving(&mut self) {
        let behind: Vec<String> = self.keeper.behind().map(|node| self.name_of_node(node)).collect();
        let wait = |(region, candidates): (RegionNumber, &[NodeNumber])| {
            let (region, to) = (
                self.name_of(region),
                candidates.iter().map(|node| self.name_of_node(*node)),
            );
            let to = to.collect::<Vec<_>>().join(" or ");
            match behind.is_empty() {
                true => format!("region {region} is to go to {to}"),
                false => format!(
                    "region {region} is to go to {to} once {} have taken the topology up",
                    behind.join(", ")
                ),
            }
        };
        let waits: Vec<String> = self.keeper.leaving().map(wait).collect();
        let told = (!waits.is_empty()).then(|| waits.join("; "));
        if told == self.told_leaving {
            return;
        }
        match &told {
            Some(figure) => self.parts.readiness.set(MOVES, Check::noted(figure.clone())),
            None => self.parts.readiness.clear(MOVES),
        }
        self.told_leaving = told;
    }

    fn name_of(&self, region: RegionNumber) -> String {
        let listing = self.parts.in_force.listing();
        let region_there = listing.now().region(region);
        region_there.map_or_else(|| region.to_string(), |region| region.name.clone())
    }

    fn name_of_node(&self, node: NodeNumber) -> String {
        node_name(self.parts.in_force.listing().now(), node)
    }

    fn foreign(&self, newest: Incarnation) {
        // The thread keeps the way open; where it is gone, the node ends anyway.
        if let Some(news) = self.parts.news.upgrade() {
            let _ = news.try_send(News::Foreign(newest));
        }
    }
}

/// No time is later than this, microseconds: about a century.
const FAR_US: u64 = 1 << 51;

/// Resolves when the world has answered; never while it is asked nothing, or is gone.
async fn answered(ping: &mut Option<oneshot::Receiver<()>>) {
    let has_answered = match ping {
        Some(ping) => ping.await.is_ok(),
        None => false,
    };
    if !has_answered {
        std::future::pending::<()>().await;
    }
}

/// The name of a node, or its number where nobody is called so.
pub(super) fn node_name(topology: &Topology, node: NodeNumber) -> String {
    let server = topology.server(node).map(|server| &server.name);
    let name = server.or_else(|| Some(&topology.proxy(node)?.name));
    name.map_or_else(|| node.to_string(), Clone::clone)
}
