//! What a bot ordered, in which order: compared with the hash chain over what was applied, it shows every command that
//! was lost, doubled or swapped.

use std::collections::VecDeque;

use bytes::Bytes;
use client::CommandClass;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Commands kept for the search after a mistake; of older ones only the hash is kept.
const KEPT_MAX: usize = 512;
/// Links of the chain that a search may compute for one bot.
const SEARCH_LINKS_MAX: u32 = 2_000_000;
/// Mistakes that a search assumes at most.
const MISTAKES_MAX: u32 = 3;

/// A hash over commands in order.
pub(crate) type ChainHash = [u8; 32];

/// `h ← SHA256(h ‖ number u64 LE ‖ bytes)`.
fn link(hash: &ChainHash, number: u64, body: &[u8]) -> ChainHash {
    Sha256::new()
        .chain_update(hash)
        .chain_update(number.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

#[derive(Clone, Debug)]
struct Issued {
    number: u64,
    class: CommandClass,
    body: Bytes,
}

/// What became of the commands of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fate {
    /// Handed to the client.
    pub(crate) sent: u64,
    /// In the chain.
    pub(crate) applied: u64,
    /// Acknowledged, and not in the chain.
    pub(crate) lost: u64,
    /// Twice in the chain.
    pub(crate) duplicated: u64,
    /// In the chain after one that was issued later.
    pub(crate) reordered: u64,
}

/// What became of a bot's commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    pub(crate) durable: Fate,
    pub(crate) soft: Fate,
    /// Bots whose chain no handful of mistakes explains.
    pub(crate) unexplained: u64,
}

impl Audit {
    fn of(&mut self, class: CommandClass) -> &mut Fate {
        match class {
            CommandClass::Durable => &mut self.durable,
            CommandClass::Soft => &mut self.soft,
        }
    }

    /// Adds another bot's.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, others) in [(&mut self.durable, other.durable), (&mut self.soft, other.soft)] {
            mine.sent += others.sent;
            mine.applied += others.applied;
            mine.lost += others.lost;
            mine.duplicated += others.duplicated;
            mine.reordered += others.reordered;
        }
        self.unexplained += other.unexplained;
    }
}

/// What the store's row says was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) last_command: u64,
    pub(crate) chain_hash: ChainHash,
}

/// All commands of one bot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    kept: VecDeque<Issued>,
    /// Number and hash of the newest command that is no longer kept.
    before: (u64, ChainHash),
    acked: u64,
    sent: [u64; 2],
}

impl Ledger {
    /// A command was handed to the client.
    pub(crate) fn issue(&mut self, number: u64, class: CommandClass, body: Bytes) {
        self.sent[usize::from(class == CommandClass::Durable)] += 1;
        self.kept.push_back(Issued { number, class, body });
        if self.kept.len() > KEPT_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.before = (oldest.number, link(&self.before.1, oldest.number, &oldest.body));
        }
    }

    /// Everything up to this number is confirmed.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        self.acked = self.acked.max(number);
    }

    /// Commands that await confirmation.
    pub(crate) fn open(&self) -> u64 {
        let newest = self.kept.back().map_or(self.before.0, |issued| issued.number);
        newest.saturating_sub(self.acked)
    }

    /// Compares with the store's row.
    pub(crate) fn audit(&self, row: Option<Applied>) -> Audit {
        let mut audit = Audit::default();
        (audit.soft.sent, audit.durable.sent) = (self.sent[0], self.sent[1]);
        let row = row.unwrap_or(Applied {
            last_command: 0,
            chain_hash: [0; 32],
        });
        let newest = self.kept.back().map_or(self.before.0, |issued| issued.number);
        if row.last_command > newest || row.last_command < self.before.0 {
            audit.unexplained = 1;
            return audit;
        }
        let chained = self
            .kept
            .iter()
            .take_while(|issued| issued.number <= row.last_command);
        let chained: Vec<&Issued> = chained.collect();
        let Some(mistakes) = Search::new(&chained, row.chain_hash).explain(self.before.1) else {
            audit.unexplained = 1;
            return audit;
        };
        (audit.soft.applied, audit.durable.applied) = (audit.soft.sent, audit.durable.sent);
        for issued in self.kept.iter().skip(chained.len()) {
            let fate = audit.of(issued.class);
            fate.applied -= 1;
            fate.lost += u64::from(issued.number <= self.acked);
        }
        for mistake in mistakes {
            match mistake {
                Mistake::Omitted(at) => {
                    let fate = audit.of(chained[at].class);
                    fate.lost += 1;
                    fate.applied -= 1;
                }
                Mistake::Doubled(at) => audit.of(chained[at].class).duplicated += 1,
                Mistake::Swapped(at) => audit.of(chained[at].class).reordered += 1,
            }
        }
        audit
    }
}

