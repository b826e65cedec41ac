//! Which faults a storm has, drawn before it begins. Each has its place in the list, by which it can be left out though the others stay
//! what they are.

use protocol::ids::NodeNumber;

use super::event::{Death, Event, Planned, Trouble};
use super::state::Cluster;
use crate::dice::Dice;
use crate::links::{End, LinkNumber};
use crate::matrix::Step;
use crate::options::Room;
use crate::scenario::{DEAD_MS, KILL_EVERY_MS, RESTART_EVERY_MS, Scenario};
use crate::world::PROXIES;

/// How many links and devices are slow where room is narrow.
const SLOW_ONES: usize = 4;
/// How many servers are dead for longer than others wait, where servers stand by.
const DEATHS: usize = 2;
/// How often a region is given to another server there.
const GIFTS_OF_REGIONS: usize = 3;
/// How often an operator tries to push another topology there.
const PUSHES: usize = 3;
/// How often somebody comes or goes where many do, for each player.
const VISITS: u64 = 5;

impl Cluster {
    /// Faults out of the blue, all over by the end of the storm.
    pub(super) fn plan_troubles(&mut self) {
        self.planned.clear();
        let ambushes = self.options.ambushes.iter();
        self.passing = ambushes.map(|ambush| Some(ambush.passing)).collect();
        for _ in 0..self.options.faults {
            let at_us = self.dice.between(700_000, self.options.storm_ms * 1000 - 100_000);
            let trouble = self.trouble();
            self.plan(at_us, trouble);
        }
        if self.options.room == Room::Narrow {
            self.plan_slowness();
        }
        if self.options.standbys && !self.options.ambushes.is_empty() {
            self.plan_deaths();
        }
        if self.options.clocks {
            self.plan_clocks();
        }
        let steps: Vec<Step> = self.options.ambushes.iter().map(|ambush| ambush.step).collect();
        steps.into_iter().for_each(|step| self.bring_about(step));
        let dice = Dice::new(self.options.seed ^ self.began_us ^ 0x9a7e_0c11);
        match self.options.scenario {
            Scenario::Storm | Scenario::Bank | Scenario::CornerOrbit => {}
            Scenario::Churn => self.plan_visits(dice),
            Scenario::RollingRestart => self.plan_restarts(dice),
            Scenario::Failover => self.plan_kills(dice),
        }
    }

    /// So long after the storm began, microseconds.
    pub(super) fn plan(&mut self, after_us: u64, trouble: Trouble) {
        let at_us = self.began_us + after_us;
        let place = self.planned.len();
        self.planned.push(Planned { at_us, trouble });
        if !self
            .options
            .skipped
            .iter()
            .any(|skipped| *skipped as usize == place)
        {
            self.schedule.at(at_us, Event::Trouble(trouble));
        }
    }

    /// Who takes little, so that room runs out.
    fn plan_slowness(&mut self) {
        for _ in 0..SLOW_ONES {
            let dice = &mut self.dice;
            let at_us = dice.between(1_000_000, self.options.storm_ms * 1000 - 1_000_000);
            let link = LinkNumber(dice.index(self.links.len()));
            let bot = dice.index(usize::from(self.options.players));
            let ms = dice.between(300, 2_500);
            for trouble in [Trouble::Shut(link, ms), Trouble::StopReading(bot, ms)] {
                self.plan(at_us, trouble);
            }
        }
    }

    /// Messages that are rare by themselves get a reason to be sent.
    fn bring_about(&mut self, step: Step) {
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let end_us = self.options.storm_ms * 1000 - 500_000;
        let times: Vec<u64> = (0..6).map(|_| self.dice.between(1_200_000, end_us)).collect();
        for (index, at_us) in times.into_iter().enumerate() {
            let bot = index % usize::from(self.options.players);
            let trouble = match step {
                // Only a server that drains refuses.
                Step::Refuse if index < servers.len() => Trouble::Drain(servers[index], 2_500),
                Step::Leave => Trouble::CutClient(bot),
                Step::Release | Step::Activate => Trouble::Logout(bot),
                _ => continue,
            };
            let at_us = if step == Step::Refuse {
                at_us.min(2_500_000)
            } else {
                at_us
            };
            self.plan(at_us, trouble);
        }
    }

