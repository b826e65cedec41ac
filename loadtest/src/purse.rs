//! What a bot holds, as confirmed to it, and what it has offered: compared with the store's rows in the end.

use gems::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Gems as confirmed by events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purse {
    held: BTreeSet<u64>,
    offered: BTreeMap<u64, Offer>,
    /// Gives that were confirmed.
    pub(crate) gives: u32,
    /// Those of them across a border, while measured.
    pub(crate) gives_across: u32,
    pub(crate) collected: u32,
    pub(crate) received: u32,
    pub(crate) refused: u32,
    /// Events that cannot be: a gem that came twice, or went without having been there.
    pub(crate) contradictions: u32,
}

/// A gem on its way to somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) gem: u64,
    pub(crate) across: bool,
}

impl Purse {
    /// Gives across borders count from now on.
    pub(crate) fn begin_measuring(&mut self) {
        self.gives_across = 0;
    }

    /// What the bot holds as far as it was told.
    pub(crate) fn held(&self) -> &BTreeSet<u64> {
        &self.held
    }

    /// A gem that is not on its way to somebody.
    pub(crate) fn spare(&self) -> Option<u64> {
        let offered = |gem: &u64| self.offered.values().any(|offer| offer.gem == *gem);
        self.held.iter().copied().find(|gem| !offered(gem))
    }

    /// Notes what the event says. Returns whether something was given across a border.
    pub(crate) fn handle(&mut self, event: &Event) -> bool {
        match event {
            Event::Collected { gem } => {
                self.collected += 1;
                self.gain(*gem);
            }
            Event::Received { gem } => {
                self.received += 1;
                self.gain(*gem);
            }
            Event::Given { gem, .. } => {
                self.gives += 1;
                self.contradictions += u32::from(!self.held.remove(gem));
                let number = self.offered.iter().find(|(_, offer)| offer.gem == *gem);
                let number = number.map(|(number, _)| *number);
                let offer = number.and_then(|number| self.offered.remove(&number));
                let across = offer.is_some_and(|offer| offer.across);
                self.gives_across += u32::from(across);
                return across;
            }
            Event::Refused { command, .. } => {
                self.refused += 1;
                self.offered.remove(command);
            }
            Event::Said { .. } | Event::Emoted { .. } => {}
        }
        false
    }

    /// Notes what was offered, and by which command.
    pub(crate) fn offer(&mut self, number: u64, offer: Offer) {
        self.offered.insert(number, offer);
    }

    fn gain(&mut self, gem: u64) {
        self.contradictions += u32::from(!self.held.insert(gem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::UserId;

    #[test]
    fn a_gem_that_comes_twice_is_a_contradiction() {
        let mut purse = Purse::default();
        purse.handle(&Event::Collected { gem: 7 });
        purse.handle(&Event::Received { gem: 7 });
        assert_eq!(purse.contradictions, 1);
        purse.handle(&Event::Given {
            gem: 8,
            to: UserId(1),
        });
        assert_eq!(purse.contradictions, 2);
    }
}
