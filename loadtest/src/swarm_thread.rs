//! A thread that drives its share of the bots, a plain loop: it wakes on every beat, visits the bots that are due, reads
//! the streams that have something, and answers what the run asks. Nothing wakes it for a single packet, and nothing in it
//! waits.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use client::{Carrier, ConnectOptions, ConnectionError, Credentials, Scratch, SweptClient};
use game::bot::Givers;
use net::clock::wall_us;
use net::udp::{BATCH_DATAGRAMS, StampedBatch};
use tokio::sync::mpsc;

use crate::absences::Absences;
use crate::bot::{Activity, Bot, Record, Rules};
use crate::logins::{Arrival, Errand};
use crate::places::Places;
use crate::pulse::{Pulse, STALL_US};
use crate::seat::{Seat, Visit};
use crate::sockets::{OWN_DATAGRAMS, Sharing, Sockets, Waiting};
use crate::timetable::{Beats, Timetable, next_at_phase};
use crate::words::{Look, Word};

/// Logins of one thread under way at once.
const LOGINS_MAX: usize = 64;
/// Before a login that failed is tried again.
const LOGIN_AGAIN_US: u64 = 1_000_000;
/// For the last words of the clients.
const GOODBYE: Duration = Duration::from_millis(300);
/// So few bots let their thread sleep over the beats at which nobody has anything to do.
const FEW_BOTS: usize = 8;
/// A thread that has not come round for so long stood still, and hears of nothing, microseconds.
const PAUSE_US: u64 = 500_000;
/// Full batches from one shared socket in one sweep.
const BATCHES_MAX: usize = 32;
/// Looks at all sockets in one sweep: what comes faster waits until arrivals and words had their turn.
const LOOKS_MAX: usize = 8;

/// What a thread needs to know.
pub(crate) struct Share {
    /// The bots' numbers in the swarm.
    pub(crate) indices: Vec<u32>,
    /// Bots in the whole swarm.
    pub(crate) players: u32,
    pub(crate) beats: Beats,
    pub(crate) sharing: Sharing,
    pub(crate) rules: Arc<Rules>,
    pub(crate) options: ConnectOptions,
    pub(crate) carrier: Carrier,
    pub(crate) givers: Arc<RwLock<Givers>>,
    /// When the run began; times are counted from here.
    pub(crate) began: Instant,
    /// Between the logins of two neighbouring numbers, microseconds.
    pub(crate) login_every_us: u64,
    pub(crate) words: mpsc::UnboundedReceiver<Word>,
    pub(crate) errands: mpsc::UnboundedSender<Errand>,
}

struct Login {
    place: u32,
    at_us: u64,
}

struct Thread {
    share: Share,
    /// By place, which is that in the share; `None` while a bot has no connection.
    seats: Vec<Option<Box<Seat>>>,
    timetable: Timetable,
    sockets: Sockets,
    scratch: Scratch,
    incoming: StampedBatch<OWN_DATAGRAMS>,
    /// Lent out while what it holds is dealt with.
    shared: Option<Box<StampedBatch<BATCH_DATAGRAMS>>>,
    waiting: Vec<Waiting>,
    /// The wall clock less ours, as of the last beat, microseconds.
    wall_offset_us: u64,
    departures: Vec<u64>,
    beat_us: u64,
    /// When it came round last.
    awake_us: u64,
    absences: Absences,
    /// Those whose session ended for good.
    gone: Vec<Record>,
    logins: Vec<Login>,
    logging_in: usize,
    arrivals: (Sender<Arrival>, Receiver<Arrival>),
    places: Option<Places>,
    activity: Activity,
    look: Look,
}

/// Runs a share to its end; blocks the thread it is called on.
///
/// # Errors
/// The operating system gives no sockets, or breaks those there are.
pub(crate) fn run(share: Share) -> std::io::Result<()> {
    Thread::new(share)?.drive()
}

impl Thread {
    fn new(share: Share) -> std::io::Result<Self> {
        let login = |(place, index): (usize, &u32)| Login {
            place: place as u32,
            at_us: u64::from(*index) * share.login_every_us,
        };
        let mut logins: Vec<Login> = share.indices.iter().enumerate().map(login).collect();
        // The next one is at the end.
        logins.reverse();
        Ok(Self {
            seats: share.indices.iter().map(|_| None).collect(),
            timetable: Timetable::default(),
            sockets: Sockets::new(share.indices.len(), share.sharing)?,
            scratch: Scratch::default(),
            incoming: StampedBatch::default(),
            shared: Some(Box::default()),
            waiting: Vec::new(),
            wall_offset_us: 0,
            departures: Vec::new(),
            beat_us: 0,
            awake_us: 0,
            absences: Absences::default(),
            gone: Vec::new(),
            logins,
            logging_in: 0,
            arrivals: channel(),
            places: None,
            activity: Activity::Play,
            look: Look::default(),
            share,
        })
    }

