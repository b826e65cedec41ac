//! A thread that drives its share of the bots: it logs them in one after the other, sends what is due and visits those
//! for whom something came on every beat, and answers what the run asks. Nothing wakes it for a single packet.

use std::sync::{Arc, RwLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use client::{Client, ClientEvent, ConnectOptions, ConnectionError, Credentials, Datagrams};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::bell::{Bell, Rung};
use crate::bot::{Activity, Bot, Record, Rules};
use crate::places::Places;
use crate::seat::{Seat, Visit};
use crate::tally::Tally;
use crate::timetable::{BEAT_US, Timetable, next_at_phase, phase_us};
use crate::trade::Givers;

/// Logins of one thread under way at once.
const LOGINS_MAX: usize = 64;
/// Before a login that failed is tried again.
const LOGIN_AGAIN_US: u64 = 1_000_000;
/// For the last words of the clients.
const GOODBYE: Duration = Duration::from_millis(300);

/// What the run tells a thread.
pub(crate) enum Word {
    /// What counts begins now.
    Measure,
    /// What has been counted since the last time.
    Look(oneshot::Sender<Look>),
    /// Do this from now on.
    Act(Activity),
    /// Everything that the bots have done.
    Report(oneshot::Sender<Vec<Record>>),
    /// Log out and end.
    Stop,
}

/// A thread's share at a glance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) up: u32,
    pub(crate) home: u32,
    pub(crate) logins_failed: u64,
    pub(crate) last_failure: Option<String>,
    pub(crate) tally: Tally,
}

/// What a thread needs to know.
pub(crate) struct Share {
    /// The bots' numbers in the swarm.
    pub(crate) indices: Vec<u32>,
    /// Bots in the whole swarm.
    pub(crate) players: u32,
    /// By how much this thread's beats lie behind the others', microseconds.
    pub(crate) offset_us: u64,
    pub(crate) rules: Arc<Rules>,
    pub(crate) options: ConnectOptions,
    pub(crate) givers: Arc<RwLock<Givers>>,
    /// When the run began; times are counted from here.
    pub(crate) began: Instant,
    /// Between the logins of two neighbouring numbers, microseconds.
    pub(crate) login_every_us: u64,
    pub(crate) words: mpsc::UnboundedReceiver<Word>,
}

/// Something that took its time, and the place of the bot in its thread.
enum Arrival {
    LoggedIn(u32, Box<Client>),
    LoginFailed(u32, ConnectionError),
    Recovered(u32, Box<Seat>),
    Gone(u32, Box<Seat>),
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
    rung: Arc<Rung>,
    /// Those whose session ended for good.
    gone: Vec<Record>,
    logins: Vec<Login>,
    logging_in: usize,
    arrivals: (mpsc::UnboundedSender<Arrival>, mpsc::UnboundedReceiver<Arrival>),
    places: Option<Places>,
    activity: Activity,
    look: Look,
}

/// Runs a share to its end; blocks the thread it is called on.
///
/// # Errors
/// No run time could be made.
pub(crate) fn run(share: Share) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut thread = Thread::new(share);
    // A beat polls many sockets in one go; the scheduler's budget would make every one after the first few look empty.
    let drive = tokio::task::coop::unconstrained(async move { thread.drive().await });
    LocalSet::new().block_on(&runtime, drive);
    Ok(())
}

impl Thread {
    fn new(share: Share) -> Self {
        let login = |(place, index): (usize, &u32)| Login {
            place: place as u32,
            at_us: u64::from(*index) * share.login_every_us,
        };
        let mut logins: Vec<Login> = share.indices.iter().enumerate().map(login).collect();
        // The next one is at the end.
        logins.reverse();
        Self {
            seats: share.indices.iter().map(|_| None).collect(),
            timetable: Timetable::default(),
            rung: Arc::default(),
            gone: Vec::new(),
            logins,
            logging_in: 0,
            arrivals: mpsc::unbounded_channel(),
            places: None,
            activity: Activity::Play,
            look: Look::default(),
            share,
        }
    }

    fn now_us(&self) -> u64 {
        self.share.began.elapsed().as_micros() as u64
    }

    async fn drive(&mut self) {
        let mut rung = Vec::new();
        loop {
            self.await_beat().await;
            self.act_on_time();
            self.rung.take(&mut rung);
            for place in &rung {
                self.visit(*place, Seat::look);
                // Inputs keep their time, whatever has come for others.
                self.act_on_time();
            }
            let now_us = self.now_us();
            while let Ok(arrival) = self.arrivals.1.try_recv() {
                self.arrived(arrival, now_us);
            }
            self.log_in(now_us);
            while let Ok(word) = self.share.words.try_recv() {
                match word {
                    Word::Stop => return self.goodbye().await,
                    word => self.obey(word),
                }
            }
            if self.share.words.is_closed() {
                return self.goodbye().await;
            }
        }
    }

    /// Sleeps until the next beat, and lets the run time find out what came.
    async fn await_beat(&self) {
        let now_us = self.now_us();
        let beat_us = next_at_phase(now_us + 1, self.share.offset_us, BEAT_US);
        // The thread is ours alone, and a run time's timers are late by one to two milliseconds.
        std::thread::sleep(Duration::from_micros(beat_us - now_us));
        tokio::task::yield_now().await;
    }

