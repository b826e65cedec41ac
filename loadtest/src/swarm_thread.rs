//! A thread that drives its share of the bots: it logs them in one after the other, visits all of them every two
//! milliseconds, and answers what the run asks. Nothing wakes it for a single packet.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use client::{Client, ClientEvent, ConnectOptions, ConnectionError, Credentials, Datagrams};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::bot::{Activity, Bot, Record, Rules};
use crate::places::Places;
use crate::seat::{Seat, Visit, Visited};
use crate::tally::Tally;
use crate::trade::Givers;

/// Between two visits of a bot.
const VISIT_EVERY: Duration = Duration::from_millis(2);
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
    pub(crate) rules: Arc<Rules>,
    pub(crate) options: ConnectOptions,
    pub(crate) givers: Arc<RwLock<Givers>>,
    /// When the run began; times are counted from here.
    pub(crate) began: Instant,
    /// Between the logins of two neighbouring numbers, microseconds.
    pub(crate) login_every_us: u64,
    pub(crate) words: mpsc::UnboundedReceiver<Word>,
}

/// Something that took its time.
enum Arrival {
    LoggedIn(u32, Box<Client>),
    LoginFailed(u32, ConnectionError),
    Recovered(Box<Seat>),
    Gone(Box<Seat>),
}

struct Login {
    index: u32,
    at_us: u64,
}

struct Thread {
    share: Share,
    seats: Vec<Seat>,
    /// Those whose session ended for good.
    gone: Vec<Record>,
    logins: Vec<Login>,
    logging_in: usize,
    arrivals: (mpsc::UnboundedSender<Arrival>, mpsc::UnboundedReceiver<Arrival>),
    places: Option<Places>,
    activity: Activity,
    look: Look,
    round: u64,
    sampled_us: u64,
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
    // Visits poll thousands of sockets in one go; the scheduler's budget would make every one after the first few look empty.
    let drive = tokio::task::coop::unconstrained(async move { thread.drive().await });
    LocalSet::new().block_on(&runtime, drive);
    Ok(())
}

impl Thread {
    fn new(share: Share) -> Self {
        let login = |index: &u32| Login {
            index: *index,
            at_us: u64::from(*index) * share.login_every_us,
        };
        let mut logins: Vec<Login> = share.indices.iter().map(login).collect();
        // The next one is at the end.
        logins.reverse();
        Self {
            seats: Vec::with_capacity(logins.len()),
            gone: Vec::new(),
            logins,
            logging_in: 0,
            arrivals: mpsc::unbounded_channel(),
            places: None,
            activity: Activity::Play,
            look: Look::default(),
            round: 0,
            sampled_us: 0,
            share,
        }
    }

    fn now_us(&self) -> u64 {
        self.share.began.elapsed().as_micros() as u64
    }

