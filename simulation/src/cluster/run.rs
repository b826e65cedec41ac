//! A run from beginning to end: one event after the other, and after each the checks.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use faultpoint::Hits;

use super::event::Event;
use super::patience::{Events, Patience};
use super::state::Cluster;
use crate::matrix::Coverage;
use crate::options::Options;
use crate::overflow::Overflow;
use crate::trace::Lines;

/// What a link took with it that ended is read again by the regions at its ends within so long of its coming back: four
/// seconds until it is the turn of whoever it was about, and then a question.
const READ_AGAIN_US: u64 = 4_400_000;

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run.
    pub options: Options,
    /// Over all inputs and effects, in order.
    pub hash: u64,
    /// Events that happened.
    pub events: u64,
    /// Which ambushes struck.
    pub coverage: Coverage,
    /// How often each rule for what finds no room came into play.
    pub overflow: Overflow,
    /// Handovers that were completed.
    pub crossings: u64,
    /// Creatures that came over a border.
    pub roamed: u64,
    /// Regions that a topology, which was pushed, gave to other servers.
    pub moves: u64,
    /// How often somebody was hidden, or shown again.
    pub veiled: u64,
    /// How often somebody heard that something was given.
    pub gives: u64,
    /// Storms that were followed by a calm in which all was well.
    pub storms: u64,
    /// Which faults the cores had to deal with; counted in debug builds.
    pub hits: Hits,
    /// What did not hold, if anything.
    pub broken: Option<String>,
    /// The last events, if they were kept.
    pub lines: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "seed {}, {} events, {} crossings, hash {:016x}",
            self.options.seed, self.events, self.crossings, self.hash
        )?;
        if self.options.gives > 0 {
            writeln!(
                f,
                "{} gives, all sums right after every commit and in each of {} calms",
                self.gives, self.storms
            )?;
        }
        if let Some(broken) = &self.broken {
            writeln!(f, "BROKEN: {broken}")?;
        }
        write!(f, "{}", self.options.command())
    }
}

/// Runs without keeping lines.
///
/// # Errors
/// When the options make no world.
pub fn run(options: &Options) -> Result<Outcome, String> {
    run_within(options, Patience::of(options))
}

/// Runs, with so many events at most.
///
/// # Errors
/// As [`run`].
pub fn run_within(options: &Options, patience: Patience) -> Result<Outcome, String> {
    run_lines(options, Lines::Dropped, patience)
}

/// Runs and keeps the last events as text, at most so many; what only repeats itself is left out.
///
/// # Errors
/// As [`run`].
pub fn run_with_lines(options: &Options, lines_max: usize) -> Result<Outcome, String> {
    run_lines(options, Lines::Kept(lines_max), Patience::of(options))
}

/// The faults that a run plans, as text, in the order of their places.
///
/// # Errors
/// As [`run`].
pub fn faults_of(options: &Options) -> Result<Vec<String>, String> {
    let cluster = Cluster::new(options, Lines::Dropped)?;
    let planned = cluster.planned.iter();
    let told = planned.map(|it| format!("at {:.3} ms: {:?}", it.at_us as f64 / 1000.0, it.trouble));
    Ok(told.collect())
}

fn run_lines(options: &Options, lines: Lines, patience: Patience) -> Result<Outcome, String> {
    faultpoint::clear();
    let replay = |error| format!("{error}\n{}", options.command());
    options.check().map_err(replay)?;
    let mut cluster = Cluster::new(options, lines).map_err(replay)?;
    // What fails an assertion has broken something too, and what led to it is to be told.
    let ran = catch_unwind(AssertUnwindSafe(|| cluster.run_storms(patience)));
    let storms = ran.unwrap_or_else(|panic| {
        cluster.checks.fail(format!("panic: {}", said(&*panic)));
        0
    });
    Ok(Outcome {
        options: options.clone(),
        hash: cluster.trace.hash(),
        events: cluster.events,
        crossings: cluster.crossings,
        roamed: cluster.record.roamed(),
        moves: cluster.moves,
        veiled: cluster.record.veiled(),
        gives: cluster.checks.gives(),
        storms,
        hits: faultpoint::hits(),
        overflow: cluster.overflow(),
        coverage: cluster.coverage,
        broken: cluster.checks.broken().map(str::to_owned),
        lines: cluster.trace.lines(),
    })
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("of an unknown kind")
}

