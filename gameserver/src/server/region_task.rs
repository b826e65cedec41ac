//! Owns one region: brings in what arrives, moves time, carries out what comes out. What arrives is handled and answered
//! at once, between ticks; ticks keep an absolute schedule and wait for nothing.

use std::sync::Arc;
use std::time::Duration;

use node::clock::{Monotonic, wall_ms};
use protocol::ids::RegionNumber;
use store::StoreAnswer;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::inbox::InboxReader;
use super::link_room::Turn;
use super::metrics::{self, RegionMetrics};
use super::outbound::Outbound;
use super::recent_times::RecentTimes;
use super::report::{RegionReport, ReportSlot};
use super::tick_schedule::TickSchedule;
use crate::region::{Now, PhaseClock, Region, RegionInput, StoreTicket};

/// Ticks from one report to the next.
const TICKS_PER_REPORT: u64 = 2;
/// In a drain, how long the store may be silent before the region looks again whether more is to be written.
const DRAIN_SILENCE: Duration = Duration::from_millis(250);

/// A region with everything it is run by.
pub(super) struct RegionTask {
    pub(super) region: Region,
    pub(super) inbox: InboxReader,
    /// The store has answered something.
    pub(super) answered: Arc<Notify>,
    pub(super) outbound: Outbound,
    pub(super) schedule: TickSchedule,
    pub(super) clock: Monotonic,
    pub(super) report: ReportSlot,
    pub(super) state: Bookkeeping,
}

/// Why a region's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegionEnd {
    /// It was drained, or nobody can reach it any more.
    Drained,
    /// Another process serves this region now.
    Superseded(RegionNumber),
}

/// What the task remembers to report.
pub(super) struct Bookkeeping {
    metrics: RegionMetrics,
    ticks: RecentTimes,
    store: RecentTimes,
    skipped: u64,
    until_report: u64,
    /// The region's number among those of this process, and how many there are.
    place: (usize, usize),
    ticked: u64,
}

impl Bookkeeping {
    pub(super) fn new(metrics: RegionMetrics, place: (usize, usize)) -> Self {
        Self {
            metrics,
            ticks: RecentTimes::default(),
            store: RecentTimes::default(),
            skipped: 0,
            until_report: 0,
            place,
            ticked: 0,
        }
    }
}

/// Times the phases of a tick.
struct Stopwatch(Monotonic);

impl PhaseClock for Stopwatch {
    fn now_us(&mut self) -> u64 {
        self.0.now_us()
    }
}

impl RegionTask {
    /// Runs until `drain`, and then until everything is written down or `drain_ms` have passed.
    pub(super) async fn run(mut self, drain: CancellationToken, drain_ms: u64) -> RegionEnd {
        self.flush();
        let timer = sleep_until(self.due());
        tokio::pin!(timer);
        loop {
            tokio::select! {
                biased;
                () = drain.cancelled() => break,
                inputs = self.inbox.next() => match inputs {
                    Some(inputs) => self.take_in(inputs),
                    None => break,
                },
                () = self.answered.notified() => {}
                () = &mut timer => {}
            }
            // Whatever it was that came: no flood of messages keeps answers waiting.
            self.take_answers();
            self.flush();
            if self.outbound.is_superseded() {
                return RegionEnd::Superseded(self.region.number());
            }
            // Asked after every arrival, so that no flood of messages keeps a tick from its time.
            if self.clock.now_us() >= self.schedule.due_us() {
                self.tick_on_time();
                timer.as_mut().reset(self.due());
            }
        }
        self.drain(drain_ms).await;
        RegionEnd::Drained
    }

