//! Whether a player is served without a break: since when nothing new of it has come, what carries its inputs, whether
//! its body was lost. Pure: what came and when goes in, figures and words come out.

use std::collections::BTreeMap;
use std::mem;

use client::Transport;
use protocol::ids::{NodeNumber, OwnerEpoch, UserId};
use serde::Serialize;

use crate::places::Servers;
use crate::tally::Tally;

/// A player who has no new own state for so long is not played with, microseconds.
pub(crate) const STALL_US: u64 = 1_000_000;
/// How long a connection may look for a way for datagrams before it counts as one without, microseconds.
const DATAGRAM_PATIENCE_US: u64 = 3_000_000;

/// What carries a player's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// Datagrams were never wanted.
    StreamByWish,
    /// It is a new connection, or a new measurement: since when.
    Open(u64),
    Datagrams,
    /// Though datagrams were wanted.
    Stream,
}

/// A player's own news.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    /// How it is called in words.
    name: String,
    /// When it was heard of last, or since when that counts.
    since_us: Option<u64>,
    region: u32,
    carrier: Carrier,
    body: Option<Body>,
    /// The newest gap in which the owner changed, microseconds, and the owner's epoch since.
    changed: Option<(OwnerEpoch, u64)>,
    /// The region went to another server at this epoch, and nothing of it has come yet.
    taken_over: Option<OwnerEpoch>,
    /// Another connection carries on, and nothing has come over it yet.
    is_resumed: bool,
}

/// Where a player is simulated, and since which change of its owner.
#[derive(Clone, Copy, Debug)]
struct Body {
    region: u32,
    node: NodeNumber,
    epoch: OwnerEpoch,
}

impl Pulse {
    /// Of a player who has just logged in.
    pub(crate) fn new(index: u32, user: UserId, wants_datagrams: bool, now_us: u64) -> Self {
        Self {
            name: format!("bot-{index} (user {})", user.0),
            since_us: None,
            region: 0,
            carrier: match wants_datagrams {
                true => Carrier::Open(now_us),
                false => Carrier::StreamByWish,
            },
            body: None,
            changed: None,
            taken_over: None,
            is_resumed: false,
        }
    }

