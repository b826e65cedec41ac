//! A bot and its client, driven without waiting: visited when something came for it, and when something of it is due.

use std::sync::RwLock;
use std::time::Instant;

use bytes::Bytes;
use client::{ClientEvent, ConnectionError, Scratch, SweptClient, Traffic};
use net::udp::StampedBatch;
use protocol::ids::UserId;

use crate::bot::{Activity, Bot, Rules, class};
use crate::places::Places;
use crate::sockets::{OWN_DATAGRAMS, Sockets};
use crate::tally::Tally;
use crate::timetable::next_at_phase;
use game::bot::Givers;

/// Between two counts of who is in view, microseconds.
const LOOK_EVERY_US: u64 = 1_000_000;

/// What has come is taken at least so often, whatever a bot does, microseconds.
const READ_EVERY_US: u64 = 50_000;
/// Reads of one visit at most.
const READS_MAX: usize = 64;
/// Inputs of one bot that count as owed at most.
const OWED_MAX: usize = 1_000;

/// Everything of a visit that is the same for all seats of a thread.
pub(crate) struct Visit<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) activity: Activity,
    /// Times are counted from here.
    pub(crate) began: Instant,
    pub(crate) tally: &'a mut Tally,
    pub(crate) places: &'a mut Option<Places>,
    pub(crate) givers: &'a RwLock<Givers>,
    pub(crate) sockets: &'a mut Sockets,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) incoming: &'a mut StampedBatch<OWN_DATAGRAMS>,
    /// The wall clock less the run's, microseconds.
    pub(crate) wall_offset_us: u64,
    /// The intended times of the inputs that were handed over and have not been timed yet.
    pub(crate) departures: &'a mut Vec<u64>,
}

impl Visit<'_> {
    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

/// When something arrived by the run's clock that the kernel stamped, and that is there now.
fn arrived_us(stamp_us: Option<u64>, wall_offset_us: u64, now_us: u64) -> u64 {
    let at_us = stamp_us.and_then(|stamp_us| stamp_us.checked_sub(wall_offset_us));
    at_us.map_or(now_us, |at_us| at_us.min(now_us))
}

/// Whether more may wait behind what arrived then. What was there at the visit before already, when something else came first,
/// may have anything behind it; and a tick after a snapshot comes the next one. So all that waits is read, and who has one snapshot
/// between two visits is asked once.
fn may_have_more(at_us: u64, before_us: u64, now_us: u64, tick_us: u64) -> bool {
    at_us <= before_us || now_us - at_us >= tick_us
}

/// A bot in the world.
pub(crate) struct Seat {
    pub(crate) index: u32,
    pub(crate) bot: Bot,
    pub(crate) client: SweptClient,
    place: u32,
    /// When the next input should leave, microseconds.
    next_input_us: u64,
    next_read_us: u64,
    read_us: u64,
    next_look_us: u64,
    traffic: Traffic,
}

impl Seat {
    /// `next_input_us`: when its first input should leave; later ones keep its phase.
    pub(crate) fn new(index: u32, place: u32, bot: Bot, client: SweptClient, next_input_us: u64) -> Self {
        Self {
            index,
            bot,
            place,
            traffic: client.traffic(),
            client,
            next_input_us,
            next_read_us: next_input_us,
            read_us: 0,
            next_look_us: next_input_us,
        }
    }

    /// When it is to be visited next though nothing comes on its stream, microseconds.
    pub(crate) fn due_us(&self) -> u64 {
        self.next_input_us.min(self.next_read_us)
    }