    fn now_us(&self) -> u64 {
        self.share.began.elapsed().as_micros() as u64
    }

    fn drive(&mut self) -> std::io::Result<()> {
        while !self.has_ended() {
            self.await_beat()?;
            self.act_on_time();
            self.sweep()?;
            let now_us = self.now_us();
            while let Ok(arrival) = self.arrivals.1.try_recv() {
                self.arrived(arrival, now_us);
            }
            self.log_in(now_us);
        }
        self.goodbye();
        Ok(())
    }

    /// Does what it is told; whether that was to stop, or nobody is left to tell it anything.
    fn has_ended(&mut self) -> bool {
        while let Ok(word) = self.share.words.try_recv() {
            match word {
                Word::Stop => return true,
                word => self.obey(word),
            }
        }
        self.share.words.is_closed()
    }

    /// Sleeps until the beat after the last one; who is late for it does not sleep.
    fn await_beat(&mut self) -> std::io::Result<()> {
        let mut beat_us = self.share.beats.after(self.beat_us);
        if self.seats.len() <= FEW_BOTS {
            let login_us = self.logins.last().map(|login| login.at_us);
            let due = [self.timetable.next_us(), login_us].into_iter().flatten();
            self.sockets.nap(self.now_us(), due.min())?;
            beat_us = beat_us.max(self.share.beats.after(self.now_us().saturating_sub(1)));
        }
        let now_us = self.now_us();
        self.beat_us = beat_us.max(now_us);
        if let Some(rest_us) = beat_us.checked_sub(now_us) {
            std::thread::sleep(Duration::from_micros(rest_us));
        }
        let now_us = self.now_us();
        self.wall_offset_us = wall_us().saturating_sub(now_us);
        let before_us = std::mem::replace(&mut self.awake_us, now_us);
        if now_us - before_us >= PAUSE_US {
            self.look.tally.pauses += 1;
            self.pulses_mut().for_each(|pulse| pulse.excuse(now_us));
        }
        Ok(())
    }

    /// Of everybody, here or on the way.
    fn pulses_mut(&mut self) -> impl Iterator<Item = &mut Pulse> {
        let seats = self.seats.iter_mut().flatten();
        let here = seats.map(|seat| &mut seat.bot.pulse);
        here.chain(self.absences.pulses_mut())
    }

    fn act_on_time(&mut self) {
        while let Some((due_us, place)) = self.timetable.take_due(self.now_us()) {
            // An entry from before a lost connection is not the seat's own any more.
            if self.due_us(place) != Some(due_us) {
                continue;
            }
            self.visit(place, Seat::act);
            if self.share.sharing == Sharing::Own {
                self.time_departures();
            }
            if let Some(next_us) = self.due_us(place) {
                self.timetable.add(next_us, place);
            }
        }
        self.sockets.flush();
        self.time_departures();
    }

    /// The kernel has taken what was handed over: only now have these inputs left.
    fn time_departures(&mut self) {
        if self.departures.is_empty() {
            return;
        }
        let now_us = self.now_us();
        for intended_us in self.departures.drain(..) {
            self.look.tally.late_us.record(now_us.saturating_sub(intended_us));
        }
    }

