//! Keeps this process's lease where servers stand by for each other: asks the store what the keeper wants to know, and tells
//! the world which regions come and go.

use std::sync::Arc;
use std::time::Duration;

use net::clock::Monotonic;
use node::admin::{Check, Readiness};
use protocol::ids::{Incarnation, NodeNumber, RegionEpoch, RegionNumber};
use store::{Lease, LeaseStore, Serving, StoreHandle, StoreReply, StoreRequest, StoreResult};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use topology::Topology;

use super::build::Built;
use super::region_maker::RegionMaker;
use super::report::WorldReports;
use super::world_mailbox::{Mailbox, News, Order};
use crate::lease::{LeaseEffect, LeaseKeeper, LeaseQuestion};

/// How often the world's thread is asked whether it comes round.
const PING_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether the processes that hold regions are there.
const SIGNS_EVERY: Duration = Duration::from_millis(100);
/// How long a server that drains tries to give its regions away.
const GIVING_WITHIN: Duration = Duration::from_secs(1);

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
    topology: Arc<Topology>,
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
    /// Whether these processes were seen to be there, and in which session of the store.
    Signs(Vec<(Lease, Option<bool>)>, u64),
}

/// The keeper at work.
pub(super) struct LeaseTask {
    parts: LeaseParts,
    keeper: LeaseKeeper,
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
            topology: Arc::clone(&built.topology),
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
        let regions = parts.topology.candidacies(parts.lease.node);
        let keeper = LeaseKeeper::new(parts.lease, regions, parts.clock.now_us());
        let (telling, words) = mpsc::unbounded_channel();
        let (telling_itself, heard) = mpsc::unbounded_channel();
        let task = Self {
            parts,
            keeper,
            words,
            heard,
            telling: telling_itself,
            signs_at: Instant::now(),
            is_looking: false,
            session: None,
            ping: None,
            ping_at: Instant::now(),
            told_unheld: None,
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
            self.keeper.tick(self.parts.clock.now_us());
            self.carry_out();
            self.tell_readiness();
            self.ping();
            self.look_for_signs();
            let due = Instant::from_std(self.parts.clock.at_us(self.keeper.due_us().min(FAR_US)));
            tokio::select! {
                Some(heard) = self.heard.recv() => self.hear(heard),
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

    fn hear(&mut self, heard: Heard) {
        let now_us = self.parts.clock.now_us();
        match heard {
            Heard::Answer(question, result) => self.keeper.answered(question, &result, now_us),
            Heard::Signs(signs, session) => {
                self.is_looking = false;
                let is_same = self.session.replace(session) == Some(session);
                for (lease, is_shown) in signs {
                    self.keeper.shown(lease, is_shown.filter(|_| is_same), now_us);
                }
            }
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
            LeaseQuestion::Take(..) => &self.parts.store,
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

/// Gives each region that is written down to the first of its other candidates that is alive, so that its players need not wait
/// until this server counts as dead. Those that nobody takes stay this node's.
pub(super) async fn give_away(
    store: &StoreHandle,
    topology: &Topology,
    served: impl IntoIterator<Item = Serving>,
) {
    let giving = async {
        for from in served {
            give(store, topology, from).await;
        }
    };
    if tokio::time::timeout(GIVING_WITHIN, giving).await.is_err() {
        tracing::warn!("not all regions were given away in time: others take them over in a while");
    }
}

async fn give(store: &StoreHandle, topology: &Topology, from: Serving) {
    let region = from.region;
    let candidates = topology
        .region(region)
        .into_iter()
        .flat_map(topology::Region::candidates);
    for to in candidates.filter(|to| *to != from.node) {
        match store.ask(StoreRequest::GiveRegion { from, to }).await {
            Ok(StoreReply::Serving(_)) => {
                tracing::info!(%region, to = %name(topology, to), "gave this region away");
                return;
            }
            // Not running.
            Ok(StoreReply::LeaseEnded(_)) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%region, %error, "this region was not given away: others take it over in a while");
                return;
            }
        }
    }
}

fn name(topology: &Topology, node: NodeNumber) -> String {
    let server = topology.server(node);
    server.map_or_else(|| node.to_string(), |server| server.name.clone())
}