    /// Something has come on its stream.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn take_stream(&mut self, visit: &mut Visit<'_>) -> Result<(), ConnectionError> {
        let now_ms = self.client.now_ms();
        let taken = self.client.handle_stream(visit.scratch, now_ms);
        self.take_events(visit, visit.now_us());
        taken?;
        self.flush(visit, now_ms)
    }

    /// A datagram has come for it through a shared socket.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn take_datagram(
        &mut self,
        visit: &mut Visit<'_>,
        stamp_us: Option<u64>,
        datagram: &mut [u8],
    ) -> Result<(), ConnectionError> {
        let (now_us, now_ms) = (visit.now_us(), self.client.now_ms());
        let at_us = arrived_us(stamp_us, visit.wall_offset_us, now_us);
        self.client
            .handle_datagram(datagram, now_ms.saturating_sub((now_us - at_us) / 1_000));
        self.take_events(visit, at_us);
        self.flush(visit, now_ms)
    }

    /// Its time has come: takes what has come for it, sends the input that is due before anything else, and orders
    /// something now and then.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn act(&mut self, visit: &mut Visit<'_>) -> Result<(), ConnectionError> {
        let (now_us, now_ms) = (visit.now_us(), self.client.now_ms());
        self.next_read_us = now_us + READ_EVERY_US;
        self.read(visit, now_us, now_ms)?;
        self.send_inputs(visit, now_us, now_ms)?;
        if visit.activity == Activity::Play && self.bot.wants_to_order(now_us) {
            self.order(visit, now_us);
        }
        let ticked = self.client.tick(now_ms);
        self.take_events(visit, now_us);
        ticked?;
        self.flush(visit, now_ms)?;
        self.count(visit.tally, now_us, now_ms);
        Ok(())
    }

    /// Reads its own socket for as long as there may be more.
    fn read(&mut self, visit: &mut Visit<'_>, now_us: u64, now_ms: u64) -> Result<(), ConnectionError> {
        let before_us = std::mem::replace(&mut self.read_us, now_us);
        let tick_us = visit.places.as_ref().map_or(u64::MAX, Places::tick_us);
        for _ in 0..READS_MAX {
            let mut has_more = false;
            visit.sockets.receive(self.place, visit.incoming)?;
            for (stamp_us, datagram) in visit.incoming.datagrams_mut() {
                let at_us = arrived_us(stamp_us, visit.wall_offset_us, now_us);
                has_more = may_have_more(at_us, before_us, now_us, tick_us);
                self.client
                    .handle_datagram(datagram, now_ms.saturating_sub((now_us - at_us) / 1_000));
                while let Some(event) = self.client.poll_event() {
                    take_event(&mut self.bot, &event, at_us, visit.tally, visit.givers);
                }
            }
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    /// Leaves the world for good.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn leave(&mut self, visit: &mut Visit<'_>) -> Result<(), ConnectionError> {
        self.client.send_logout();
        let now_ms = self.client.now_ms();
        self.flush(visit, now_ms)
    }

    fn flush(&mut self, visit: &mut Visit<'_>, now_ms: u64) -> Result<(), ConnectionError> {
        let (sockets, place) = (&mut *visit.sockets, self.place);
        self.client
            .flush(visit.scratch, now_ms, |datagram| sockets.send(place, datagram))
    }

    fn take_events(&mut self, visit: &mut Visit<'_>, at_us: u64) {
        while let Some(event) = self.client.poll_event() {
            take_event(&mut self.bot, &event, at_us, visit.tally, visit.givers);
        }
    }

    fn send_inputs(
        &mut self,
        visit: &mut Visit<'_>,
        now_us: u64,
        now_ms: u64,
    ) -> Result<(), ConnectionError> {
        let period_us = visit.rules.input_period_us;
        if visit.places.is_none() {
            let shape = self.client.world().map(client::World::shape);
            *visit.places = shape.map(|shape| Places::find(shape, &visit.rules.servers));
        }
        // New inputs change the rows that are to be counted; the client keeps its path open by itself.
        let stands = visit.activity == Activity::Stand && self.bot.stands();
        if visit.places.is_none() || !self.bot.is_up() || stands {
            self.next_input_us = next_at_phase(now_us + 1, self.next_input_us, period_us);
            return Ok(());
        }
        // One that should have left a period ago still leaves: a swarm that skips what it is late with measures nothing.
        while now_us >= self.next_input_us {
            let Some(places) = &visit.places else { break };
            let input = self.bot.input(visit.activity, places, visit.rules, now_us);
            let input = Bytes::copy_from_slice(input);
            let number = self.client.send_input(input, now_ms);
            self.flush(visit, now_ms)?;
            self.bot.sent_input(number, self.next_input_us, visit.tally);
            visit.departures.push(self.next_input_us);
            self.next_input_us += period_us;
        }
        Ok(())
    }

    fn order(&mut self, visit: &mut Visit<'_>, now_us: u64) {
        let Some(world) = self.client.world() else { return };
        let order = match visit.givers.read() {
            Ok(givers) => self.bot.order(world, &givers, now_us),
            Err(_) => None,
        };
        let Some(order) = order else { return };
        match self.client.send_command(class(order.kind), order.body.clone()) {
            Ok(number) => self.bot.ordered(number, order),
            Err(_) => visit.tally.window_full += 1,
        }
    }

    /// Adds what went up and down since the last time, and counts now and then who is in view.
    fn count(&mut self, tally: &mut Tally, now_us: u64, now_ms: u64) {
        let traffic = self.client.traffic();
        tally.up_bytes += traffic.up_bytes - self.traffic.up_bytes;
        tally.down_bytes += traffic.down_bytes - self.traffic.down_bytes;
        self.traffic = traffic;
        if now_us < self.next_look_us {
            return;
        }
        self.next_look_us = now_us + LOOK_EVERY_US;
        self.bot.pulse.look(now_us, tally);
        if let Some(world) = self.client.world() {
            self.bot.look(world, now_ms, tally);
        }
    }

    /// A new measurement begins: what came before does not count.
    pub(crate) fn begin_measuring(&mut self, now_us: u64) {
        self.traffic = self.client.traffic();
        self.bot.begin_measuring(now_us);
    }

    /// A measurement ends: what is owed counts as late as it is by now.
    pub(crate) fn end_measuring(&mut self, period_us: u64, now_us: u64, tally: &mut Tally) {
        self.bot.pulse.end_measuring(now_us, tally);
        let owed = (self.next_input_us..now_us).step_by(period_us.max(1) as usize);
        for due_us in owed.take(OWED_MAX) {
            tally.late_us.record(now_us - due_us);
        }
    }

    /// The client is back after a lost connection: what could not be sent meanwhile is not made up for. Returns whom it
    /// plays as now.
    pub(crate) fn recovered(&mut self, period_us: u64, now_us: u64) -> UserId {
        self.next_input_us = next_at_phase(now_us.max(self.next_input_us), self.next_input_us, period_us);
        self.next_read_us = self.next_input_us;
        self.client.user()
    }
}

