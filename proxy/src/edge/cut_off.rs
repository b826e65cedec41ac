//! A game server that lives and that this proxy alone does not reach: nobody takes its regions over, so its players would wait
//! here for as long as the network is broken. They are sent to another proxy.
//!
//! Whether it lives the store knows: its lease is renewed. While it is not, somebody takes over or it comes back, and its
//! players are best off here.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Code;
use protocol::ids::RegionNumber;

use super::Edge;
use super::effect::EdgeEffect;
use super::input::{HolderSign, SessionHandle};
use super::route::LinkUp;

/// A player waits so long for its owner before it is sent away, and so long this start of the owner must have been seen,
/// milliseconds: a link that broke, or a server that has begun again, is dialed sooner.
const WAITS_MS: u64 = 1_500;
/// One who has not played at this proxy stays for so long, milliseconds: where no proxy reaches the owner, players do not go
/// round.
const NEW_WAITS_MS: u64 = 10_000;
/// Between two looks, milliseconds.
const LOOK_MS: u64 = 300;
/// Who has shown that it lives counts as alive for so long, milliseconds: leases are renewed more often.
const LIVES_MS: u64 = 1_000;
/// Regions looked at each time; the next look goes on where this one ends.
const REGIONS_MAX: usize = 16;

/// What was seen of the holder of a region.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sign: HolderSign,
    since_ms: u64,
    /// The last look at which the lease had been renewed since the one before.
    lived_ms: Option<u64>,
}

impl Seen {
    /// The next look.
    fn then(self, sign: HolderSign, now_ms: u64) -> Self {
        let of = |sign: HolderSign| (sign.node, sign.incarnation);
        if of(self.sign) != of(sign) || sign.beat < self.sign.beat {
            return Self::first(sign, now_ms);
        }
        let was_renewed = self.sign.beat < sign.beat;
        let lived_ms = if was_renewed { Some(now_ms) } else { self.lived_ms };
        Self {
            sign,
            lived_ms,
            ..self
        }
    }

    fn first(sign: HolderSign, now_ms: u64) -> Self {
        Self {
            sign,
            since_ms: now_ms,
            lived_ms: None,
        }
    }

    fn lives(self, now_ms: u64) -> bool {
        let is_recent = |lived_ms| now_ms.saturating_sub(lived_ms) <= LIVES_MS;
        self.lived_ms.is_some_and(is_recent) && now_ms.saturating_sub(self.since_ms) >= WAITS_MS
    }
}

/// The holders that players wait for.
#[derive(Debug, Default)]
pub(super) struct CutOff {
    looked_ms: u64,
    last: Option<RegionNumber>,
    seen: BTreeMap<RegionNumber, Seen>,
}

impl Edge {
    /// Time passes: asks who holds the regions that players wait for, where there is another proxy for them.
    pub(super) fn look_for_holders(&mut self, now_ms: u64) {
        if now_ms < self.cut_off.looked_ms + LOOK_MS || self.topology.proxies().len() < 2 {
            return;
        }
        self.cut_off.looked_ms = now_ms;
        let waits = self
            .sessions
            .values()
            .filter_map(|session| session.route.waits_for());
        let regions: BTreeSet<RegionNumber> = waits.map(|(region, _)| region).collect();
        let CutOff { last, seen, .. } = &mut self.cut_off;
        seen.retain(|region, _| regions.contains(region));
        let (done, to_do): (Vec<_>, Vec<_>) = regions.into_iter().partition(|region| Some(*region) <= *last);
        for region in to_do.into_iter().chain(done).take(REGIONS_MAX) {
            *last = Some(region);
            self.effects.push(EdgeEffect::ReadHolder(region));
        }
    }

    /// The store's word on who holds a region; `None` where that node's lease has ended.
    pub(super) fn holder_seen(&mut self, region: RegionNumber, sign: Option<HolderSign>, now_ms: u64) {
        let Some(sign) = sign else {
            self.cut_off.seen.remove(&region);
            return;
        };
        let before = self.cut_off.seen.get(&region);
        let seen = before.map_or(Seen::first(sign, now_ms), |before| before.then(sign, now_ms));
        self.cut_off.seen.insert(region, seen);
        if !seen.lives(now_ms) || self.servers.link(sign.node) == LinkUp::Yes {
            return;
        }
        let waiting = self.sessions.iter().filter(|(_, session)| {
            let limit_ms = if session.has_played {
                WAITS_MS
            } else {
                NEW_WAITS_MS
            };
            let waits = session.route.waits_for();
            waits.is_some_and(|(at, since_ms)| at == region && now_ms.saturating_sub(since_ms) >= limit_ms)
        });
        let waiting: Vec<SessionHandle> = waiting.map(|(key, _)| SessionHandle(key)).collect();
        for handle in waiting {
            self.effects.push(EdgeEffect::Refused("owner_out_of_reach"));
            self.end(handle, Code::WorldRecovering, now_ms);
        }
    }
}