    fn act_on_time(&mut self) {
        while let Some((due_us, place)) = self.timetable.take_due(self.now_us()) {
            // An entry from before a lost connection is not the seat's own any more.
            if self.due_us(place) != Some(due_us) {
                continue;
            }
            self.visit(place, Seat::act);
            if let Some(next_us) = self.due_us(place) {
                self.timetable.add(next_us, place);
            }
        }
    }

    fn due_us(&self, place: u32) -> Option<u64> {
        let seat = self.seats.get(place as usize)?.as_ref()?;
        Some(seat.due_us())
    }

    fn visit(&mut self, place: u32, what: fn(&mut Seat, &mut Visit<'_>) -> Result<(), ConnectionError>) {
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
        };
        if let Err(error) = what(seat, &mut visit) {
            self.recover(place, error);
        }
    }

    fn obey(&mut self, word: Word) {
        match word {
            Word::Measure => {
                self.look.tally.clear();
                self.seats_mut().for_each(Seat::begin_measuring);
                if let Ok(mut givers) = self.share.givers.write() {
                    givers.values_mut().for_each(|given| *given = 0);
                }
            }
            Word::Look(reply) => {
                let _ = reply.send(self.look_now());
            }
            Word::Act(activity) => self.activity = activity,
            Word::Report(reply) => {
                let now_us = self.now_us();
                let here = self.seats().map(|seat| seat.bot.record(now_us));
                let _ = reply.send(here.chain(self.gone.iter().cloned()).collect());
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
        let look = self.look.clone();
        self.look.tally.clear();
        self.look.last_failure = None;
        look
    }

    fn log_in(&mut self, now_us: u64) {
        while self.logging_in < LOGINS_MAX
            && let Some(login) = self.logins.pop_if(|login| login.at_us <= now_us)
        {
            self.logging_in += 1;
            let place = login.place;
            let index = self.index(place);
            let mut options = self.share.options.clone();
            let first = index as usize % options.proxies.len().max(1);
            options.proxies.rotate_left(first);
            options.credentials = Credentials::Guest {
                name: format!("bot-{index}"),
            };
            let arrivals = self.arrivals.0.clone();
            tokio::task::spawn_local(async move {
                let _ = arrivals.send(match Client::connect(options).await {
                    Ok(client) => Arrival::LoggedIn(place, Box::new(client)),
                    Err(error) => Arrival::LoginFailed(place, error),
                });
            });
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
                self.again(place, now_us);
            }
            Arrival::Recovered(place, mut seat) => {
                seat.recovered(self.share.rules.input_period_us, now_us);
                self.sit_down(place, seat);
            }
            Arrival::Gone(place, seat) => {
                self.look.tally.disconnects += 1;
                self.gone.push(seat.bot.record(now_us).gone());
                self.again(place, now_us);
            }
        }
    }

    fn seat(&self, place: u32, client: Client, now_us: u64) -> Seat {
        let (share, index, user) = (&self.share, self.index(place), client.user());
        let bot = Bot::new(index, user, &share.rules, now_us);
        if let Ok(mut givers) = share.givers.write() {
            givers.insert(user, 0);
        }
        let period_us = share.rules.input_period_us;
        let phase_us = phase_us(index, share.players, period_us) + share.offset_us;
        let next_input_us = next_at_phase(now_us, phase_us, period_us);
        Seat::new(index, bot, client, Bell::new(place, &self.rung), next_input_us)
    }

    fn sit_down(&mut self, place: u32, seat: Box<Seat>) {
        // Nothing has woken anybody for its sockets yet.
        seat.ring();
        self.timetable.add(seat.due_us(), place);
        if let Some(empty) = self.seats.get_mut(place as usize) {
            *empty = Some(seat);
        }
    }

    fn again(&mut self, place: u32, now_us: u64) {
        let at_us = now_us + LOGIN_AGAIN_US;
        let before = self.logins.partition_point(|login| login.at_us >= at_us);
        self.logins.insert(before, Login { place, at_us });
    }

    fn recover(&mut self, place: u32, error: ConnectionError) {
        let Some(mut seat) = self.seats.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        tracing::debug!(bot = seat.index, %error, "a connection is lost");
        let arrivals = self.arrivals.0.clone();
        tokio::task::spawn_local(async move {
            let index = seat.index;
            let _ = arrivals.send(match seat.client.recover(error).await {
                Ok(()) => Arrival::Recovered(place, seat),
                Err(error) => {
                    tracing::info!(bot = index, %error, "a session is over");
                    Arrival::Gone(place, seat)
                }
            });
        });
    }

    async fn goodbye(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for seat in self.seats_mut() {
            seat.client.logout();
            let _ = seat.client.sweep(&mut cx);
        }
        tokio::time::sleep(GOODBYE).await;
        for seat in self.seats_mut() {
            let _ = seat.client.sweep(&mut cx);
            while let Some(event) = seat.client.poll_event() {
                drop::<ClientEvent>(event);
            }
        }
    }
}

/// How bots connect.
pub(crate) fn datagrams(transport: crate::args::Transport) -> Datagrams {
    match transport {
        crate::args::Transport::Udp => Datagrams::Allowed,
        crate::args::Transport::Tcp => Datagrams::Off,
    }
}