fn take_event(bot: &mut Bot, event: &ClientEvent, at_us: u64, tally: &mut Tally, givers: &RwLock<Givers>) {
    if bot.handle(event, at_us, tally)
        && let Ok(mut givers) = givers.write()
    {
        *givers.entry(bot.user).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_is_timed_by_its_stamp_and_never_lies_ahead() {
        // The run began at second 100 of the wall clock.
        let arrived = |stamp_us| arrived_us(stamp_us, 100_000_000, 5_000_000);
        assert_eq!(arrived(Some(104_960_000)), 4_960_000);
        assert_eq!(arrived(Some(105_000_001)), 5_000_000);
        assert_eq!(
            arrived(Some(99_000_000)),
            5_000_000,
            "the wall clock was set back"
        );
        assert_eq!(arrived(None), 5_000_000);
    }

    #[test]
    fn all_that_waits_is_read_however_fast_ticks_are_and_nobody_is_asked_in_vain() {
        for (hz, mostly) in [(20, 1), (30, 2), (60, 3)] {
            let tick_us = 1_000_000 / hz;
            let mut waiting = (0..hz * 10).map(|tick| tick * tick_us + 3_000).peekable();
            let (mut before_us, mut asked) = (0, 0);
            for visit in 1..=200 {
                let now_us = visit * READ_EVERY_US;
                let mut has_more = true;
                while has_more {
                    asked += 1;
                    let next = waiting.next_if(|at_us| *at_us <= now_us);
                    has_more = next.is_some_and(|at_us| may_have_more(at_us, before_us, now_us, tick_us));
                }
                before_us = now_us;
                assert!(
                    waiting.peek().is_none_or(|at_us| *at_us > now_us),
                    "{hz} Hz: it waits"
                );
            }
            assert!(asked <= 200 * mostly, "{hz} Hz: asked {asked} times");
        }
    }
}