    /// The same bot before was heard of then: it has not been in the world since.
    pub(crate) fn go_on_from(&mut self, before: &Self) {
        (self.since_us, self.region) = (before.since_us, before.region);
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A new own state came: how long after the one before.
    pub(crate) fn own_state(&mut self, region: u32, at_us: u64, tally: &mut Tally) -> Option<u64> {
        let gap_us = self.close_gap(at_us, tally);
        self.since_us = Some(at_us.max(self.since_us.unwrap_or(0)));
        self.region = region;
        gap_us
    }

    fn close_gap(&mut self, at_us: u64, tally: &mut Tally) -> Option<u64> {
        // What came before it counts closes none.
        let gap_us = at_us.checked_sub(self.since_us?)?;
        tally.own_gap_us.record(gap_us);
        if mem::take(&mut self.is_resumed) {
            tally.resume_gap_us.record(gap_us);
        }
        if gap_us >= STALL_US {
            tally.stalls += 1;
            let (name, region) = (&self.name, self.region);
            let seconds = gap_us as f64 / 1e6;
            tally.note(format!(
                "{name} had no new own state for {seconds:.1} s, in region {region}"
            ));
        }
        Some(gap_us)
    }

    /// Measuring begins: what came before does not count.
    pub(crate) fn begin_measuring(&mut self, now_us: u64) {
        self.excuse(now_us);
        if self.carrier == Carrier::Stream {
            self.carrier = Carrier::Open(now_us.saturating_sub(DATAGRAM_PATIENCE_US));
        }
    }

    /// The generator itself stood still until now: what it has not heard meanwhile is nobody's fault.
    pub(crate) fn excuse(&mut self, now_us: u64) {
        self.since_us = self.since_us.map(|_| now_us);
    }

    /// Measuring ends: a break that has not ended counts as far as it came.
    pub(crate) fn end_measuring(&mut self, now_us: u64, tally: &mut Tally) {
        if self.silent_us(now_us) >= STALL_US {
            self.close_gap(now_us, tally);
        }
        self.look(now_us, tally);
    }

    /// How long nothing has been heard of the player.
    pub(crate) fn silent_us(&self, now_us: u64) -> u64 {
        self.since_us
            .map_or(0, |since_us| now_us.saturating_sub(since_us))
    }

    /// Adds itself to those who stand in its region.
    pub(crate) fn count(&self, now_us: u64, regions: &mut BTreeMap<u32, Presence>) {
        if self.since_us.is_some() {
            let here = Presence {
                players: 1,
                silent_us: self.silent_us(now_us),
            };
            add(regions, self.region, here);
        }
    }

    /// The player has an owner, be it the one before. Crossings lead to another region: who is made anew where it was had
    /// a body that is no more.
    pub(crate) fn playing(&mut self, region: u32, node: NodeNumber, epoch: OwnerEpoch, tally: &mut Tally) {
        let before = self.body.replace(Body { region, node, epoch });
        let Some(before) = before.filter(|before| before.region == region) else {
            return;
        };
        // By two: the owner took it back from a crossing that did not come about.
        let is_made_anew = epoch.0 == before.epoch.0 + 1;
        if is_made_anew {
            tally.bodies_lost += 1;
            let name = &self.name;
            tally.note(format!(
                "{name} lost its body in region {region}, and was made anew from the store"
            ));
        }
        if is_made_anew || before.node != node {
            match self.changed {
                // What it says came over another connection, and first.
                Some((seen, gap_us)) if seen == epoch => tally.takeover_gap_us.record(gap_us),
                _ => self.taken_over = Some(epoch),
            }
        }
    }

    /// A gap is closed in which the owner changed, to this epoch.
    pub(crate) fn owner_changed(&mut self, epoch: OwnerEpoch, gap_us: u64, tally: &mut Tally) {
        match self.taken_over.take() {
            Some(expected) if expected == epoch => tally.takeover_gap_us.record(gap_us),
            _ => self.changed = Some((epoch, gap_us)),
        }
    }

    /// Something else carries inputs now.
    pub(crate) fn transport(&mut self, now: Transport, tally: &mut Tally) {
        match (self.carrier, now) {
            (Carrier::StreamByWish, _) | (Carrier::Open(_) | Carrier::Stream, Transport::Tcp) => {}
            (_, Transport::Udp) => self.carrier = Carrier::Datagrams,
            (Carrier::Datagrams, Transport::Tcp) => self.fall_back(tally),
        }
    }

    /// A new connection begins without datagrams; that is no fall-back yet.
    pub(crate) fn resumed(&mut self, now_us: u64) {
        self.is_resumed = true;
        if self.carrier != Carrier::StreamByWish {
            self.carrier = Carrier::Open(now_us);
        }
    }

    /// Time passes: a connection that has found no way for datagrams has none.
    pub(crate) fn look(&mut self, now_us: u64, tally: &mut Tally) {
        if let Carrier::Open(since_us) = self.carrier
            && now_us.saturating_sub(since_us) >= DATAGRAM_PATIENCE_US
        {
            self.fall_back(tally);
        }
    }

    fn fall_back(&mut self, tally: &mut Tally) {
        self.carrier = Carrier::Stream;
        tally.udp_fallbacks += 1;
    }
}

/// The swarm's players in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) players: u32,
    /// How long none of them has had a new own state.
    pub(crate) silent_us: u64,
}

/// Adds players of a region to others of it.
pub(crate) fn add(regions: &mut BTreeMap<u32, Presence>, region: u32, more: Presence) {
    let all = regions.entry(region).or_insert(Presence {
        players: 0,
        silent_us: u64::MAX,
    });
    all.players += more.players;
    all.silent_us = all.silent_us.min(more.silent_us);
}

/// A region from which nothing came to anybody who stood in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SilentRegion {
    pub(crate) region: u32,
    /// Who serves it, where that is known.
    pub(crate) server: Option<String>,
    /// At most at once.
    pub(crate) seconds: f64,
    pub(crate) players: u32,
}

/// Looks at all regions, second by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silences {
    longest: BTreeMap<u32, Presence>,
}

impl Silences {
    pub(crate) fn look(&mut self, regions: &BTreeMap<u32, Presence>) {
        for (region, now) in regions {
            if now.silent_us >= STALL_US {
                let longest = self.longest.entry(*region).or_insert(*now);
                longest.silent_us = longest.silent_us.max(now.silent_us);
                longest.players = longest.players.max(now.players);
            }
        }
    }

