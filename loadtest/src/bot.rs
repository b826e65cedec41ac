//! One bot: what it has been told, when it acts, what it measures. Pure: events and time go in; inputs, orders and
//! numbers come out. Sockets are its driver's.

use std::collections::{BTreeMap, VecDeque};

use client::CommandClass;
use client::{ClientEvent, SnapshotNews, World};
use game::CommandKind;
use game::bot::{Behaviour, BotCommand, Givers, MakeBehaviour, Moment, Own, Plan, Purse, Walk, Wish};
use protocol::ids::{CommandNumber, OwnerEpoch, UserId};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::args::Pattern;
use crate::cadence::Cadence;
use crate::ledger::Ledger;
use crate::places::{Places, Servers};
use crate::pulse::Pulse;
use crate::sight::Sight;
use crate::tally::Tally;
use crate::walk::Walker;

/// Inputs remembered until they are acknowledged: more than a minute of them.
const UNACKED_MAX: usize = 4_096;
/// Others count as visible when they were updated within so many ticks.
const VISIBLE_TICKS: u64 = 2;
/// Others next to a bot whose pictures are to be fresh however many there are.
const NEAREST: usize = 32;

/// What all bots of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) pattern: Pattern,
    /// What the bots do besides walking.
    pub(crate) make_behaviour: MakeBehaviour,
    pub(crate) seed: u64,
    pub(crate) input_period_us: u64,
    pub(crate) command_every_us: u64,
    pub(crate) servers: Servers,
    /// Whether the bots ask for datagrams.
    pub(crate) datagrams: bool,
}

/// What the bots are to do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Walk and order.
    Play,
    /// Stand still and order nothing: to be counted.
    Stand,
}

/// What a bot has done, for the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) user: UserId,
    pub(crate) ledger: Ledger,
    pub(crate) purse: Purse,
    /// Crossings while measured, by region left and region entered.
    pub(crate) crossings: BTreeMap<(u32, u32), u32>,
    /// Whether nothing of it is under way any more.
    pub(crate) is_quiet: bool,
    /// Whether its session has ended: it may have been given things that it was not told of.
    pub(crate) is_gone: bool,
}