/// By index among the commands in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Omitted(usize),
    Doubled(usize),
    /// With the one after it.
    Swapped(usize),
}

/// Looks for the fewest mistakes that lead to a hash.
struct Search<'a> {
    issued: &'a [&'a Issued],
    wanted: ChainHash,
    links_left: u32,
    mistakes: Vec<Mistake>,
}

impl<'a> Search<'a> {
    fn new(issued: &'a [&'a Issued], wanted: ChainHash) -> Self {
        Self {
            issued,
            wanted,
            links_left: SEARCH_LINKS_MAX,
            mistakes: Vec::new(),
        }
    }

    fn explain(mut self, from: ChainHash) -> Option<Vec<Mistake>> {
        let found = (0..=MISTAKES_MAX).any(|mistakes| self.walk(0, from, mistakes));
        found.then_some(self.mistakes)
    }

    fn link(&mut self, hash: &ChainHash, at: usize) -> ChainHash {
        self.links_left = self.links_left.saturating_sub(1);
        link(hash, self.issued[at].number, &self.issued[at].body)
    }

    /// Whether exactly `left` mistakes from `at` on lead to the hash that is wanted.
    fn walk(&mut self, at: usize, mut hash: ChainHash, left: u32) -> bool {
        for next in at..self.issued.len() {
            if self.links_left == 0 {
                return false;
            }
            if left > 0 && self.try_mistakes(next, &hash, left - 1) {
                return true;
            }
            hash = self.link(&hash, next);
        }
        left == 0 && hash == self.wanted
    }

    fn try_mistakes(&mut self, at: usize, hash: &ChainHash, left: u32) -> bool {
        let depth = self.mistakes.len();
        // A crash loses all soft commands since the last save: a run of them counts as one mistake.
        let soft = self.issued[at..]
            .iter()
            .take_while(|issued| issued.class == CommandClass::Soft);
        for run in 1..=soft.count().max(1) {
            self.mistakes.extend((at..at + run).map(Mistake::Omitted));
            if self.walk(at + run, *hash, left) {
                return true;
            }
            self.mistakes.truncate(depth);
        }
        let once = self.link(hash, at);
        let twice = self.link(&once, at);
        self.mistakes.push(Mistake::Doubled(at));
        if self.walk(at + 1, twice, left) {
            return true;
        }
        self.mistakes.truncate(depth);
        if at + 1 < self.issued.len() {
            let second = self.link(hash, at + 1);
            let both = self.link(&second, at);
            self.mistakes.push(Mistake::Swapped(at));
            if self.walk(at + 2, both, left) {
                return true;
            }
            self.mistakes.truncate(depth);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(number: u64) -> CommandClass {
        if number.is_multiple_of(2) {
            CommandClass::Durable
        } else {
            CommandClass::Soft
        }
    }

    fn body(number: u64) -> Bytes {
        Bytes::from(vec![number as u8; 3])
    }

    fn ledger(commands: u64) -> Ledger {
        let mut ledger = Ledger::default();
        for number in 1..=commands {
            ledger.issue(number, class_of(number), body(number));
        }
        ledger.acknowledge(commands);
        ledger
    }

    fn row(applied: &[u64], last_command: u64) -> Option<Applied> {
        let chain = |hash: ChainHash, number: &u64| link(&hash, *number, &body(*number));
        Some(Applied {
            last_command,
            chain_hash: applied.iter().fold([0; 32], chain),
        })
    }

    /// Lost, duplicated, reordered of both classes: durable first.
    fn faults(audit: Audit) -> [u64; 7] {
        let (durable, soft) = (audit.durable, audit.soft);
        [
            durable.lost,
            durable.duplicated,
            durable.reordered,
            soft.lost,
            soft.duplicated,
            soft.reordered,
            audit.unexplained,
        ]
    }

    #[test]
    fn what_was_applied_once_and_in_order_is_right() {
        let audit = ledger(6).audit(row(&[1, 2, 3, 4, 5, 6], 6));
        assert_eq!(faults(audit), [0; 7]);
        assert_eq!((audit.durable.applied, audit.soft.applied), (3, 3));
    }

    #[test]
    fn each_mistake_is_named_and_counted_in_its_class() {
        for (applied, expected) in [
            (&[1, 3, 4, 5, 6][..], [1, 0, 0, 0, 0, 0, 0]),
            (&[1, 2, 4, 5, 6], [0, 0, 0, 1, 0, 0, 0]),
            (&[1, 2, 2, 3, 4, 5, 6], [0, 1, 0, 0, 0, 0, 0]),
            (&[1, 2, 3, 3, 4, 5, 6], [0, 0, 0, 0, 1, 0, 0]),
            (&[1, 3, 2, 4, 5, 6], [0, 0, 1, 0, 0, 0, 0]),
            (&[2, 1, 3, 4, 5, 6], [0, 0, 0, 0, 0, 1, 0]),
            (&[1, 3, 4, 4, 5, 6], [1, 1, 0, 0, 0, 0, 0]),
            (&[2, 1, 4, 3, 6, 5], [0, 0, 0, 0, 0, 3, 0]),
        ] {
            assert_eq!(faults(ledger(6).audit(row(applied, 6))), expected, "{applied:?}");
        }
    }

    #[test]
    fn what_was_confirmed_and_is_not_in_the_row_is_lost() {
        let audit = ledger(6).audit(row(&[1, 2, 3, 4], 4));
        assert_eq!(faults(audit), [1, 0, 0, 1, 0, 0, 0]);
        assert_eq!((audit.durable.applied, audit.soft.applied), (2, 2));
        assert_eq!(faults(ledger(4).audit(None)), [2, 0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn what_was_not_confirmed_may_be_missing() {
        let mut ledger = ledger(4);
        ledger.issue(5, CommandClass::Soft, body(5));
        assert_eq!(faults(ledger.audit(row(&[1, 2, 3, 4], 4))), [0; 7]);
    }

    #[test]
    fn a_crash_may_lose_a_run_of_soft_commands() {
        let mut ledger = Ledger::default();
        for number in 1..=9 {
            let class = if number == 1 {
                CommandClass::Durable
            } else {
                CommandClass::Soft
            };
            ledger.issue(number, class, body(number));
        }
        ledger.acknowledge(9);
        assert_eq!(faults(ledger.audit(row(&[1, 2, 8, 9], 9))), [0, 0, 0, 5, 0, 0, 0]);
    }

    #[test]
    fn nonsense_is_not_explained_away() {
        let foreign = Some(Applied {
            last_command: 6,
            chain_hash: [9; 32],
        });
        assert_eq!(ledger(6).audit(foreign).unexplained, 1);
        assert_eq!(ledger(6).audit(row(&[1, 2, 3, 4, 5, 6, 7], 7)).unexplained, 1);
    }

    #[test]
    fn a_long_game_keeps_only_the_newest_commands() {
        let commands = KEPT_MAX as u64 + 100;
        let ledger = ledger(commands);
        assert_eq!(ledger.kept.len(), KEPT_MAX);
        let all: Vec<u64> = (1..=commands).collect();
        assert_eq!(faults(ledger.audit(row(&all, commands))), [0; 7]);
        let mut swapped = all;
        swapped.swap(commands as usize - 2, commands as usize - 1);
        let audit = ledger.audit(row(&swapped, commands));
        assert_eq!(audit.durable.reordered + audit.soft.reordered, 1);
    }
}