    fn trouble(&mut self) -> Trouble {
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let dice = &mut self.dice;
        let server = servers[dice.index(servers.len())];
        let proxy = PROXIES[dice.index(PROXIES.len())];
        let link = LinkNumber(dice.index(self.links.len()));
        let bot = dice.index(usize::from(self.options.players));
        let end = [End::Dialer, End::Listener][dice.index(2)];
        let ms = [50, 300, 1_000, 2_500][dice.index(4)];
        match dice.below(14) {
            0 | 1 => Trouble::Cut(link, ms),
            2 => Trouble::Hold(link, end, ms),
            3 => Trouble::Throttle(link, ms),
            4 => Trouble::Stall(if dice.permille(700) { server } else { proxy }, ms),
            5 | 6 => Trouble::Crash(server, ms),
            7 => Trouble::Crash(proxy, ms),
            8 => Trouble::CutClient(bot),
            9 => Trouble::BlockDatagrams(bot, ms * 2),
            10 => Trouble::StoreAway(ms),
            11 => Trouble::SecondLogin(bot),
            12 => Trouble::Logout(bot),
            _ => Trouble::Drain(server, ms),
        }
    }

    /// What makes a server dead in the eyes of the others, so that they take over.
    fn plan_deaths(&mut self) {
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let storm_ms = self.options.storm_ms;
        for _ in 0..DEATHS {
            let server = servers[self.dice.index(servers.len())];
            let at_us = self.dice.between(1_000_000, (storm_ms - 4_500) * 1000);
            let ms = self.dice.between(3_200, 6_000);
            let trouble = match self.dice.below(4) {
                0 | 1 => Trouble::Crash(server, ms),
                2 => Trouble::Stall(server, ms),
                _ => Trouble::CutFromStore(server, ms),
            };
            self.plan(at_us, trouble);
        }
        for _ in 0..GIFTS_OF_REGIONS {
            let regions = self.topology.regions();
            let region = &regions[self.dice.index(regions.len())];
            let candidates: Vec<NodeNumber> = region.candidates().collect();
            let give = Trouble::Give(region.number, candidates[self.dice.index(candidates.len())]);
            let at_us = self.dice.between(1_000_000, (storm_ms - 500) * 1000);
            self.plan(at_us, give);
        }
        for _ in 0..PUSHES {
            let at_us = self.dice.between(800_000, (storm_ms - 3_000) * 1000);
            let push = Trouble::Push(self.dice.throw());
            self.plan(at_us, push);
        }
    }

    /// Players come and go: they log in a second time elsewhere, leave for a while with a word or without, and lose their connections.
    fn plan_visits(&mut self, mut dice: Dice) {
        for _ in 0..VISITS * u64::from(self.options.players) {
            let at_us = dice.between(900_000, self.options.storm_ms * 1000 - 300_000);
            let bot = dice.index(usize::from(self.options.players));
            let ms = dice.between(100, 4_000);
            let trouble = match dice.below(5) {
                0 | 1 => Trouble::SecondLogin(bot),
                2 => Trouble::CutClient(bot),
                3 => Trouble::LeaveFor(bot, ms),
                _ => Trouble::VanishFor(bot, ms),
            };
            self.plan(at_us, trouble);
        }
    }

    /// One node after the other is drained, or ended without a word, and starts again.
    fn plan_restarts(&mut self, mut dice: Dice) {
        let mut nodes: Vec<NodeNumber> = self.servers.keys().copied().chain(PROXIES).collect();
        let mut at_us = dice.between(900_000, 1_200_000);
        while !nodes.is_empty() {
            let node = nodes.swap_remove(dice.index(nodes.len()));
            let trouble = if dice.permille(750) {
                Trouble::Drain(node, dice.between(300, 1_000))
            } else {
                Trouble::Crash(node, dice.between(50, 600))
            };
            self.plan(at_us, trouble);
            at_us += RESTART_EVERY_MS * 1000;
        }
    }

    /// Whoever serves a region is dead for longer than others wait, region after region.
    fn plan_kills(&mut self, mut dice: Dice) {
        let mut regions: Vec<_> = self.topology.regions().iter().map(|it| it.number).collect();
        let mut at_us = dice.between(1_200_000, 1_500_000);
        let end_us = (self.options.storm_ms - DEAD_MS.0) * 1000;
        while !regions.is_empty() && at_us < end_us {
            let region = regions.swap_remove(dice.index(regions.len()));
            let ms = dice.between(DEAD_MS.0, DEAD_MS.1);
            let end = match dice.below(4) {
                0 | 1 => Death::Ends,
                2 => Death::Freezes,
                _ => Death::LosesTheStore,
            };
            self.plan(at_us, Trouble::KillOwner(region, end, ms));
            at_us += KILL_EVERY_MS * 1000;
        }
    }
}
