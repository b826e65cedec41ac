//! Whether a newcomer is better off at another proxy. Figures of others are a second old, so those whom this proxy has sent
//! to one just now count as its players: no herd follows an old figure. Pure.

use std::collections::VecDeque;

use protocol::ids::NodeNumber;

/// Fewer players than this are no reason to go anywhere.
const PLAYERS_MIN: u64 = 8;
/// After this a figure that others tell has those in it who were sent there, milliseconds.
const RECENT_MS: u64 = 1_500;
/// Sendings are remembered in slots of this length, milliseconds.
const SLOT_MS: u64 = 100;

/// How full a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) players: u64,
    pub(super) players_max: u64,
}

/// One proxy's judgement.
#[derive(Debug)]
pub(super) struct Balance {
    /// How much emptier another one is to be, percent; 0: nobody is sent anywhere.
    percent: u64,
    /// Whom it has sent where, by slot, oldest first.
    recent: VecDeque<(u64, NodeNumber, u64)>,
}

impl Balance {
    /// That sends newcomers to a proxy which is so much emptier, percent.
    pub(super) fn new(percent: u32) -> Self {
        Self {
            percent: percent.into(),
            recent: VecDeque::new(),
        }
    }

    /// Where a newcomer is to go, if it is better off elsewhere: whoever is told of counts as gone there.
    pub(super) fn send_on(
        &mut self,
        own: Fill,
        others: impl IntoIterator<Item = (NodeNumber, Fill)>,
        now_ms: u64,
    ) -> Option<NodeNumber> {
        let oldest = (now_ms / SLOT_MS).saturating_sub(RECENT_MS / SLOT_MS);
        self.recent.retain(|(slot, _, _)| *slot >= oldest);
        let margin = PLAYERS_MIN.max(own.players * self.percent / 100);
        let rival = |(number, fill): (NodeNumber, Fill)| {
            let players = fill.players + self.sent_to(number);
            let has_room = players < fill.players_max;
            // As many as it would have if it had our room.
            let alike = players.saturating_mul(own.players_max) / fill.players_max.max(1);
            (has_room && own.players > alike + margin).then_some((alike, number))
        };
        let (_, best) = others.into_iter().filter_map(rival).min()?;
        if self.percent == 0 {
            return None;
        }
        self.note(best, now_ms / SLOT_MS);
        Some(best)
    }

    fn sent_to(&self, number: NodeNumber) -> u64 {
        let sent = self.recent.iter().filter(|(_, to, _)| *to == number);
        sent.map(|(_, _, times)| times).sum()
    }

    fn note(&mut self, number: NodeNumber, slot: u64) {
        match self
            .recent
            .iter_mut()
            .find(|(at, to, _)| (*at, *to) == (slot, number))
        {
            Some((_, _, times)) => *times += 1,
            None => self.recent.push_back((slot, number, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: NodeNumber = NodeNumber(102);
    const C: NodeNumber = NodeNumber(103);

    fn of(players: u64) -> Fill {
        Fill {
            players,
            players_max: 1_000,
        }
    }

    fn sent(
        balance: &mut Balance,
        own: u64,
        others: &[(NodeNumber, u64)],
        now_ms: u64,
    ) -> Option<NodeNumber> {
        let others = others.iter().map(|(number, players)| (*number, of(*players)));
        balance.send_on(of(own), others, now_ms)
    }

    #[test]
    fn a_newcomer_goes_where_there_are_markedly_fewer_and_to_the_emptiest_of_those() {
        let fresh = |own, others: &[_]| sent(&mut Balance::new(10), own, others, 0);
        assert_eq!(fresh(8, &[(B, 0)]), None, "a handful");
        assert_eq!(fresh(9, &[(B, 0)]), Some(B));
        assert_eq!(fresh(200, &[(B, 180)]), None, "a tenth");
        assert_eq!(fresh(200, &[(B, 179)]), Some(B));
        assert_eq!(fresh(200, &[(B, 100), (C, 40)]), Some(C));
        assert_eq!(fresh(200, &[]), None);
        assert_eq!(sent(&mut Balance::new(0), 200, &[(B, 0)], 0), None, "off");
    }

    #[test]
    fn room_counts_not_heads_alone_and_one_that_is_full_gets_nobody() {
        let other = |players, players_max| {
            let fill = Fill { players, players_max };
            Balance::new(10).send_on(of(200), [(B, fill)], 0)
        };
        assert_eq!(other(100, 500), None, "as full as this one");
        assert_eq!(other(80, 500), Some(B));
        assert_eq!(other(0, 0), None);
        let full = Fill {
            players: 500,
            players_max: 500,
        };
        assert_eq!(Balance::new(10).send_on(of(900), [(B, full)], 0), None);
    }

    #[test]
    fn an_old_figure_is_followed_by_no_herd() {
        let mut balance = Balance::new(10);
        // It tells the same all the time, and nobody of those who come stays here.
        let herd = (0..1_000).filter(|_| sent(&mut balance, 100, &[(B, 0)], 50).is_some());
        assert_eq!(herd.count(), 90);
        // They are in the figure by now, and then some have left.
        assert_eq!(sent(&mut balance, 100, &[(B, 90)], 2_200), None);
        assert_eq!(sent(&mut balance, 100, &[(B, 80)], 2_200), Some(B));
        assert_eq!(balance.recent.len(), 1, "what is long ago is forgotten");
    }

    /// Two proxies, whose figures travel for a second and a half; newcomers all know the first one, and are in a tenth later.
    #[test]
    fn newcomers_who_all_know_one_proxy_are_spread_over_both() {
        let (mut balance, mut players) = (Balance::new(10), [0_u64, 0]);
        let (mut told, mut on_the_way) = (VecDeque::from([0; 15]), VecDeque::from([0; 1]));
        for tenth in 0..100 {
            for _ in 0..20 {
                match sent(&mut balance, players[0], &[(B, told[0])], tenth * 100) {
                    Some(_) => *on_the_way.back_mut().unwrap() += 1,
                    None => players[0] += 1,
                }
            }
            on_the_way.push_back(0);
            players[1] += on_the_way.pop_front().unwrap();
            told.push_back(players[1]);
            told.pop_front();
        }
        assert_eq!(players[0] + players[1] + on_the_way[0], 2_000);
        assert!((900..=1_100).contains(&players[0]), "{players:?}");
    }
}