impl Record {
    /// The same, of a bot whose session has ended.
    pub(crate) fn gone(self) -> Self {
        Self {
            is_quiet: true,
            is_gone: true,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct LastOwn {
    own: Own,
    epoch: OwnerEpoch,
    at_us: u64,
}

/// One bot.
pub(crate) struct Bot {
    pub(crate) user: UserId,
    pub(crate) pulse: Pulse,
    rng: StdRng,
    walker: Option<Walker>,
    behaviour: Box<dyn Behaviour>,
    cadence: Cadence,
    ledger: Ledger,
    purse: Purse,
    last: Option<LastOwn>,
    /// Where the newest input was written.
    input: Vec<u8>,
    unacked: VecDeque<(u64, u64)>,
    crossings: BTreeMap<(u32, u32), u32>,
    open_commands: u64,
    stood_us: Option<u64>,
    /// What the proxy has said last of how things are.
    last_notice: Option<String>,
}

impl Bot {
    pub(crate) fn new(index: u32, user: UserId, rules: &Rules, now_us: u64) -> Self {
        let seed = rules.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(index);
        let mut rng = StdRng::seed_from_u64(seed);
        let command_every_us = rules.command_every_us;
        let plan = Plan {
            seed,
            command_every_us,
        };
        let cadence = Cadence::new(command_every_us, now_us, &mut rng);
        Self {
            user,
            pulse: Pulse::new(index, user, rules.datagrams, now_us),
            rng,
            walker: None,
            behaviour: (rules.make_behaviour)(&plan),
            cadence,
            ledger: Ledger::default(),
            purse: Purse::default(),
            last: None,
            input: Vec::new(),
            unacked: VecDeque::new(),
            crossings: BTreeMap::new(),
            open_commands: 0,
            stood_us: None,
            last_notice: None,
        }
    }

    /// Whether it has arrived where its behaviour begins.
    pub(crate) fn is_home(&self) -> bool {
        self.walker.as_ref().is_some_and(Walker::is_home)
    }

    /// What the proxy has said since the last time that this was asked.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        self.last_notice.take()
    }

    /// Whether it is in the world.
    pub(crate) fn is_up(&self) -> bool {
        self.last.is_some()
    }

    /// A new measurement begins: what came before does not count.
    pub(crate) fn begin_measuring(&mut self, now_us: u64) {
        self.pulse.begin_measuring(now_us);
        self.crossings.clear();
        self.purse.begin_measuring();
    }

    /// Takes what the client tells. Returns whether the bot gave something across a border.
    pub(crate) fn handle(&mut self, event: &ClientEvent, now_us: u64, tally: &mut Tally) -> bool {
        match event {
            ClientEvent::Snapshot(news) => self.snapshot(news, now_us, tally),
            ClientEvent::CommandAcked(number) => {
                self.ledger.acknowledge(number.0);
                self.open_commands = self.ledger.open();
            }
            ClientEvent::Event(_, body) => {
                let news = self.behaviour.event(body);
                return news.is_some_and(|news| self.purse.handle(news));
            }
            ClientEvent::Transport(now) => self.pulse.transport(*now, tally),
            ClientEvent::Resumed { .. } => {
                tally.resumes += 1;
                self.pulse.resumed(now_us);
            }
            ClientEvent::Notice(_, text) => {
                tally.notices += 1;
                self.last_notice = Some(text.clone());
            }
            ClientEvent::Playing {
                region,
                owner_epoch,
                node,
                ..
            } => self.pulse.playing(region.0, *node, *owner_epoch, tally),
            // Soft, and none of what a swarm counts.
            ClientEvent::News { .. } => {}
        }
        false
    }

    fn snapshot(&mut self, news: &SnapshotNews, now_us: u64, tally: &mut Tally) {
        tally.snapshots += 1;
        while let Some((number, intended_us)) = self.unacked.front().copied()
            && number <= news.input_ack
        {
            self.unacked.pop_front();
            tally.ack_us.record(now_us.saturating_sub(intended_us));
        }
        if !news.own_is_new {
            return;
        }
        let Some(own) = self.behaviour.own(&news.own) else {
            return;
        };
        tally.own_states += 1;
        tally.own_states_moving += u64::from(own.is_moving);
        let gap_us = self.pulse.own_state(own.region.0, now_us, tally);
        if let Some(last) = self.last {
            if let Some(gap_us) = gap_us
                && last.epoch != news.owner_epoch
            {
                tally.crossing_gap_us.record(gap_us);
                self.pulse.owner_changed(news.owner_epoch, gap_us, tally);
            }
            if last.own.region != own.region {
                tally.crossings += 1;
                *self
                    .crossings
                    .entry((last.own.region.0, own.region.0))
                    .or_default() += 1;
            }
        }
        self.last = Some(LastOwn {
            own,
            epoch: news.owner_epoch,
            at_us: now_us,
        });
    }

    /// The input for now.
    pub(crate) fn input(&mut self, activity: Activity, places: &Places, rules: &Rules, now_us: u64) -> &[u8] {
        let walk = self.walk(activity, places, rules, now_us);
        self.input.clear();
        self.behaviour.input(walk, &mut self.input);
        &self.input
    }

    /// Where to walk now.
    fn walk(&mut self, activity: Activity, places: &Places, rules: &Rules, now_us: u64) -> Walk {
        let Some(last) = self.last else {
            return Walk::Stand;
        };
        if activity == Activity::Stand {
            self.stood_us.get_or_insert(now_us);
            return Walk::Stand;
        }
        self.stood_us = None;
        let (at, rng) = (last.own.at, &mut self.rng);
        let walker = self
            .walker
            .get_or_insert_with(|| Walker::new(rules.pattern, at, places, rng));
        let errand = match self.behaviour.wish(now_us) {
            Some(Wish::Fetch(there)) => Some(there),
            Some(Wish::Meet(company)) => {
                walker.approach(company);
                None
            }
            None => None,
        };
        walker.steer(at, errand, places, now_us, rng)
    }

    /// An input has left under this number.
    pub(crate) fn sent_input(&mut self, number: u64, intended_us: u64, tally: &mut Tally) {
        tally.inputs += 1;
        if self.unacked.len() < UNACKED_MAX {
            self.unacked.push_back((number, intended_us));
        }
    }

    /// Whether the bot would order something now.
    pub(crate) fn wants_to_order(&self, now_us: u64) -> bool {
        self.last.is_some() && self.cadence.is_due(now_us)
    }

    /// What the bot orders, if it is time.
    pub(crate) fn order(&mut self, world: &World, givers: &Givers, now_us: u64) -> Option<BotCommand> {
        let own = self.last?.own;
        let view = &Sight(world);
        let order = self.behaviour.command(&Moment {
            now_us,
            own,
            view,
            purse: &self.purse,
            givers,
        });
        match order {
            Some(_) => self.cadence.ordered(now_us),
            None => self.cadence.ask_again(now_us),
        }
        order
    }

    /// An order has left under this number.
    pub(crate) fn ordered(&mut self, number: CommandNumber, order: BotCommand) {
        if let Some(offer) = order.offer {
            self.purse.offer(number, offer);
        }
        self.ledger.issue(number.0, class(order.kind), order.body);
        self.open_commands = self.ledger.open();
    }

    /// Counts who is in view and was updated lately, and how long ago those next to it were.
    pub(crate) fn look(&self, world: &World, now_ms: u64, tally: &mut Tally) {
        let Some(last) = self.last else { return };
        let since_ms = now_ms.saturating_sub(VISIBLE_TICKS * 1_000 / u64::from(world.shape().tick_hz.max(1)));
        let others = || {
            let entities = world.entities();
            entities.filter(|entity| entity.id != last.own.entity && !self.behaviour.is_scenery(entity.kind))
        };
        let seen = others().filter(|entity| entity.seen_at_ms >= since_ms);
        tally.visible.record(seen.count() as u64);
        // Who stands is not repeated.
        let walking = others().filter(|entity| entity.speed > 0.0);
        let walking = walking.map(|entity| (last.own.at.distance_squared(entity.at), entity.seen_at_ms));
        for seen_at_ms in nearest(walking.collect()) {
            tally
                .nearest_age_us
                .record(now_ms.saturating_sub(seen_at_ms) * 1_000);
        }
    }

    /// Whether the world has it standing still as it was told to.
    pub(crate) fn stands(&self) -> bool {
        let stood = |last: &LastOwn| self.stood_us.is_some_and(|since| last.at_us > since);
        self.last.is_some_and(|last| !last.own.is_moving && stood(&last))
    }

    /// What the bot has done, and whether all of it is confirmed.
    pub(crate) fn record(&self, now_us: u64) -> Record {
        let fresh = self
            .last
            .is_some_and(|last| now_us.saturating_sub(last.at_us) < 1_000_000);
        Record {
            user: self.user,
            ledger: self.ledger.clone(),
            purse: self.purse.clone(),
            crossings: self.crossings.clone(),
            is_quiet: self.stands() && fresh && self.open_commands == 0,
            is_gone: false,
        }
    }
}

/// How a command goes out.
pub(crate) fn class(kind: CommandKind) -> CommandClass {
    match kind {
        CommandKind::Soft => CommandClass::Soft,
        CommandKind::Durable => CommandClass::Durable,
    }
}

/// When each of those next to it was seen last, in no order.
fn nearest(mut others: Vec<(f32, u64)>) -> impl Iterator<Item = u64> {
    if others.len() > NEAREST {
        others.select_nth_unstable_by(NEAREST, |one, other| one.0.total_cmp(&other.0));
        others.truncate(NEAREST);
    }
    others.into_iter().map(|(_, seen_at_ms)| seen_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::toy;
    use bytes::Bytes;

    const MS: u64 = 1_000;

    fn rules() -> Rules {
        Rules {
            pattern: Pattern::Wander,
            make_behaviour: toy::BOTS,
            seed: 1,
            input_period_us: 50 * MS,
            command_every_us: 0,
            servers: Servers::new(),
            datagrams: true,
        }
    }

    fn bot() -> (Bot, Tally) {
        (Bot::new(0, UserId(1), &rules(), 0), Tally::default())
    }

    fn snapshot(epoch: u64, region: u32, input_ack: u64) -> ClientEvent {
        ClientEvent::Snapshot(SnapshotNews {
            tick: 1,
            input_ack,
            owner_epoch: OwnerEpoch(epoch),
            own: Bytes::from(toy::own_state(region as u8, false)),
            has_jumped: false,
            own_is_new: true,
            bytes: 100,
        })
    }

    #[test]
    fn an_input_is_timed_from_when_it_should_have_been_sent() {
        let (mut bot, mut tally) = bot();
        bot.sent_input(1, 0, &mut tally);
        bot.sent_input(2, 50 * MS, &mut tally);
        bot.handle(&snapshot(1, 1, 1), 80 * MS, &mut tally);
        bot.handle(&snapshot(1, 1, 2), 150 * MS, &mut tally);
        assert_eq!(tally.ack_us.len(), 2);
        assert_eq!(
            (tally.ack_us.ms(0.0).round(), tally.ack_us.ms(1.0).round()),
            (80.0, 100.0)
        );
    }

    #[test]
    fn a_gap_that_spans_a_change_of_owner_is_a_crossings() {
        let (mut bot, mut tally) = bot();
        for (at_ms, epoch, region) in [(0, 1, 1), (50, 1, 1), (170, 2, 2), (220, 2, 2), (300, 3, 1)] {
            bot.handle(&snapshot(epoch, region, 0), at_ms * MS, &mut tally);
        }
        assert_eq!((tally.own_gap_us.len(), tally.crossing_gap_us.len()), (4, 2));
        assert_eq!(tally.crossing_gap_us.ms(1.0).round(), 120.0);
        let crossings = bot.record(0).crossings;
        assert_eq!(crossings, BTreeMap::from([((1, 2), 1), ((2, 1), 1)]));
        bot.begin_measuring(300 * MS);
        assert!(bot.record(0).crossings.is_empty());
    }

    #[test]
    fn the_nearest_are_looked_at_however_many_there_are() {
        let seen = |count: u64| -> Vec<(f32, u64)> {
            // The next ones stand last.
            (0..count).map(|i| ((count - i) as f32, count - i)).collect()
        };
        for (others, looked_at) in [(0, 0), (5, 5), (32, 32), (33, 32), (200, 32)] {
            let mut when: Vec<u64> = nearest(seen(others)).collect();
            when.sort_unstable();
            assert_eq!(when, (1..=looked_at).collect::<Vec<_>>(), "of {others}");
        }
    }

    #[test]
    fn a_bot_is_quiet_when_it_stands_and_everything_is_confirmed() {
        let (mut bot, mut tally) = bot();
        bot.handle(&snapshot(1, 1, 0), 0, &mut tally);
        let hello = BotCommand {
            kind: CommandKind::Soft,
            body: Bytes::from_static(b"hello"),
            offer: None,
        };
        bot.ordered(CommandNumber(1), hello);
        let places = Places::default();
        bot.input(Activity::Stand, &places, &rules(), 10 * MS);
        bot.handle(&snapshot(1, 1, 0), 60 * MS, &mut tally);
        assert!(!bot.record(60 * MS).is_quiet, "a command is open");
        bot.handle(&ClientEvent::CommandAcked(CommandNumber(1)), 70 * MS, &mut tally);
        assert!(bot.record(70 * MS).is_quiet);
        assert!(
            !bot.record(5_000 * MS).is_quiet,
            "it has not heard of itself lately"
        );
    }
}
