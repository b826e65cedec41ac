//! What a game server is asked before it counts as ready: does the store take writes, is the world seeded, do its regions
//! tick in time, do clocks agree, are its papers good. Who is linked is a note: it lives on without. That the world's
//! thread comes round is watched where it is started.

use std::sync::Arc;

use net::link::LinkContext;
use node::admin::{Check, Readiness, Wanted, clock_check, link_check};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use topology::Topology;

use super::report::WorldReports;
use crate::world::{LinkPeer, LinkReport, RegionReport};

/// A tick that is overdue for so long, microseconds, is not about to come.
const OVERDUE_US: u64 = 1_000_000;

/// What is asked of the world's last report.
pub(super) struct WorldChecks {
    pub(super) reports: WorldReports,
    pub(super) context: Arc<LinkContext>,
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) own: NodeNumber,
    /// Without a region, this server stands by: whether its regions are served is told by the keeper of its lease.
    pub(super) has_standbys: bool,
    /// Of a tick, microseconds.
    pub(super) period_us: u64,
}

type Ask = fn(&WorldChecks) -> Check;

impl WorldChecks {
    /// Has `/readyz` ask.
    pub(super) fn watch(self, readiness: &Readiness) {
        let this = Arc::new(self);
        let checks: [(&str, Ask); 5] = [
            ("links", Self::links),
            ("clocks", Self::clocks),
            ("world", Self::world),
            ("ticks", Self::ticks),
            ("rules", Self::rules),
        ];
        for (name, check) in checks {
            let this = Arc::clone(&this);
            readiness.ask(name, move || check(&this));
        }
    }

    fn links(&self) -> Check {
        let view = self.in_force.view();
        let topology = view.topology();
        let peers = topology.peers_of(self.own).into_iter();
        let why_not = |number| self.context.stats.why_unreached(view.node(number)?.uuid);
        let wanted = |number| {
            let name = name_of(topology, number)?;
            let why_not = why_not(number);
            Some((number, Wanted { name, why_not }))
        };
        let proxies = topology.proxies().iter().map(|proxy| proxy.number);
        let wanted = proxies.chain(peers).filter_map(wanted).collect();
        let report = self.reports.load();
        let up = report.links.iter().map(|(_, link)| node_of(link));
        link_check(&wanted, &up.collect(), Check::noted)
    }

    fn clocks(&self) -> Check {
        let view = self.in_force.view();
        let report = self.reports.load();
        let ahead = report.links.iter().filter_map(|(_, link)| {
            let name = name_of(view.topology(), node_of(link))?;
            Some((name, link.sight.ahead_ms))
        });
        let context = &self.context;
        clock_check(ahead, context.stats.clock_trouble(), context.clock.now_ms())
    }

    fn world(&self) -> Check {
        let view = self.in_force.view();
        let has_own = view
            .topology()
            .regions()
            .iter()
            .any(|region| region.server == self.own);
        world_check(&self.reports.load().regions, self.has_standbys, has_own)
    }

    fn ticks(&self) -> Check {
        tick_check(&self.reports.load().regions, self.period_us)
    }

    fn rules(&self) -> Check {
        rules_check(&self.reports.load().regions)
    }
}

fn node_of(link: &LinkReport) -> NodeNumber {
    match link.peer {
        LinkPeer::Proxy(lane) => lane.node(),
        LinkPeer::Server(_, number) => number,
    }
}

fn name_of(topology: &Topology, number: NodeNumber) -> Option<String> {
    let server = topology.server(number).map(|server| &server.name);
    server
        .or_else(|| topology.proxy(number).map(|proxy| &proxy.name))
        .cloned()
}

/// A region that does not know what lies in it is an empty shell.
fn world_check(regions: &[RegionReport], has_standbys: bool, has_own: bool) -> Check {
    let unknown = |region: &&RegionReport| !region.status.holdings_known;
    let count = regions.iter().filter(unknown).count();
    let all = regions.len();
    match regions.iter().find(unknown) {
        None if all == 0 && has_standbys => Check::well("no region is served here; this server stands by"),
        None if all == 0 && !has_own => Check::noted(
            "no region is served here: the topology gives this server none, and standbys take over on a database only",
        ),
        None if all == 0 => Check::missing("no region has been heard of yet"),
        None => Check::well(format!("{all} of {all} regions know what lies in them")),
        Some(first) => Check::missing(format!(
            "{} of {all} regions know what lies in them; region {} waits for the store, or its first holdings are refused",
            all - count,
            first.status.region
        )),
    }
}

