//! When the count may be believed: everything of the swarm has come to rest, and what still looks wrong stays so from
//! look to look, as what others have under way does not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::ids::UserId;

use crate::bot::Record;
use crate::census::{Census, Whereabouts};
use crate::ledger::Applied;
use crate::oracle::{self, Wrong};

/// Looks that must agree when nothing is under way in the whole world …
const LOOKS_MIN: usize = 2;
/// … and when others play: what they do takes less time than these looks together.
const LOOKS_MAX: usize = 4;
/// Players and regions that a word about waiting names.
const NAMED_MAX: usize = 5;

/// What is known after a look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// Nothing yet: why.
    Wait(String),
    /// Everything has come to rest, and this is wrong.
    Done(BTreeSet<Wrong>),
}

/// Everything of the swarm that has to come to rest.
#[derive(Clone, Debug, PartialEq)]
struct Own {
    chains: BTreeMap<UserId, Applied>,
    players: BTreeMap<UserId, Vec<Whereabouts>>,
    holdings: BTreeSet<(u64, u64)>,
}

impl Own {
    fn of(census: &Census) -> Self {
        let ours = |user: &u64| census.players.contains_key(&UserId(*user));
        let held = census
            .holdings
            .iter()
            .filter_map(|holding| Some((holding.user.filter(ours)?, holding.id)));
        Self {
            chains: census.chains.clone(),
            players: census.players.clone(),
            holdings: held.collect(),
        }
    }
}

/// Looks at the world, one after the other.
pub(crate) struct Count<'a> {
    before: &'a Census,
    last: Option<Census>,
    looks: VecDeque<BTreeSet<Wrong>>,
}

impl<'a> Count<'a> {
    /// `before`: the count before the first bot came.
    pub(crate) fn new(before: &'a Census) -> Self {
        Self {
            before,
            last: None,
            looks: VecDeque::new(),
        }
    }

    /// Takes a look, about a second after the one before.
    pub(crate) fn look(&mut self, records: &[Record], census: &Census) -> Progress {
        if let Some(why) = unrest(records, census) {
            self.last = None;
            self.looks.clear();
            return Progress::Wait(why);
        }
        let last = self.last.replace(census.clone());
        let is_same = last.as_ref().is_some_and(|last| Own::of(last) == Own::of(census));
        if !is_same {
            self.looks.clear();
        }
        self.looks.push_back(oracle::look(records, self.before, census));
        if self.looks.len() > LOOKS_MAX {
            self.looks.pop_front();
        }
        if self.looks.len() < LOOKS_MIN {
            return Progress::Wait("once more, to see that nothing changes".to_owned());
        }
        let standing = self.standing();
        let is_calm = census.is_quiet() && last.as_ref() == Some(census);
        if standing.is_empty() || is_calm || self.looks.len() == LOOKS_MAX {
            return Progress::Done(standing);
        }
        Progress::Wait(format!(
            "{} things look wrong, and others play: once more",
            standing.len()
        ))
    }

    /// What all looks have found.
    fn standing(&self) -> BTreeSet<Wrong> {
        let mut looks = self.looks.iter();
        let first = looks.next().cloned().unwrap_or_default();
        looks.fold(first, |standing, look| {
            standing.intersection(look).cloned().collect()
        })
    }
}

