//! How much each subscriber may be told in a tick: what its link takes, shared by all regions of the process. Where that
//! is not enough for all, the regions take turns being first: whoever got nothing stands in line.

use std::collections::{BTreeMap, VecDeque};

use protocol::ids::RegionNumber;

use crate::region::{CREDIT_BYTES, Subscriber};

/// Who stands in line and has not asked for so many periods sleeps, or is gone.
const LINE_PERIODS_MAX: u64 = 2;
/// A region that finds less than this part of the credit has found nothing to speak of, and stands in line: one in so
/// many.
const CRUMBS: usize = 8;

/// How far a subscriber's link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Plain bytes said since it came up.
    pub(super) bytes: u64,
    /// Whether all of them have left.
    pub(super) is_drained: bool,
}

#[derive(Debug, Default)]
struct Account {
    /// The last period in which the subscriber took anything.
    period: u64,
    /// What had been said to it in all when that began.
    said_before: u64,
    /// Regions that got nothing, and the period in which each asked last.
    line: VecDeque<(RegionNumber, u64)>,
}

impl Account {
    /// What is left of the period's credit. A period begins for a subscriber when all that was said before it has left.
    fn left(&mut self, period: u64, said: Sent, credit: usize) -> usize {
        // A new link counts from nothing.
        if said.bytes < self.said_before || (self.period != period && said.is_drained) {
            (self.period, self.said_before) = (period, said.bytes);
        }
        let used = usize::try_from(said.bytes - self.said_before).unwrap_or(usize::MAX);
        if self.period == period {
            credit.saturating_sub(used)
        } else {
            0
        }
    }

    /// Whether nobody else has waited for longer.
    fn is_first(&mut self, region: RegionNumber, period: u64) -> bool {
        let gone = |(_, asked): &mut (RegionNumber, u64)| *asked + LINE_PERIODS_MAX < period;
        while self.line.pop_front_if(gone).is_some() {}
        self.line.front().is_none_or(|(first, _)| *first == region)
    }

    fn stand_in_line(&mut self, region: RegionNumber, period: u64) {
        match self.line.iter_mut().find(|(number, _)| *number == region) {
            Some((_, asked)) => *asked = period,
            None => self.line.push_back((region, period)),
        }
    }
}

/// The accounts of all subscribers.
#[derive(Debug)]
pub(super) struct Credits {
    /// What each is told in a period at most.
    pub(super) bytes: usize,
    accounts: BTreeMap<Subscriber, Account>,
    in_line: u64,
}

impl Default for Credits {
    fn default() -> Self {
        Self {
            bytes: CREDIT_BYTES,
            accounts: BTreeMap::new(),
            in_line: 0,
        }
    }
}

impl Credits {
    /// What this region may still say to a subscriber in this period.
    pub(super) fn left(
        &mut self,
        subscriber: Subscriber,
        region: RegionNumber,
        period: u64,
        said: Sent,
    ) -> usize {
        let account = self.accounts.entry(subscriber).or_default();
        let is_first = account.is_first(region, period);
        let left = account.left(period, said, self.bytes);
        let left = if is_first {
            left
        } else {
            self.in_line += 1;
            0
        };
        if left == 0 || left < self.bytes / CRUMBS {
            account.stand_in_line(region, period);
        } else {
            account.line.pop_front_if(|(first, _)| *first == region);
        }
        left
    }

    /// How often a region had to let another one go first.
    pub(super) fn in_line(&self) -> u64 {
        self.in_line
    }

