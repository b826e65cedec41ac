//! Faults out of the blue, and connections of devices that break.

use protocol::ids::{NodeNumber, RegionNumber, UserId};

use super::clients::client_id;
use super::event::{Death, Event, Trouble};
use super::state::{Cluster, Phase};
use crate::bot::{Bot, Presence};
use crate::links::{LinkNumber, Throttle};
use crate::scenario::Scenario;

/// Credits of each tick while a link is thin, bytes: less than any cell; a cell or an own state; a few of them.
const THIN_BYTES: [usize; 3] = [16, 80, 240];

impl Cluster {
    pub(super) fn trouble_strikes(&mut self, trouble: Trouble) {
        if !self.is_storm() {
            return;
        }
        let end_us = self.storm_end_us();
        let until_us = |ms: u64, now_us: u64| (now_us + ms * 1000).min(end_us);
        let now_us = self.now_us();
        match trouble {
            Trouble::Cut(link, ms) => self.cut(link, ms),
            Trouble::Hold(link, end, ms) => self.hold(link, end, ms),
            Trouble::Throttle(link, ms) => self.throttle(link, until_us(ms, now_us)),
            Trouble::Shut(link, ms) => {
                let link = &mut self.links[link.0];
                link.throttle = Throttle::Shut;
                link.throttled_until_us = until_us(ms, now_us);
            }
            Trouble::Stall(node, ms) => self.stall(node, until_us(self.stall_ms(ms), now_us)),
            Trouble::Crash(node, ms) => self.crash(node, ms),
            Trouble::Drain(node, ms) => self.drain(node, ms),
            Trouble::SendAway(proxy) => self.send_away(proxy),
            Trouble::CutClient(bot) => {
                if let Some(conn) = self.bots[bot].conn {
                    self.break_conn(conn);
                }
            }
            Trouble::BlockDatagrams(bot, ms) => {
                if let Some(conn) = self.bots[bot].conn {
                    self.conns[conn].blocked_until_us = until_us(ms, now_us);
                }
            }
            Trouble::StopReading(bot, ms) => self.stop_reading(bot, until_us(ms, now_us)),
            Trouble::Give(region, to) => self.give(region, to),
            Trouble::Push(seed) => self.push(seed),
            Trouble::CutFromStore(node, ms) => self.cut_from_store(node, until_us(ms, now_us)),
            Trouble::StoreAway(ms) => self.store_away_until_us = until_us(ms, now_us),
            Trouble::SecondLogin(bot) => self.second_login(self.device_in_use(bot)),
            Trouble::Logout(bot) => self.logout(bot),
            Trouble::LeaveFor(bot, ms) => {
                let bot = self.device_in_use(bot);
                self.bots[bot].stays_away_until_us = until_us(ms, now_us);
                self.logout(bot);
            }
            Trouble::VanishFor(bot, ms) => {
                let bot = self.device_in_use(bot);
                self.bots[bot].stays_away_until_us = until_us(ms, now_us);
                if let Some(conn) = self.bots[bot].conn {
                    self.break_conn(conn);
                }
            }
            Trouble::SetClock(node, step_ms, ms) => self.clocks.set(node, step_ms, until_us(ms, now_us)),
            Trouble::KillOwner(region, death, ms) => self.kill_owner(region, death, ms),
        }
    }

    /// Where nobody stands by, nobody is to wait for long.
    fn stall_ms(&self, ms: u64) -> u64 {
        if self.options.standbys { ms } else { ms.min(1_500) }
    }

    fn throttle(&mut self, link: LinkNumber, until_us: u64) {
        let thin = THIN_BYTES.get(self.dice.index(2 * THIN_BYTES.len()));
        let link = &mut self.links[link.0];
        link.throttle = thin.map_or(Throttle::Stuck, |bytes| Throttle::Thin(*bytes));
        link.throttled_until_us = until_us;
    }

    fn stop_reading(&mut self, bot: usize, until_us: u64) {
        let Some(number) = self.bots[bot].conn else { return };
        let conn = &mut self.conns[number];
        conn.reads_from_us = conn.reads_from_us.max(until_us);
        self.schedule.at(conn.reads_from_us, Event::ReadsAgain(number));
    }

    /// What the kernel of its proxy could not pass on has its turn.
    pub(super) fn reads_again(&mut self, number: usize) {
        if self.conns[number].reads_from_us > self.now_us() {
            return;
        }
        let (id, at) = (client_id(number), self.shard_of(number));
        self.pass_on(at, id);
        self.with_shard(at, |_, _, _| {});
    }