    /// The regions that were silent for a second or more.
    pub(crate) fn finish(&self, servers: &Servers) -> Vec<SilentRegion> {
        let silent = self.longest.iter().map(|(region, longest)| SilentRegion {
            region: *region,
            server: servers.get(region).cloned(),
            seconds: (longest.silent_us as f64 / 1e5).round() / 10.0,
            players: longest.players,
        });
        silent.collect()
    }
}

#[cfg(test)]
impl Silences {
    /// One region that was silent.
    pub(crate) fn example() -> Vec<SilentRegion> {
        let mut silences = Self::default();
        let silent = Presence {
            players: 1,
            silent_us: STALL_US,
        };
        silences.look(&BTreeMap::from([(1, silent)]));
        silences.finish(&Servers::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn pulse() -> (Pulse, Tally) {
        (Pulse::new(3, UserId(17), true, 0), Tally::default())
    }

    #[test]
    fn a_break_of_a_second_is_found_and_a_shorter_one_is_not() {
        let (mut pulse, mut tally) = pulse();
        for at_us in [5 * S, 5 * S + 999_999, 7 * S - 1] {
            pulse.own_state(2, at_us, &mut tally);
        }
        assert_eq!((tally.stalls, tally.own_gap_us.len()), (1, 2));
        assert_eq!(
            tally.incidents,
            ["bot-3 (user 17) had no new own state for 1.0 s, in region 2"]
        );
    }

    #[test]
    fn a_break_that_has_not_ended_counts_and_one_from_before_does_not() {
        let (mut pulse, mut tally) = pulse();
        pulse.own_state(2, S, &mut tally);
        pulse.begin_measuring(60 * S);
        assert_eq!(pulse.silent_us(61 * S), S);
        pulse.end_measuring(60 * S + S / 2, &mut tally);
        assert_eq!((tally.stalls, tally.own_gap_us.len()), (0, 0));
        pulse.end_measuring(105 * S, &mut tally);
        assert_eq!((tally.stalls, tally.own_gap_us.ms(1.0) as u64 / 100), (1, 450));
    }

    #[test]
    fn what_the_generator_slept_through_is_no_break() {
        let (mut pulse, mut tally) = pulse();
        pulse.own_state(2, S, &mut tally);
        pulse.excuse(9 * S);
        // It had come meanwhile, and is read only now.
        assert_eq!(pulse.own_state(2, 2 * S, &mut tally), None);
        assert_eq!(pulse.own_state(2, 9 * S + 50_000, &mut tally), Some(50_000));
        assert_eq!(tally.stalls, 0);
    }

    #[test]
    fn who_comes_back_as_somebody_else_was_away_all_the_time() {
        let (mut before, mut tally) = pulse();
        before.own_state(2, S, &mut tally);
        let mut after = Pulse::new(3, UserId(18), true, 20 * S);
        after.go_on_from(&before);
        after.own_state(4, 21 * S, &mut tally);
        assert_eq!(tally.stalls, 1);
        assert!(tally.incidents[0].ends_with("for 20.0 s, in region 2"));
    }

    #[test]
    fn a_body_is_lost_when_its_owner_makes_it_anew_and_not_by_crossing() {
        let (mut pulse, mut tally) = pulse();
        // In, across and back, the same again after a resume, taken back from a crossing.
        let node = NodeNumber(1);
        for (region, epoch) in [(1, 1), (2, 2), (1, 3), (1, 3), (1, 5)] {
            pulse.playing(region, node, OwnerEpoch(epoch), &mut tally);
        }
        assert_eq!(tally.bodies_lost, 0);
        pulse.playing(1, node, OwnerEpoch(6), &mut tally);
        assert_eq!((tally.bodies_lost, tally.incidents.len()), (1, 1));
    }

    #[test]
    fn a_gap_is_a_takeovers_when_the_region_went_to_another_server_whichever_word_of_it_comes_first() {
        let (mut pulse, mut tally) = pulse();
        let playing = |pulse: &mut Pulse, tally: &mut Tally, region, node, epoch| {
            pulse.playing(region, NodeNumber(node), OwnerEpoch(epoch), tally);
        };
        playing(&mut pulse, &mut tally, 1, 1, 1);
        playing(&mut pulse, &mut tally, 2, 2, 2);
        pulse.owner_changed(OwnerEpoch(2), 60_000, &mut tally);
        assert_eq!(tally.takeover_gap_us.len(), 0, "a crossing");
        playing(&mut pulse, &mut tally, 2, 5, 4);
        pulse.owner_changed(OwnerEpoch(4), 700_000, &mut tally);
        pulse.owner_changed(OwnerEpoch(5), 900_000, &mut tally);
        playing(&mut pulse, &mut tally, 2, 5, 5);
        assert_eq!(tally.takeover_gap_us.len(), 2);
        assert_eq!(
            (
                tally.takeover_gap_us.ms(0.0).round(),
                tally.takeover_gap_us.ms(1.0).round()
            ),
            (700.0, 900.0)
        );
        playing(&mut pulse, &mut tally, 2, 5, 7);
        pulse.owner_changed(OwnerEpoch(7), 50_000, &mut tally);
        assert_eq!(tally.takeover_gap_us.len(), 2, "taken back from a crossing");
    }

    #[test]
    fn a_gap_over_which_another_connection_carries_on_is_a_resumes_and_no_other_is() {
        let (mut pulse, mut tally) = pulse();
        pulse.own_state(1, S, &mut tally);
        pulse.own_state(1, S + 50_000, &mut tally);
        assert_eq!(tally.resume_gap_us.len(), 0);
        pulse.resumed(S + 300_000);
        pulse.own_state(1, S + 450_000, &mut tally);
        pulse.own_state(1, S + 500_000, &mut tally);
        assert_eq!(
            (tally.resume_gap_us.len(), tally.resume_gap_us.ms(1.0).round()),
            (1, 400.0)
        );
    }

    #[test]
    fn who_never_gets_datagrams_has_fallen_back_too() {
        let (mut lucky, mut tally) = pulse();
        for (now, fallbacks) in [(Transport::Tcp, 0), (Transport::Udp, 0), (Transport::Tcp, 1)] {
            lucky.transport(now, &mut tally);
            assert_eq!(tally.udp_fallbacks, fallbacks);
        }
        let (mut unlucky, mut tally) = pulse();
        unlucky.transport(Transport::Tcp, &mut tally);
        unlucky.look(2 * S, &mut tally);
        assert_eq!(tally.udp_fallbacks, 0, "it may still find a way");
        unlucky.look(3 * S, &mut tally);
        unlucky.look(4 * S, &mut tally);
        assert_eq!(tally.udp_fallbacks, 1);
        tally.clear();
        unlucky.begin_measuring(60 * S);
        unlucky.end_measuring(61 * S, &mut tally);
        assert_eq!(tally.udp_fallbacks, 1, "a new measurement finds it again");
        unlucky.resumed(62 * S);
        unlucky.transport(Transport::Udp, &mut tally);
        unlucky.look(70 * S, &mut tally);
        assert_eq!(tally.udp_fallbacks, 1);
        let mut tcp = Pulse::new(1, UserId(1), false, 0);
        tcp.transport(Transport::Tcp, &mut tally);
        tcp.resumed(S);
        tcp.look(9 * S, &mut tally);
        assert_eq!(tally.udp_fallbacks, 1, "the stream is what it asked for");
    }

    #[test]
    fn a_region_is_silent_when_nobody_in_it_hears_anything() {
        let mut silences = Silences::default();
        let (mut first, mut tally) = pulse();
        first.own_state(2, S, &mut tally);
        let (mut second, _) = pulse();
        second.own_state(2, 3 * S, &mut tally);
        let (nobody, _) = pulse();
        for now_us in [3 * S + 999_999, 4 * S, 9 * S / 2] {
            let mut regions = BTreeMap::new();
            for pulse in [&first, &second, &nobody] {
                pulse.count(now_us, &mut regions);
            }
            assert_eq!(regions.len(), 1);
            silences.look(&regions);
        }
        let servers = Servers::from([(2, "gs-b".to_owned())]);
        let found = silences.finish(&servers);
        assert_eq!(
            found,
            [SilentRegion {
                region: 2,
                server: Some("gs-b".to_owned()),
                seconds: 1.5,
                players: 2,
            }]
        );
    }
}