/// Whether the game's rules do without panics.
fn rules_check(regions: &[RegionReport]) -> Check {
    let stand_still = regions.iter().filter(|region| region.status.stands_still);
    let numbers: Vec<String> = stand_still
        .map(|region| region.status.region.to_string())
        .collect();
    let panics: u64 = regions.iter().map(|region| region.status.panics).sum();
    match (numbers.first(), panics) {
        (Some(first), _) => Check::missing(format!(
            "{} of {} regions stand still, since their rules panicked three times in a minute; the first is region {first}",
            numbers.len(),
            regions.len()
        )),
        (None, 0) => Check::well("no panic in the game's rules"),
        (None, panics) => Check::noted(format!("{panics} panics in the game's rules")),
    }
}

/// Whether ticks come, and take less than the time that there is for them.
fn tick_check(regions: &[RegionReport], period_us: u64) -> Check {
    let awake = regions.iter().filter(|region| region.is_awake);
    let Some(slowest) = awake.clone().max_by_key(|region| region.tick_us.p99) else {
        return Check::well("all regions sleep");
    };
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1e3);
    let overdue = awake.clone().max_by_key(|region| region.overdue_us);
    if let Some(overdue) = overdue.filter(|region| region.overdue_us >= OVERDUE_US) {
        return Check::missing(format!(
            "stand still: the one of region {} is overdue by {}",
            overdue.status.region,
            ms(overdue.overdue_us)
        ));
    }
    let latest = awake.max_by_key(|region| region.late_us.p50);
    if let Some(latest) = latest.filter(|region| u64::from(region.late_us.p50) >= period_us) {
        return Check::noted(format!(
            "come late: half of those of region {} by more than {}; this server has more to do than it can",
            latest.status.region,
            ms(latest.late_us.p50.into())
        ));
    }
    let figure = format!(
        "region {} takes {} of {}",
        slowest.status.region,
        ms(slowest.tick_us.p99.into()),
        ms(period_us)
    );
    if u64::from(slowest.tick_us.p99) >= period_us {
        Check::noted(figure)
    } else {
        Check::well(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::TimesSummary;
    use node::admin::Verdict;

    fn region(number: u32) -> RegionReport {
        let mut region = RegionReport {
            is_awake: true,
            ..RegionReport::default()
        };
        region.status.region = number;
        region.status.holdings_known = true;
        region
    }

    #[test]
    fn a_world_is_missing_until_every_region_knows_what_lies_in_it() {
        assert_eq!(world_check(&[], false, true).verdict, Verdict::Missing);
        assert_eq!(world_check(&[], true, false).verdict, Verdict::Well);
        assert_eq!(world_check(&[], false, false).verdict, Verdict::Noted);
        let mut regions = [region(1), region(2), region(3)];
        assert_eq!(
            world_check(&regions, true, true),
            Check::well("3 of 3 regions know what lies in them")
        );
        regions[1].status.holdings_known = false;
        let check = world_check(&regions, true, true);
        assert_eq!(check.verdict, Verdict::Missing);
        assert!(check.figure.starts_with("2 of 3 regions know") && check.figure.contains("region 2 "));
    }

    #[test]
    fn panics_of_the_rules_are_noted_and_a_region_that_stands_still_keeps_players_out() {
        let mut regions = [region(1), region(2)];
        assert_eq!(rules_check(&regions).verdict, Verdict::Well);
        regions[1].status.panics = 2;
        assert_eq!(rules_check(&regions).verdict, Verdict::Noted);
        regions[1].status.stands_still = true;
        let check = rules_check(&regions);
        assert_eq!(check.verdict, Verdict::Missing);
        assert!(check.figure.starts_with("1 of 2 regions stand still") && check.figure.ends_with("region 2"));
    }

    #[test]
    fn ticks_that_stand_still_keep_players_out_and_slow_ones_are_noted() {
        let check = |change: fn(&mut RegionReport)| {
            let mut regions = [region(1), region(2)];
            change(&mut regions[1]);
            tick_check(&regions, 50_000)
        };
        let times = |p50, p99| TimesSummary { p50, p99, max: p99 };
        assert_eq!(
            check(|region| region.tick_us.p99 = 4_200),
            Check::well("region 2 takes 4.2 ms of 50.0 ms")
        );
        assert_eq!(
            check(|region| region.tick_us.p99 = 61_000).verdict,
            Verdict::Noted
        );
        let late = check(|region| region.late_us.p50 = 70_000);
        assert_eq!(late.verdict, Verdict::Noted);
        assert!(
            late.figure.starts_with("come late: half of those of region 2"),
            "{late:?}"
        );
        assert_eq!(
            check(|region| region.overdue_us = 3_000_000),
            Check::missing("stand still: the one of region 2 is overdue by 3000.0 ms")
        );
        let mut asleep = region(1);
        asleep.is_awake = false;
        (asleep.overdue_us, asleep.tick_us) = (9_000_000, times(1, 99_000));
        assert_eq!(tick_check(&[asleep], 50_000), Check::well("all regions sleep"));
    }
}