    async fn drive(&mut self) {
        let mut visits = tokio::time::interval(VISIT_EVERY);
        visits.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            visits.tick().await;
            let now_us = self.now_us();
            while let Ok(arrival) = self.arrivals.1.try_recv() {
                self.arrived(arrival, now_us);
            }
            self.log_in(now_us);
            self.visit_all();
            if now_us >= self.sampled_us + 1_000_000 {
                self.sampled_us = now_us;
                self.sample();
            }
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

    fn obey(&mut self, word: Word) {
        match word {
            Word::Measure => {
                self.sample();
                self.look.tally.clear();
                self.seats.iter_mut().for_each(|seat| seat.bot.begin_measuring());
            }
            Word::Look(reply) => {
                let _ = reply.send(self.look_now());
            }
            Word::Act(activity) => self.activity = activity,
            Word::Report(reply) => {
                let now_us = self.now_us();
                let here = self.seats.iter().map(|seat| seat.bot.record(now_us));
                let _ = reply.send(here.chain(self.gone.iter().cloned()).collect());
            }
            Word::Stop => {}
        }
    }

    fn look_now(&mut self) -> Look {
        self.look.up = self.seats.iter().filter(|seat| seat.bot.is_up()).count() as u32;
        self.look.home = self.seats.iter().filter(|seat| seat.bot.is_home()).count() as u32;
        let look = self.look.clone();
        self.look.tally.clear();
        self.look.last_failure = None;
        look
    }

    fn sample(&mut self) {
        for seat in &mut self.seats {
            seat.sample(&mut self.look.tally);
        }
    }

    fn log_in(&mut self, now_us: u64) {
        while self.logging_in < LOGINS_MAX
            && let Some(login) = self.logins.pop_if(|login| login.at_us <= now_us)
        {
            self.logging_in += 1;
            let index = login.index;
            let mut options = self.share.options.clone();
            let first = index as usize % options.proxies.len().max(1);
            options.proxies.rotate_left(first);
            options.credentials = Credentials::Guest {
                name: format!("bot-{index}"),
            };
            let arrivals = self.arrivals.0.clone();
            tokio::task::spawn_local(async move {
                let _ = arrivals.send(match Client::connect(options).await {
                    Ok(client) => Arrival::LoggedIn(index, Box::new(client)),
                    Err(error) => Arrival::LoginFailed(index, error),
                });
            });
        }
    }

    fn arrived(&mut self, arrival: Arrival, now_us: u64) {
        match arrival {
            Arrival::LoggedIn(index, client) => {
                self.logging_in -= 1;
                let user = client.user();
                let bot = Bot::new(index, user, &self.share.rules, now_us);
                if let Ok(mut givers) = self.share.givers.write() {
                    givers.insert(user, 0);
                }
                // Inputs are spread over the period as the logins happen to be; a fixed phase keeps them so.
                let period_us = self.share.rules.input_period_us;
                let phase_us = u64::from(index).wrapping_mul(7_919) % period_us;
                let next_us = now_us + phase_us;
                self.seats.push(Seat::new(index, bot, *client, next_us));
            }
            Arrival::LoginFailed(index, error) => {
                self.logging_in -= 1;
                self.look.logins_failed += 1;
                self.look.last_failure = Some(error.to_string());
                self.again(index, now_us);
            }
            Arrival::Recovered(mut seat) => {
                seat.recovered(now_us);
                self.seats.push(*seat);
            }
            Arrival::Gone(seat) => {
                self.look.tally.disconnects += 1;
                self.gone.push(seat.bot.record(now_us).gone());
                self.again(seat.index, now_us);
            }
        }
    }

    fn again(&mut self, index: u32, now_us: u64) {
        let at_us = now_us + LOGIN_AGAIN_US;
        let place = self.logins.partition_point(|login| login.at_us >= at_us);
        self.logins.insert(place, Login { index, at_us });
    }

    fn visit_all(&mut self) {
        self.round += 1;
        let givers_lock = Arc::clone(&self.share.givers);
        let rules = Arc::clone(&self.share.rules);
        let mut gave = Vec::new();
        let mut lost = Vec::new();
        {
            let Ok(givers) = givers_lock.read() else { return };
            for (place, seat) in self.seats.iter_mut().enumerate() {
                let mut visit = Visit {
                    rules: &rules,
                    activity: self.activity,
                    now_us: self.share.began.elapsed().as_micros() as u64,
                    round: self.round,
                    tally: &mut self.look.tally,
                };
                match seat.visit(&mut visit, &mut self.places, &givers) {
                    Visited::Fine => {}
                    Visited::GaveAcross => gave.push(seat.bot.user),
                    Visited::Lost(error) => lost.push((place, error)),
                }
            }
        }
        if !gave.is_empty()
            && let Ok(mut givers) = givers_lock.write()
        {
            for user in gave {
                *givers.entry(user).or_default() += 1;
            }
        }
        // From the end, so that the places before stay what they are.
        for (place, error) in lost.into_iter().rev() {
            self.recover(place, error);
        }
    }

    fn recover(&mut self, place: usize, error: ConnectionError) {
        let mut seat = Box::new(self.seats.swap_remove(place));
        tracing::debug!(bot = seat.index, %error, "a connection is lost");
        let arrivals = self.arrivals.0.clone();
        tokio::task::spawn_local(async move {
            let index = seat.index;
            let _ = arrivals.send(match seat.client.recover(error).await {
                Ok(()) => Arrival::Recovered(seat),
                Err(error) => {
                    tracing::info!(bot = index, %error, "a session is over");
                    Arrival::Gone(seat)
                }
            });
        });
    }

    async fn goodbye(&mut self) {
        for seat in &mut self.seats {
            seat.client.logout();
            let _ = seat.client.sweep_stream();
        }
        tokio::time::sleep(GOODBYE).await;
        for seat in &mut self.seats {
            let _ = seat.client.sweep_stream();
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
