//! What a bot holds, as confirmed to it, and what it has offered: compared with the store's rows in the end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::CommandNumber;

use super::{HoldingNews, Offer};

/// Holdings as confirmed by events.
#[derive(Clone, Debug, Default)]
pub struct Purse {
    held: BTreeSet<u64>,
    offered: BTreeMap<CommandNumber, Offer>,
    /// Gives that were confirmed.
    pub gives: u32,
    /// Those of them across a border, since the measurement began.
    pub gives_across: u32,
    /// Holdings that were collected.
    pub collected: u32,
    /// Holdings that somebody gave.
    pub received: u32,
    /// Commands that changed nothing.
    pub refused: u32,
    /// Events that cannot be: a holding that came twice, or went without having been there.
    pub contradictions: u32,
}

impl Purse {
    /// Gives across borders count from now on.
    pub fn begin_measuring(&mut self) {
        self.gives_across = 0;
    }

    /// What the bot holds as far as it was told.
    #[must_use]
    pub fn held(&self) -> &BTreeSet<u64> {
        &self.held
    }

    /// A holding that is not on its way to somebody.
    #[must_use]
    pub fn spare(&self) -> Option<u64> {
        let offered = |holding: &u64| self.offered.values().any(|offer| offer.holding == *holding);
        self.held.iter().copied().find(|holding| !offered(holding))
    }

    /// Notes what an event says. Returns whether something was given across a border.
    pub fn handle(&mut self, news: HoldingNews) -> bool {
        match news {
            HoldingNews::Collected(holding) => {
                self.collected += 1;
                self.gain(holding);
            }
            HoldingNews::Received(holding) => {
                self.received += 1;
                self.gain(holding);
            }
            HoldingNews::Given(holding) => {
                self.gives += 1;
                let across = self.part_with(holding).is_some_and(|offer| offer.across);
                self.gives_across += u32::from(across);
                return across;
            }
            HoldingNews::Gone(holding) => {
                self.part_with(holding);
            }
            HoldingNews::Refused(command) => {
                self.refused += 1;
                self.offered.remove(&command);
            }
        }
        false
    }

    /// Notes what was offered, and by which command.
    pub fn offer(&mut self, command: CommandNumber, offer: Offer) {
        self.offered.insert(command, offer);
    }

    fn gain(&mut self, holding: u64) {
        self.contradictions += u32::from(!self.held.insert(holding));
    }

    fn part_with(&mut self, holding: u64) -> Option<Offer> {
        self.contradictions += u32::from(!self.held.remove(&holding));
        let mut offers = self.offered.iter();
        let number = offers.find(|(_, offer)| offer.holding == holding);
        let number = number.map(|(number, _)| *number)?;
        self.offered.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holding_that_comes_twice_or_goes_without_having_been_there_is_a_contradiction() {
        let mut purse = Purse::default();
        purse.handle(HoldingNews::Collected(7));
        purse.handle(HoldingNews::Received(7));
        assert_eq!(purse.contradictions, 1);
        purse.handle(HoldingNews::Given(8));
        assert_eq!(purse.contradictions, 2);
        purse.handle(HoldingNews::Gone(7));
        assert!(purse.held().is_empty());
        purse.handle(HoldingNews::Gone(7));
        assert_eq!(purse.contradictions, 3);
    }

    #[test]
    fn what_is_offered_is_not_spare_until_it_was_refused() {
        let mut purse = Purse::default();
        purse.handle(HoldingNews::Collected(7));
        let offer = Offer {
            holding: 7,
            across: true,
        };
        purse.offer(CommandNumber(5), offer);
        assert_eq!(purse.spare(), None);
        purse.handle(HoldingNews::Refused(CommandNumber(5)));
        assert_eq!(purse.spare(), Some(7));
        purse.offer(CommandNumber(6), offer);
        assert!(purse.handle(HoldingNews::Given(7)));
        assert_eq!(
            (purse.gives_across, purse.held().len(), purse.contradictions),
            (1, 0, 0)
        );
    }
}