    /// Reads what has come for anybody. Inputs keep their time meanwhile.
    fn sweep(&mut self) -> std::io::Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        for _ in 0..LOOKS_MAX {
            let has_more = self.sockets.waiting(&mut waiting)?;
            for socket in waiting.drain(..) {
                match socket {
                    Waiting::Stream(place) => self.visit(place, Seat::take_stream),
                    Waiting::Shared(number) => self.sweep_shared(number)?,
                }
                self.act_on_time();
            }
            if !has_more {
                break;
            }
        }
        self.waiting = waiting;
        Ok(())
    }

    fn sweep_shared(&mut self, number: usize) -> std::io::Result<()> {
        let Some(mut batch) = self.shared.take() else {
            return Ok(());
        };
        let mut received = Ok(BATCH_DATAGRAMS);
        for _ in 0..BATCHES_MAX {
            received = self.sockets.receive_shared(number, &mut batch);
            for (stamp_us, datagram) in batch.datagrams_mut() {
                if let Some(place) = self.sockets.receiver(datagram) {
                    self.visit(place, |seat, visit| seat.take_datagram(visit, stamp_us, datagram));
                }
            }
            if !matches!(received, Ok(BATCH_DATAGRAMS)) {
                break;
            }
            self.act_on_time();
        }
        self.shared = Some(batch);
        received.map(|_| ())
    }

    fn due_us(&self, place: u32) -> Option<u64> {
        let seat = self.seats.get(place as usize)?.as_ref()?;
        Some(seat.due_us())
    }

    fn visit(
        &mut self,
        place: u32,
        what: impl FnOnce(&mut Seat, &mut Visit<'_>) -> Result<(), ConnectionError>,
    ) {
        let Some(Some(seat)) = self.seats.get_mut(place as usize) else {
            return;
        };
        let mut visit = Visit {
            rules: &self.share.rules,
            activity: self.activity,
            began: self.share.began,
            tally: &mut self.look.tally,
            places: &mut self.places,
            givers: &self.share.givers,
            sockets: &mut self.sockets,
            scratch: &mut self.scratch,
            incoming: &mut self.incoming,
            wall_offset_us: self.wall_offset_us,
            departures: &mut self.departures,
        };
        if let Err(error) = what(seat, &mut visit) {
            self.recover(place, error);
        }
    }

    fn obey(&mut self, word: Word) {
        match word {
            Word::Measure => {
                let now_us = self.now_us();
                self.look.tally.clear();
                self.seats_mut().for_each(|seat| seat.begin_measuring(now_us));
                let absent = self.absences.pulses_mut();
                absent.for_each(|pulse| pulse.begin_measuring(now_us));
                if let Ok(mut givers) = self.share.givers.write() {
                    givers.values_mut().for_each(|given| *given = 0);
                }
            }
            Word::Look(reply) => {
                let _ = reply.send(self.look_now());
            }
            Word::EndMeasuring(reply) => {
                let (now_us, period_us) = (self.now_us(), self.share.rules.input_period_us);
                let tally = &mut self.look.tally;
                for seat in self.seats.iter_mut().flatten() {
                    seat.end_measuring(period_us, now_us, tally);
                }
                self.absences.end_measuring(now_us, tally);
                let _ = reply.send(self.look_now());
            }
            Word::Act(activity) => self.activity = activity,
            Word::Report(reply) => {
                let now_us = self.now_us();
                let here = self.seats().map(|seat| seat.bot.record(now_us));
                let elsewhere = self.gone.iter().cloned().chain(self.absences.records());
                let _ = reply.send(here.chain(elsewhere).collect());
            }
            Word::Stop => {}
        }
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().flatten().map(|seat| &**seat)
    }

    fn seats_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.seats.iter_mut().flatten().map(|seat| &mut **seat)
    }

    fn look_now(&mut self) -> Look {
        self.look.up = self.seats().filter(|seat| seat.bot.is_up()).count() as u32;
        self.look.home = self.seats().filter(|seat| seat.bot.is_home()).count() as u32;
        let notice = self.seats_mut().filter_map(|seat| seat.bot.take_notice()).last();
        self.look.last_failure = self.look.last_failure.take().or(notice);
        let now_us = self.now_us();
        let mut presence = BTreeMap::new();
        self.seats()
            .for_each(|seat| seat.bot.pulse.count(now_us, &mut presence));
        self.absences.count(now_us, &mut presence);
        let is_silent = |pulse: &&mut Pulse| pulse.silent_us(now_us) >= STALL_US;
        self.look.silent = self.pulses_mut().filter(is_silent).count() as u32;
        self.look.presence = presence;
        self.look.regions = self.places.as_ref().map(Places::regions).unwrap_or_default();
        let look = self.look.clone();
        self.look.tally.clear();
        (self.look.last_failure, self.look.in_vain) = (None, None);
        look
    }

    fn log_in(&mut self, now_us: u64) {
        while self.logging_in < LOGINS_MAX
            && let Some(login) = self.logins.pop_if(|login| login.at_us <= now_us)
        {
            self.logging_in += 1;
            let place = login.place;
            let index = self.index(place);
            let mut options = Box::new(self.share.options.clone());
            let first = index as usize % options.proxies.len().max(1);
            options.proxies.rotate_left(first);
            options.credentials = Credentials::Guest {
                name: format!("bot-{index}"),
            };
            let back = self.arrivals.0.clone();
            let carrier = self.share.carrier.clone();
            let errand = Errand::LogIn {
                place,
                options,
                carrier,
                back,
            };
            let _ = self.share.errands.send(errand);
        }
    }

    /// The number in the swarm of the bot at `place`.
    fn index(&self, place: u32) -> u32 {
        self.share
            .indices
            .get(place as usize)
            .copied()
            .unwrap_or_default()
    }

    fn arrived(&mut self, arrival: Arrival, now_us: u64) {
        match arrival {
            Arrival::LoggedIn(place, client) => {
                self.logging_in -= 1;
                let seat = self.seat(place, *client, now_us);
                self.sit_down(place, Box::new(seat));
            }
            Arrival::LoginFailed(place, error) => {
                self.logging_in -= 1;
                self.look.logins_failed += 1;
                self.look.last_failure = Some(error.to_string());
                if error.is_in_vain() {
                    self.look.in_vain = Some(error.to_string());
                }
                self.again(place, now_us);
            }
            Arrival::Recovered(place, mut seat) => {
                let user = seat.recovered(self.share.rules.input_period_us, now_us);
                self.absences.back(place);
                if user != seat.bot.user {
                    self.look.tally.changed_identity(seat.bot.pulse.name(), user);
                }
                self.sit_down(place, seat);
            }
            Arrival::Gone(place, seat, error) => {
                self.look.tally.disconnects += 1;
                let name = seat.bot.pulse.name();
                self.look
                    .tally
                    .note(format!("the session of {name} is over: {error}"));
                self.absences.give_up(place);
                self.gone.push(seat.bot.record(now_us).gone());
                self.again(place, now_us);
            }
        }
    }

    fn seat(&mut self, place: u32, client: SweptClient, now_us: u64) -> Seat {
        let (index, user) = (self.index(place), client.user());
        let mut bot = Bot::new(index, user, &self.share.rules, now_us);
        if let Some(before) = self.absences.back(place) {
            bot.pulse.go_on_from(&before.pulse);
            if before.user != user {
                self.look.tally.changed_identity(before.pulse.name(), user);
            }
        }
        let share = &self.share;
        if let Ok(mut givers) = share.givers.write() {
            givers.insert(user, 0);
        }
        let period_us = share.rules.input_period_us;
        let phase_us = share.beats.phase_us(index, share.players);
        let next_input_us = next_at_phase(now_us, phase_us, period_us);
        Seat::new(index, place, bot, client, next_input_us)
    }

    fn sit_down(&mut self, place: u32, seat: Box<Seat>) {
        let opened = self
            .sockets
            .open(place, seat.client.stream(), seat.client.datagram_path());
        self.timetable.add(seat.due_us(), place);
        if let Some(empty) = self.seats.get_mut(place as usize) {
            *empty = Some(seat);
        }
        if let Err(error) = opened {
            self.recover(place, error.into());
        }
    }

    fn again(&mut self, place: u32, now_us: u64) {
        let at_us = now_us + LOGIN_AGAIN_US;
        let before = self.logins.partition_point(|login| login.at_us >= at_us);
        self.logins.insert(before, Login { place, at_us });
    }

    fn recover(&mut self, place: u32, error: ConnectionError) {
        let Some(seat) = self.seats.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        // Who is sent elsewhere has lost nothing: what it misses is a stall.
        if !error.is_farewell() {
            self.look.tally.connections_lost += 1;
            let incident = format!("{} lost its connection: {error}", seat.bot.pulse.name());
            self.look.last_failure = Some(incident.clone());
            self.look.tally.note(incident);
        }
        self.absences.leave(place, &seat.bot);
        self.sockets.close(place);
        let back = self.arrivals.0.clone();
        let errand = Errand::Recover {
            place,
            seat,
            error,
            back,
        };
        let _ = self.share.errands.send(errand);
    }

    /// Logs everybody out, and leaves the proxies the time to notice before the connections are closed.
    fn goodbye(&mut self) {
        for place in 0..self.seats.len() as u32 {
            self.visit(place, Seat::leave);
        }
        self.sockets.flush();
        std::thread::sleep(GOODBYE);
    }
}