    /// A process that is stalled already is so for the longer of the two times: what was put off to the end of the first
    /// must not come after what comes later.
    fn stall(&mut self, node: NodeNumber, until_us: u64) {
        if let Some(server) = self.servers.get_mut(&node) {
            server.stalled_until_us = server.stalled_until_us.max(until_us);
        }
        if let Some(proxy) = self.proxies.get_mut(&node) {
            proxy.stalled_until_us = proxy.stalled_until_us.max(until_us);
        }
    }

    /// Where players change their devices, the one that the player has in its hands now.
    fn device_in_use(&self, index: usize) -> usize {
        let user = self.bots[index].user;
        let in_use = |bot: &Bot| bot.user == user && bot.presence == Presence::Online;
        let is_churn = self.options.scenario == Scenario::Churn;
        let found = is_churn.then(|| self.bots.iter().position(in_use));
        found.flatten().unwrap_or(index)
    }

    /// Whoever serves the region now, says the store.
    fn kill_owner(&mut self, region: RegionNumber, death: Death, ms: u64) {
        let Some(owner) = self.store.tables().service(region).map(|service| service.node) else {
            return;
        };
        let until_us = (self.now_us() + ms * 1000).min(self.storm_end_us());
        match death {
            Death::Ends => self.crash(owner, ms),
            Death::Freezes => self.stall(owner, until_us),
            Death::LosesTheStore => self.cut_from_store(owner, until_us),
        }
    }

    /// The same user with another device; the first one goes on as if nothing had been.
    fn second_login(&mut self, index: usize) {
        let user = self.bots[index].user;
        let is_churn = self.options.scenario == Scenario::Churn;
        let counts = |bot: &&Bot| bot.user == user && !(is_churn && bot.presence == Presence::Retired);
        let again = self.bots.iter().filter(counts).count() > 2;
        if again || self.bots[index].presence != Presence::Online {
            return;
        }
        let dice = self.dice.fork();
        let others_proxy = self.bots[index].proxy;
        let bot = self.add_bot(user, dice);
        bot.presence = Presence::Away(0);
        if is_churn {
            // The other proxy's turn.
            bot.proxy = others_proxy;
        }
        self.schedule.after(1_000, Event::Bot(self.bots.len() - 1));
    }

    /// Every device of the player logs out.
    pub(super) fn log_out(&mut self, player: Option<UserId>) {
        for index in 0..self.bots.len() {
            if Some(self.bots[index].user) == player {
                self.logout(index);
            }
        }
    }

    fn logout(&mut self, index: usize) {
        if self.bots[index].presence == Presence::Online {
            self.bots[index].core.send_logout();
            self.bots[index].session = None;
        }
    }

    /// A device's connection breaks; both sides notice in their own time.
    pub(super) fn break_conn(&mut self, number: usize) {
        let conn = &mut self.conns[number];
        if !conn.is_alive {
            return;
        }
        conn.is_alive = false;
        let (client_us, proxy_us) = (self.dice.below(60_000), self.dice.below(900_000));
        self.schedule.after(client_us, Event::ConnLostAtClient(number));
        self.schedule.after(proxy_us, Event::ConnLostAtProxy(number));
    }

    /// A proxy died: its devices notice.
    pub(super) fn conns_lost(&mut self, node: NodeNumber) {
        for number in 0..self.conns.len() {
            if self.conns[number].proxy == node && self.conns[number].is_alive {
                self.conns[number].is_alive = false;
                let notice_us = self.dice.below(300_000);
                self.schedule.after(notice_us, Event::ConnLostAtClient(number));
            }
        }
    }

    pub(super) fn conn_lost_at_client(&mut self, number: usize) {
        let index = self.conns[number].bot;
        self.conns[number].at_client = false;
        if self.bots[index].conn == Some(number) {
            self.go_away(index);
        }
    }

    pub(super) fn conn_lost_at_proxy(&mut self, number: usize) {
        let conn = &self.conns[number];
        let (node, life) = (conn.proxy, conn.life);
        let lives = self
            .proxies
            .get(&node)
            .is_some_and(|proxy| proxy.life == life && proxy.phase == Phase::Up);
        if lives {
            self.with_shard(self.shard_of(number), |shard, now, datagrams| {
                shard.client_broke(client_id(number), now, datagrams);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::trace::Lines;
    use crate::world::PROXIES;

    #[test]
    fn a_short_stall_does_not_end_a_long_one() {
        let mut cluster = Cluster::new(&Options::of_seed(1), Lines::Dropped).unwrap();
        for node in [NodeNumber(1), PROXIES[0]] {
            for until_us in [1_000_000, 50_000, 1_200_000] {
                let before_us = cluster.stalled_until_us(node);
                cluster.stall(node, until_us);
                assert_eq!(cluster.stalled_until_us(node), before_us.max(until_us));
            }
        }
    }
}