impl Cluster {
    /// Storms, each with its calm, until one breaks something or enough was given. How many ended well.
    pub(super) fn run_storms(&mut self, patience: Patience) -> u64 {
        let mut ended_well = 0;
        loop {
            self.patience = Events::new(patience);
            self.run_until(self.calm_end_us());
            let end_us = self.calm_end_us().max(self.linked_us + READ_AGAIN_US);
            self.run_until(end_us);
            if self.checks.broken().is_none() {
                self.look_when_calm();
            }
            if self.checks.broken().is_some() {
                return ended_well;
            }
            ended_well += 1;
            if self.checks.gives() >= self.options.gives {
                return ended_well;
            }
            self.began_us = end_us;
            self.record.storm();
            self.plan_troubles();
        }
    }

    /// Goes on until then, microseconds, or until something is broken.
    pub(super) fn run_until(&mut self, end_us: u64) {
        while self.checks.broken().is_none()
            && let Some((order, event)) = self.schedule.next(end_us)
        {
            match self.patience.count(self.now_us()) {
                Ok(()) => self.step(order, event),
                Err(endless) => self.checks.fail(format!("{endless}: {event:?}")),
            }
        }
    }

    /// Of everything that died and of what lives.
    fn overflow(&self) -> Overflow {
        let mut all = self.overflow;
        for world in self.servers.values().filter_map(|server| server.world.as_ref()) {
            all.regions += world.overflow();
        }
        all
    }

    fn step(&mut self, order: u64, event: Event) {
        let of_client = event.heard_by_proxy().map(|conn| self.conns[conn].proxy);
        if let Some(node) = of_client.or_else(|| event.node(|way| self.node_at(way))) {
            let stalled_us = self.stalled_until_us(node);
            if stalled_us > self.now_us() {
                return self.schedule.put_off(stalled_us, order, event);
            }
        }
        self.events += 1;
        let now_us = self.now_us();
        self.trace.number(now_us);
        self.trace.number(order);
        if !event.is_noise() {
            self.trace.line(now_us, || format!("{event:?}"));
        }
        match event {
            Event::Start(node, life) => self.start(node, life),
            Event::Dial(link) => self.dial(link),
            Event::LinkUp(way) => self.link_up(way),
            Event::LinkDown(way) => self.link_down(way),
            Event::Arrive(way, bytes, strike) => self.arrive(way, &bytes, strike),
            Event::Tick(node, life) => self.tick(node, life),
            Event::ShardTick(node, life) => self.shard_tick(node, life),
            Event::LeaseTick(node, life) => self.lease_tick(node, life),
            Event::AskService(node, life, region) => self.service_again(node, life, region),
            Event::Worked(node, life, work, answer) => self.worked(node, life, work, answer),
            Event::StoreArrive(asker, request, fault) => self.store_arrive(asker, request, fault),
            Event::StoreAnswer(asker, result) => self.store_answer(asker, result),
            Event::Bot(index) => self.bot(index),
            Event::Hello(conn) => self.hello(conn),
            Event::StreamUp(conn, message) => self.proxy_hears_client(conn, &message),
            Event::StreamDown(conn, message) => self.client_hears(conn, message),
            Event::DatagramUp(conn, bytes) => self.proxy_hears_datagram(conn, bytes),
            Event::DatagramDown(conn, bytes) => self.client_hears_datagram(conn, bytes),
            Event::ConnLostAtProxy(conn) => self.conn_lost_at_proxy(conn),
            Event::ConnLostAtClient(conn) => self.conn_lost_at_client(conn),
            Event::ReadsAgain(conn) => self.reads_again(conn),
            Event::TakeUp(node) => self.take_up(node),
            Event::Trouble(trouble) => self.trouble_strikes(trouble),
        }
    }
}
