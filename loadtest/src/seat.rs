//! A bot and its client, driven without waiting: visited on a cadence, as thousands of them share a thread.

use bytes::Bytes;
use client::{Client, ConnectionError, Traffic};

use crate::bot::{Activity, Bot, Rules};
use crate::places::Places;
use crate::tally::Tally;
use crate::trade::Givers;

/// Everything of a visit that is the same for all seats.
pub(crate) struct Visit<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) activity: Activity,
    pub(crate) now_us: u64,
    /// Streams are looked at less often than datagrams: every so many visits, staggered.
    pub(crate) round: u64,
    pub(crate) tally: &'a mut Tally,
}

/// Visits between two looks at a stream.
const STREAM_ROUNDS: u64 = 4;

/// What a visit ended in.
pub(crate) enum Visited {
    /// All is well.
    Fine,
    /// The bot gave something across a border.
    GaveAcross,
    /// The connection is lost.
    Lost(ConnectionError),
}

/// A bot in the world.
pub(crate) struct Seat {
    pub(crate) index: u32,
    pub(crate) bot: Bot,
    pub(crate) client: Client,
    /// When the next input should leave.
    next_input_us: u64,
    traffic: Traffic,
}

impl Seat {
    /// `phase_us`: where in the period this bot's inputs lie.
    pub(crate) fn new(index: u32, bot: Bot, client: Client, next_input_us: u64) -> Self {
        Self {
            index,
            bot,
            traffic: client.traffic(),
            client,
            next_input_us,
        }
    }

    /// Takes what came, and sends what is due.
    pub(crate) fn visit(
        &mut self,
        visit: &mut Visit<'_>,
        places: &mut Option<Places>,
        givers: &Givers,
    ) -> Visited {
        self.client.sweep_datagrams();
        if (visit.round + u64::from(self.index)).is_multiple_of(STREAM_ROUNDS)
            && let Err(error) = self.client.sweep_stream()
        {
            return Visited::Lost(error);
        }
        let gave = self.take_events(visit);
        if visit.now_us >= self.next_input_us {
            self.send_inputs(visit, places);
        }
        if visit.activity == Activity::Play && self.bot.wants_to_order(visit.now_us) {
            self.order(visit, givers);
        }
        if gave { Visited::GaveAcross } else { Visited::Fine }
    }

    fn take_events(&mut self, visit: &mut Visit<'_>) -> bool {
        let mut gave = false;
        while let Some(event) = self.client.poll_event() {
            gave |= self.bot.handle(&event, visit.now_us, visit.tally);
        }
        gave
    }

    fn send_inputs(&mut self, visit: &mut Visit<'_>, places: &mut Option<Places>) {
        let shape = self.client.world().map(client::World::shape);
        if places.is_none() {
            *places = shape.map(|shape| Places::find(shape, &visit.rules.servers));
        }
        let period_us = visit.rules.input_period_us;
        let Some(places) = places.as_ref().filter(|_| self.bot.is_up()) else {
            self.next_input_us = visit.now_us + period_us;
            return;
        };
        if visit.activity == Activity::Stand && self.bot.stands() {
            // New inputs change the rows that are to be counted; the client keeps its path open by itself.
            self.next_input_us = visit.now_us + period_us;
            return;
        }
        // One that should have left a period ago still leaves: a swarm that skips what it is late with measures nothing.
        while visit.now_us >= self.next_input_us {
            let input = self.bot.input(visit.activity, places, visit.rules, visit.now_us);
            let number = self.client.send_input(Bytes::copy_from_slice(&input.encode()));
            self.bot
                .sent_input(number, self.next_input_us, visit.now_us, visit.tally);
            self.next_input_us += period_us;
        }
    }

    fn order(&mut self, visit: &mut Visit<'_>, givers: &Givers) {
        let Some(world) = self.client.world() else { return };
        let Some(order) = self.bot.order(world, givers, visit.now_us) else {
            return;
        };
        let class = order.class();
        match self.client.send_command(class, order.command.encode()) {
            Ok(number) => self.bot.ordered(number.0, &order),
            Err(_) => visit.tally.window_full += 1,
        }
    }

    /// Counts what is in view, and adds what went up and down since the last time.
    pub(crate) fn sample(&mut self, tally: &mut Tally) {
        if let Some(world) = self.client.world() {
            self.bot.look(world, self.client.now_ms(), tally);
        }
        let traffic = self.client.traffic();
        tally.up_bytes += traffic.up_bytes - self.traffic.up_bytes;
        tally.down_bytes += traffic.down_bytes - self.traffic.down_bytes;
        self.traffic = traffic;
    }

    /// The client is back after a lost connection: what could not be sent meanwhile is not made up for.
    pub(crate) fn recovered(&mut self, now_us: u64) {
        self.next_input_us = self.next_input_us.max(now_us);
    }
}
