//! What a proxy is asked before players are sent to it: does the store take writes, is a game server linked, is any region
//! served, do clocks agree, are its papers good. Players who find no place in the world are a note. Its shards are watched where they are
//! started.

use std::collections::BTreeSet;
use std::sync::Arc;

use net::accept_errors::Watch;
use net::clock::Monotonic;
use net::link::LinkContext;
use node::admin::{Check, Readiness, Wanted, clock_check, link_check};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;

use super::descriptors::ClientRoom;
use super::shard_handle::{Shards, counts};

/// What is asked of the shards.
pub(super) struct ShardChecks {
    pub(super) shards: Shards,
    pub(super) links: Arc<LinkContext>,
    pub(super) topology: Arc<TopologyInForce>,
}

/// A full proxy is alive and takes nobody: whoever sends players looks for another one.
pub(super) fn check_room(readiness: &Readiness, shards: &Shards, room: ClientRoom) {
    let shards = Arc::clone(shards);
    readiness.ask("room", move || {
        room_check(counts(&shards).sessions, room.sessions_max as usize)
    });
}

fn room_check(sessions: usize, most: usize) -> Check {
    let figure = format!("{sessions} of {most}");
    match sessions >= most {
        true => Check::missing(format!("full: {figure}")),
        false => Check::well(figure),
    }
}

/// Where nobody serves anything, nobody can play.
fn region_check(served: usize, all: usize) -> Check {
    let figure = format!("{served} of {all} are served");
    if served == 0 {
        Check::missing(
            figure + ": no linked game server serves any; each says at its own /readyz what it waits for",
        )
    } else if served < all {
        Check::noted(figure + "; players of the others wait")
    } else {
        Check::well(figure)
    }
}

/// Without descriptors nobody can come in, however few are here.
pub(super) fn check_accepting(readiness: &Readiness, name: &'static str, watch: Watch, clock: Monotonic) {
    readiness.ask(name, move || match watch.is_blocked(clock.now_ms()) {
        true => Check::missing("connections cannot be accepted; the log says why"),
        false => Check::well(""),
    });
}

type Ask = fn(&ShardChecks) -> Check;

impl ShardChecks {
    /// Has `/readyz` ask.
    pub(super) fn watch(self, readiness: &Readiness) {
        let this = Arc::new(self);
        let checks: [(&str, Ask); 4] = [
            ("links", Self::links),
            ("regions", Self::regions),
            ("clocks", Self::clocks),
            ("sessions", Self::sessions),
        ];
        for (name, check) in checks {
            let this = Arc::clone(&this);
            readiness.ask(name, move || check(&this));
        }
    }

    /// Without any game server nobody can play here. One counts as linked when every shard has its lane to it.
    fn links(&self) -> Check {
        let view = self.topology.view();
        let why_not = |number| self.links.stats.why_unreached(view.node(number)?.uuid);
        let servers = view.topology().servers().iter();
        let wanted = servers.map(|server| {
            let (name, why_not) = (server.name.clone(), why_not(server.number));
            (server.number, Wanted { name, why_not })
        });
        link_check(&wanted.collect(), &self.linked_to_all(), Check::missing)
    }

    /// A linked server may serve nothing: it waits for another one, or for the store.
    fn regions(&self) -> Check {
        let served = self.shards.iter().map(|shard| shard.gauges.regions_served());
        region_check(
            served.min().unwrap_or_default(),
            self.topology.view().topology().regions().len(),
        )
    }

    /// The game servers that every shard has a lane to.
    fn linked_to_all(&self) -> BTreeSet<NodeNumber> {
        let each = self.shards.iter().map(|shard| {
            let lanes = shard.gauges.lanes();
            lanes.iter().map(|lane| lane.node).collect::<BTreeSet<_>>()
        });
        each.reduce(|all, one| &all & &one).unwrap_or_default()
    }

    fn clocks(&self) -> Check {
        let view = self.topology.view();
        let lanes = self.shards.iter().flat_map(|shard| shard.gauges.lanes());
        let ahead = lanes.filter_map(|lane| {
            let server = view.topology().server(lane.node)?;
            Some((server.name.clone(), lane.sight.ahead_ms))
        });
        clock_check(ahead, self.links.stats.clock_trouble(), self.links.clock.now_ms())
    }

    /// Players who wait for a place: their server is away, or nobody serves their region, or it does not answer.
    fn sessions(&self) -> Check {
        let all = counts(&self.shards).sessions;
        let waiting = self.shards.iter().map(|shard| shard.gauges.waiting());
        let (count, longest_ms) = waiting.fold((0, 0), |(count, longest_ms), shard| {
            (count + shard.count, longest_ms.max(shard.longest_ms))
        });
        if count == 0 {
            return Check::well(format!("{all} of {all} are served"));
        }
        Check::noted(format!(
            "{} of {all} are served; the others have no place in the world, one of them for {} s: look at the game server of their region",
            all.saturating_sub(count),
            longest_ms / 1000
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::admin::Verdict;

    #[test]
    fn a_world_of_which_nothing_is_served_is_none_to_send_players_into() {
        let verdict = |served| region_check(served, 4).verdict;
        assert_eq!(
            [0, 1, 3, 4].map(verdict),
            [Verdict::Missing, Verdict::Noted, Verdict::Noted, Verdict::Well]
        );
    }

    #[test]
    fn a_full_proxy_takes_nobody() {
        assert_eq!(room_check(9, 10), Check::well("9 of 10"));
        assert_eq!(room_check(10, 10), Check::missing("full: 10 of 10"));
        // Handshakes that were under way may go beyond.
        assert_eq!(room_check(11, 10), Check::missing("full: 11 of 10"));
    }
}