    /// The subscriber is gone.
    pub(super) fn forget(&mut self, subscriber: Subscriber) {
        self.accounts.remove(&subscriber);
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::NodeNumber;

    use super::*;

    const PEER: Subscriber = Subscriber::Server(NodeNumber(2));
    const A: RegionNumber = RegionNumber(1);

    fn said(bytes: u64) -> Sent {
        Sent {
            bytes,
            is_drained: true,
        }
    }

    fn waiting(bytes: u64) -> Sent {
        Sent {
            bytes,
            is_drained: false,
        }
    }

    #[test]
    fn a_period_has_its_credit_and_what_was_said_in_it_is_taken_off() {
        let mut credits = Credits::default();
        assert_eq!(credits.left(PEER, A, 1, said(1_000)), CREDIT_BYTES);
        assert_eq!(credits.left(PEER, A, 1, said(5_000)), CREDIT_BYTES - 4_000);
        assert_eq!(credits.left(PEER, A, 1, said(9_000_000)), 0);
        assert_eq!(credits.left(PEER, A, 2, said(9_000_000)), CREDIT_BYTES);
        assert_eq!(credits.left(PEER, A, 2, said(10)), CREDIT_BYTES, "a new link");
    }

    #[test]
    fn a_period_begins_when_what_was_said_before_has_left_and_not_earlier() {
        let mut credits = Credits::default();
        assert_eq!(credits.left(PEER, A, 1, said(0)), CREDIT_BYTES);
        // What another region said in the same period may still be on its way.
        assert_eq!(
            credits.left(PEER, RegionNumber(2), 1, waiting(7)),
            CREDIT_BYTES - 7
        );
        assert_eq!(credits.left(PEER, A, 2, waiting(7)), 0);
        assert_eq!(credits.left(PEER, A, 3, said(7)), CREDIT_BYTES);
    }

    /// Regions that always use up what they get, one after the other in each period, over a link that takes `per_step`
    /// bytes between two of them; how often each got something.
    fn contend(regions: u32, per_step: u64, periods: u64) -> Vec<u32> {
        let mut credits = Credits::default();
        let (mut bytes, mut queued) = (0, 0_u64);
        let mut served = vec![0; regions as usize];
        for period in 1..=periods {
            for region in 0..regions {
                let said = Sent {
                    bytes,
                    is_drained: queued == 0,
                };
                let left = credits.left(PEER, RegionNumber(region), period, said);
                served[region as usize] += u32::from(left > 0);
                bytes += left as u64;
                queued = (queued + left as u64).saturating_sub(per_step);
            }
        }
        served
    }

    #[test]
    fn regions_that_each_want_everything_take_turns_however_slow_the_link_is() {
        for part in [1, 2, 3, 5, 7, 11, 13, 16] {
            for regions in [2, 3, 4, 16] {
                let served = contend(regions, CREDIT_BYTES as u64 / part, 800);
                let (least, most) = (served.iter().min(), served.iter().max());
                let fair = least
                    .zip(most)
                    .is_some_and(|(least, most)| *least > 0 && most - least <= 2);
                assert!(
                    fair,
                    "{regions} regions, 1/{part} of the credit per step: {served:?}"
                );
            }
        }
    }

    #[test]
    fn over_a_new_link_nobody_stands_in_line() {
        let mut credits = Credits::default();
        let all = said(CREDIT_BYTES as u64);
        assert_eq!(credits.left(PEER, A, 1, said(0)), CREDIT_BYTES);
        assert_eq!(credits.left(PEER, A, 1, all), 0);
        credits.forget(PEER);
        assert_eq!(credits.left(PEER, RegionNumber(2), 2, said(0)), CREDIT_BYTES);
    }

    #[test]
    fn who_found_crumbs_alone_is_first_in_the_next_period() {
        let mut credits = Credits::default();
        let (other, crumbs) = (RegionNumber(2), CREDIT_BYTES / CRUMBS - 1);
        let all_but_crumbs = (CREDIT_BYTES - crumbs) as u64;
        assert_eq!(credits.left(PEER, other, 1, said(0)), CREDIT_BYTES);
        assert_eq!(credits.left(PEER, A, 1, said(all_but_crumbs)), crumbs);
        let all = said(CREDIT_BYTES as u64);
        assert_eq!(credits.left(PEER, other, 2, all), 0);
        assert_eq!(credits.left(PEER, A, 2, all), CREDIT_BYTES);
        assert_eq!(
            credits.left(PEER, other, 2, all),
            CREDIT_BYTES,
            "its turn is over, and nothing was said"
        );
    }

    #[test]
    fn who_stood_in_line_and_went_to_sleep_keeps_nobody_waiting() {
        let mut credits = Credits::default();
        let sleeper = RegionNumber(2);
        assert_eq!(credits.left(PEER, A, 1, said(0)), CREDIT_BYTES);
        assert_eq!(credits.left(PEER, sleeper, 1, said(CREDIT_BYTES as u64)), 0);
        let left: Vec<usize> = (2..6)
            .map(|period| credits.left(PEER, A, period, said(CREDIT_BYTES as u64)))
            .collect();
        assert_eq!(left, [0, 0, CREDIT_BYTES, CREDIT_BYTES]);
    }
}
