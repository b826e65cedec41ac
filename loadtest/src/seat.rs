//! A bot and its client, driven without waiting: visited when something came for it, and when something of it is due.

use std::sync::RwLock;
use std::task::Context;
use std::time::Instant;

use bytes::Bytes;
use client::{Client, ConnectionError, Traffic};

use crate::bell::Bell;
use crate::bot::{Activity, Bot, Rules};
use crate::places::Places;
use crate::tally::Tally;
use crate::timetable::next_at_phase;
use crate::trade::Givers;

/// Between two counts of who is in view, microseconds.
const LOOK_EVERY_US: u64 = 1_000_000;

/// Everything of a visit that is the same for all seats of a thread.
pub(crate) struct Visit<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) activity: Activity,
    /// Times are counted from here.
    pub(crate) began: Instant,
    pub(crate) tally: &'a mut Tally,
    pub(crate) places: &'a mut Option<Places>,
    pub(crate) givers: &'a RwLock<Givers>,
}

impl Visit<'_> {
    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

/// A bot in the world.
pub(crate) struct Seat {
    pub(crate) index: u32,
    pub(crate) bot: Bot,
    pub(crate) client: Client,
    bell: Bell,
    /// When the next input should leave, microseconds.
    next_input_us: u64,
    next_look_us: u64,
    traffic: Traffic,
}

impl Seat {
    /// `next_input_us`: when its first input should leave; later ones keep its phase.
    pub(crate) fn new(index: u32, bot: Bot, client: Client, bell: Bell, next_input_us: u64) -> Self {
        Self {
            index,
            bot,
            bell,
            traffic: client.traffic(),
            client,
            next_input_us,
            next_look_us: next_input_us,
        }
    }

    /// When it is to be visited next though nothing comes for it, microseconds.
    pub(crate) fn due_us(&self) -> u64 {
        self.next_input_us
    }

    /// Has it visited as if something had come.
    pub(crate) fn ring(&self) {
        self.bell.waker().wake_by_ref();
    }

    /// Its bell rang: takes what came, and sends what that asks for.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn look(&mut self, visit: &mut Visit<'_>) -> Result<(), ConnectionError> {
        self.bell.silence();
        let swept = self.client.sweep(&mut Context::from_waker(self.bell.waker()));
        self.take_events(visit);
        swept
    }

    /// Its time has come: sends the input that is due before anything else, and orders something now and then.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn act(&mut self, visit: &mut Visit<'_>) -> Result<(), ConnectionError> {
        self.send_inputs(visit);
        let now_us = visit.now_us();
        if visit.activity == Activity::Play && self.bot.wants_to_order(now_us) {
            self.order(visit, now_us);
        }
        let looked = self.look(visit);
        self.count(visit.tally, now_us);
        looked
    }

    fn take_events(&mut self, visit: &mut Visit<'_>) {
        let now_us = visit.now_us();
        while let Some(event) = self.client.poll_event() {
            if self.bot.handle(&event, now_us, visit.tally)
                && let Ok(mut givers) = visit.givers.write()
            {
                *givers.entry(self.bot.user).or_default() += 1;
            }
        }
    }

    fn send_inputs(&mut self, visit: &mut Visit<'_>) {
        let period_us = visit.rules.input_period_us;
        if visit.places.is_none() {
            let shape = self.client.world().map(client::World::shape);
            *visit.places = shape.map(|shape| Places::find(shape, &visit.rules.servers));
        }
        let mut now_us = visit.now_us();
        // New inputs change the rows that are to be counted; the client keeps its path open by itself.
        let stands = visit.activity == Activity::Stand && self.bot.stands();
        let Some(places) = visit.places.as_ref().filter(|_| self.bot.is_up() && !stands) else {
            self.next_input_us = next_at_phase(now_us + 1, self.next_input_us, period_us);
            return;
        };
        // One that should have left a period ago still leaves: a swarm that skips what it is late with measures nothing.
        while now_us >= self.next_input_us {
            let input = self.bot.input(visit.activity, places, visit.rules, now_us);
            let input = Bytes::copy_from_slice(&input.encode());
            // Read again: the time at which the input leaves is that of the call that sends it.
            now_us = visit.began.elapsed().as_micros() as u64;
            let number = self.client.send_input(input);
            self.bot
                .sent_input(number, self.next_input_us, now_us, visit.tally);
            self.next_input_us += period_us;
        }
    }

    fn order(&mut self, visit: &mut Visit<'_>, now_us: u64) {
        let Some(world) = self.client.world() else { return };
        let order = match visit.givers.read() {
            Ok(givers) => self.bot.order(world, &givers, now_us),
            Err(_) => None,
        };
        let Some(order) = order else { return };
        match self.client.send_command(order.class(), order.command.encode()) {
            Ok(number) => self.bot.ordered(number.0, &order),
            Err(_) => visit.tally.window_full += 1,
        }
    }

    /// Adds what went up and down since the last time, and counts now and then who is in view.
    fn count(&mut self, tally: &mut Tally, now_us: u64) {
        let traffic = self.client.traffic();
        tally.up_bytes += traffic.up_bytes - self.traffic.up_bytes;
        tally.down_bytes += traffic.down_bytes - self.traffic.down_bytes;
        self.traffic = traffic;
        if now_us >= self.next_look_us
            && let Some(world) = self.client.world()
        {
            self.next_look_us = now_us + LOOK_EVERY_US;
            self.bot.look(world, self.client.now_ms(), tally);
        }
    }

    /// A new measurement begins: what came before does not count.
    pub(crate) fn begin_measuring(&mut self) {
        self.traffic = self.client.traffic();
        self.bot.begin_measuring();
    }

    /// The client is back after a lost connection: what could not be sent meanwhile is not made up for.
    pub(crate) fn recovered(&mut self, period_us: u64, now_us: u64) {
        self.next_input_us = next_at_phase(now_us.max(self.next_input_us), self.next_input_us, period_us);
    }
}
