//! Scripted runs: one thing happens, and what must come of it does.

use protocol::ids::{NodeNumber, RegionNumber};

use super::event::Trouble;
use super::patience::Patience;
use super::state::Cluster;

use crate::bot::Presence;
use crate::links::{End, LinkNumber};
use crate::options::{Options, Room};
use crate::trace::Lines;
use crate::world::PROXIES;

/// A run in which nothing happens but what the script says.
fn quiet(seed: u64) -> Options {
    Options {
        players: 4,
        storm_ms: 14_000,
        faults: 0,
        jitter_ms: 0,
        store_jitter_ms: 0,
        store_permille: 0,
        ambushes: Vec::new(),
        room: Room::Ample,
        ..Options::of_seed(seed)
    }
}

impl Cluster {
    /// The devices that are connected to this proxy.
    fn devices_at(&self, proxy: NodeNumber) -> Vec<usize> {
        let is_there = |index: &usize| {
            let bot = &self.bots[*index];
            bot.presence == Presence::Online && bot.conn.is_some_and(|conn| self.conns[conn].proxy == proxy)
        };
        (0..self.bots.len()).filter(is_there).collect()
    }

    fn freeze(&mut self, proxy: NodeNumber, until_us: u64) {
        if let Some(proxy) = self.proxies.get_mut(&proxy) {
            proxy.stalled_until_us = until_us;
        }
    }
}

// SI-2
#[test]
fn players_of_a_frozen_proxy_play_on_at_another_within_seconds() {
    let mut moved = 0;
    for seed in 0..8 {
        let mut cluster = Cluster::new(&quiet(seed), Lines::Dropped).unwrap();
        cluster.run_until(4_000_000);
        let [frozen, other] = PROXIES;
        let players = cluster.devices_at(frozen);
        moved += players.len();
        cluster.freeze(frozen, 14_000_000);
        cluster.run_until(6_500_000);
        assert_eq!(
            cluster.devices_at(frozen),
            players,
            "seed {seed}: not at the first hiccup"
        );
        cluster.run_until(9_000_000);
        assert_eq!(cluster.checks.broken(), None, "seed {seed}");
        let there = cluster.devices_at(other);
        for player in players {
            assert!(there.contains(&player), "seed {seed}: player {player} stays");
            let news_ms = cluster.now_ms() - cluster.bots[player].snapshot_at_ms;
            assert!(
                news_ms < 400,
                "seed {seed}: player {player} sees nothing for {news_ms} ms"
            );
        }
        cluster.run_until(19_000_000);
        cluster.look_when_calm();
        assert_eq!(cluster.checks.broken(), None, "seed {seed}");
    }
    assert!(moved >= 8, "nobody was there");
}

/// What a server says of gifts is lost with its link, and read again in turn once the link is back: not before that may be asked
/// whether everybody has what the store says.
#[test]
fn a_calm_lasts_until_what_a_link_lost_has_been_read_again() {
    const CUT_US: u64 = 16_500_000;
    let options = quiet(1);
    let mut cluster = Cluster::new(&options, Lines::Dropped).unwrap();
    cluster.run_until(CUT_US);
    let is_server = |node: &NodeNumber| cluster.servers.contains_key(node);
    let both = |number: &LinkNumber| {
        let link = &cluster.links[number.0];
        is_server(&link.node(End::Dialer)) && is_server(&link.node(End::Listener))
    };
    let number = cluster.link_numbers().find(both).unwrap();
    cluster.cut(number, 0);
    assert_eq!(cluster.run_storms(Patience::of(&options)), 1);
    assert_eq!(cluster.checks.broken(), None);
    assert!(cluster.linked_us > CUT_US, "the link is back");
    assert!(
        cluster.now_us() > cluster.linked_us + 4_000_000,
        "{} ms after the link was back",
        (cluster.now_us() - cluster.linked_us) / 1000
    );
}

#[test]
fn where_clocks_are_minutes_wrong_papers_are_refused_and_no_region_changes_hands() {
    let mut refused = 0;
    for (seed, step_ms) in [(1, 300_000), (2, -300_000), (3, 90_000), (4, -90_000)] {
        let options = Options {
            standbys: true,
            ..quiet(seed)
        };
        let mut cluster = Cluster::new(&options, Lines::Dropped).unwrap();
        cluster.run_until(4_000_000);
        let regions: Vec<_> = cluster.topology.regions().iter().map(|it| it.number).collect();
        let served = |cluster: &Cluster| -> Vec<_> {
            let service = |region: &RegionNumber| cluster.store.tables().service(*region);
            regions.iter().map(service).collect()
        };
        let before = served(&cluster);
        assert!(before.iter().all(Option::is_some));
        let servers: Vec<NodeNumber> = cluster.servers.keys().copied().collect();
        for node in servers {
            cluster.clocks.set(node, step_ms, 12_000_000);
        }
        // Who comes now has a ticket by the clock of the proxy, which is right.
        for bot in 0..cluster.bots.len() {
            cluster.trouble_strikes(Trouble::Logout(bot));
        }
        cluster.run_until(12_000_000);
        refused += cluster.counts.get("join_ticket").copied().unwrap_or_default();
        cluster.run_until(19_000_000);
        cluster.look_when_calm();
        assert_eq!(cluster.checks.broken(), None, "{step_ms} ms");
        assert_eq!(served(&cluster), before, "{step_ms} ms");
    }
    assert!(refused >= 8, "{refused} joins were refused for their time");
}