/// What of the swarm is still under way; and regions that do not know yet what lies in them.
fn unrest(records: &[Record], census: &Census) -> Option<String> {
    let busy = records
        .iter()
        .filter(|record| !record.is_quiet)
        .map(|record| record.user.0);
    let unsettled = census
        .players
        .iter()
        .filter(|(_, places)| places.iter().any(|place| !place.is_settled))
        .map(|(user, _)| user.0);
    let unread = census.regions.iter().filter(|region| !region.holdings_known);
    let unread = unread.map(|region| u64::from(region.region));
    let words = [
        told("bots that await something: users", busy),
        told("players that are not settled: users", unsettled),
        told("regions that have not read what lies in them:", unread),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn told(what: &str, numbers: impl Iterator<Item = u64>) -> Option<String> {
    let numbers: Vec<u64> = numbers.collect();
    let named: Vec<String> = numbers.iter().take(NAMED_MAX).map(u64::to_string).collect();
    let more = if numbers.len() > NAMED_MAX { ", …" } else { "" };
    (!numbers.is_empty()).then(|| format!("{} {what} {}{more}", numbers.len(), named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::{HoldingRow, RegionCount};

    fn record(user: u64) -> Record {
        Record {
            user: UserId(user),
            is_quiet: true,
            ..Record::default()
        }
    }

    /// User 7 in a region where holding 1 lies, as the store says; the region shows `shown`.
    fn census(shown: &[u64], others: u64) -> Census {
        let region = RegionCount {
            region: 1,
            players: 1 + others,
            population: 1 + others + shown.len() as u64,
            spawned: shown.len() as u64,
            holdings: shown.to_vec(),
            holdings_known: true,
            unsaved: others,
            ..RegionCount::default()
        };
        let here = Whereabouts {
            region: 1,
            is_settled: true,
        };
        Census {
            regions: vec![region],
            holdings: vec![HoldingRow {
                id: 1,
                user: None,
                region: Some(1),
            }],
            players: BTreeMap::from([(UserId(7), vec![here])]),
            ..Census::default()
        }
    }

    #[test]
    fn two_looks_at_a_world_at_rest_are_enough() {
        let (before, records) = (census(&[1], 0), [record(7)]);
        let mut count = Count::new(&before);
        assert!(matches!(count.look(&records, &before), Progress::Wait(_)));
        assert_eq!(count.look(&records, &before), Progress::Done(BTreeSet::new()));
        let mut count = Count::new(&before);
        count.look(&records, &census(&[], 0));
        let Progress::Done(wrongs) = count.look(&records, &census(&[], 0)) else {
            panic!("nothing is under way, so it is wrong");
        };
        assert_eq!(wrongs.len(), 1);
    }

    #[test]
    fn what_others_have_under_way_is_not_wrong_and_what_stays_so_is() {
        let (before, records) = (census(&[1], 3), [record(7)]);
        let mut count = Count::new(&before);
        // Somebody is collecting it: the region shows it no more, the store has not heard.
        assert!(matches!(count.look(&records, &census(&[], 3)), Progress::Wait(_)));
        assert_eq!(
            count.look(&records, &census(&[1], 3)),
            Progress::Done(BTreeSet::new())
        );
        let mut count = Count::new(&before);
        let mut said = Vec::new();
        for others in [3, 4, 3, 5] {
            said.push(count.look(&records, &census(&[], others)));
        }
        let done = said.pop().unwrap();
        assert!(
            said.iter().all(|one| matches!(one, Progress::Wait(_))),
            "{said:?}"
        );
        assert!(matches!(done, Progress::Done(wrongs) if wrongs.len() == 1));
    }

    #[test]
    fn the_swarms_own_players_have_to_come_to_rest_first_and_others_need_not() {
        let before = census(&[1], 0);
        let mut count = Count::new(&before);
        let mut busy = record(7);
        busy.is_quiet = false;
        count.look(&[record(7)], &before);
        let Progress::Wait(why) = count.look(&[busy], &before) else {
            panic!("a bot awaits something");
        };
        assert_eq!(why, "1 bots that await something: users 7");
        let mut unsettled = before.clone();
        unsettled.players.get_mut(&UserId(7)).unwrap()[0].is_settled = false;
        for _ in 0..5 {
            assert!(matches!(count.look(&[record(7)], &unsettled), Progress::Wait(_)));
        }
        let mut moved = before.clone();
        moved.players.get_mut(&UserId(7)).unwrap()[0].region = 2;
        count.look(&[record(7)], &before);
        assert!(matches!(count.look(&[record(7)], &moved), Progress::Wait(_)));
        assert!(matches!(count.look(&[record(7)], &moved), Progress::Done(_)));
    }
}