    fn due(&self) -> Instant {
        Instant::from_std(self.clock.at_us(self.schedule.due_us()))
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.clock.now_ms(),
            wall_ms: wall_ms(),
        }
    }

    fn take_in(&mut self, inputs: Vec<RegionInput>) {
        let now = self.now();
        for input in inputs {
            self.region.handle(input, now);
        }
    }

    fn take_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.state.answers);
        self.outbound.take_answers(&mut answers);
        for answer in answers.drain(..) {
            self.take_answer(answer);
        }
        self.state.answers = answers;
    }

    fn take_answer(&mut self, answer: StoreAnswer) {
        if let Some(us) = self.outbound.answered(answer.correlation, self.clock.now_us()) {
            self.state.metrics.store.record(us as f64 / 1e6);
            self.state.store.record(us);
        }
        if let Err(error) = &answer.result {
            metrics::store_error(error.label());
            tracing::warn!(region = %self.region.number(), %error, "the store did not answer");
        }
        let input = RegionInput::Store(StoreTicket(answer.correlation), answer.result);
        self.region.handle(input, self.now());
    }

    fn flush(&mut self) {
        let effects = self.region.take_effects();
        self.outbound.flush(effects, self.clock.now_us());
    }

    fn tick_on_time(&mut self) {
        let late_us = self.clock.now_us().saturating_sub(self.schedule.due_us());
        self.state.metrics.late.record(late_us as f64 / 1e6);
        self.tick();
        let skipped = self.schedule.advance(self.clock.now_us());
        if skipped > 0 {
            self.state.skipped += skipped;
            self.state.metrics.skipped.increment(skipped);
        }
    }

    /// The length of a tick is that of computing it and of queueing what comes out.
    fn tick(&mut self) {
        let (began_us, now) = (self.clock.now_us(), self.now());
        let (ordinal, regions) = self.state.place;
        let turn = Turn::of(ordinal, regions, self.state.ticked);
        self.state.ticked += 1;
        let mut room = self.outbound.room(turn);
        self.region.tick(now, &mut Stopwatch(self.clock), &mut room);
        drop(room);
        self.flush();
        let us = self.clock.now_us().saturating_sub(began_us);
        self.state.metrics.tick.record(us as f64 / 1e6);
        self.state.ticks.record(us);
        if self.state.until_report == 0 {
            self.state.until_report = TICKS_PER_REPORT;
            self.publish_report();
        }
        self.state.until_report -= 1;
    }

    fn publish_report(&mut self) {
        let status = self.region.status();
        let inbox_bytes = self.inbox.waiting_bytes();
        self.state.metrics.status(&status);
        self.state
            .metrics
            .phases(status.phases_us.iter().map(|(_, us)| *us));
        self.state.metrics.inbox_bytes.set(inbox_bytes as f64);
        self.report.store(Arc::new(RegionReport {
            status,
            tick_us: self.state.ticks.summary(),
            store_us: self.state.store.summary(),
            ticks_skipped: self.state.skipped,
            inbox_bytes,
        }));
    }

    /// The world stands still but for what writing down needs: a tick hands to the store what has changed, and the next
    /// one comes when all of that is answered.
    async fn drain(&mut self, drain_ms: u64) {
        let deadline_ms = self.clock.now_ms() + drain_ms;
        self.region.handle(RegionInput::Drain, self.now());
        loop {
            self.tick();
            // Peers go on talking meanwhile, and what is to be asked again waits for a tick.
            let look_ms = self.clock.now_ms() + DRAIN_SILENCE.as_millis() as u64;
            while self.region.status().store_waiting > 0 && self.clock.now_ms() < look_ms {
                if timeout(DRAIN_SILENCE, self.take_next()).await.is_err() {
                    break;
                }
                self.flush();
            }
            let status = self.region.status();
            if status.unsaved == 0 && status.store_waiting == 0 {
                break;
            }
            if self.clock.now_ms() >= deadline_ms {
                tracing::warn!(
                    region = status.region,
                    unsaved = status.unsaved,
                    "not everything could be written down"
                );
                break;
            }
        }
        self.publish_report();
    }

    async fn take_next(&mut self) {
        tokio::select! {
            biased;
            () = self.answered.notified() => {}
            Some(inputs) = self.inbox.next() => self.take_in(inputs),
        }
        self.take_answers();
    }
}
