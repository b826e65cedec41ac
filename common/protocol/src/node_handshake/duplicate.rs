//! One link per (initiator, responder, lane): which of two stays.

use crate::ids::Incarnation;

/// Which of two links of the same initiator, responder and lane stays. The other is closed with `DUPLICATE_LINK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChoice {
    /// The arriving one is of a process that has since been restarted: refuse it.
    KeepExisting,
    /// The arriving one takes over.
    TakeArriving,
}

/// The higher incarnation of the initiator wins, then the newer link: a node that dials again has given the old link up.
#[must_use]
pub fn newer_link(existing: Incarnation, arriving: Incarnation) -> LinkChoice {
    if arriving < existing {
        LinkChoice::KeepExisting
    } else {
        LinkChoice::TakeArriving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nh_14_the_higher_incarnation_wins_then_the_newer_link() {
        let choose = |existing, arriving| newer_link(Incarnation(existing), Incarnation(arriving));
        assert_eq!(choose(2, 1), LinkChoice::KeepExisting);
        assert_eq!(choose(2, 2), LinkChoice::TakeArriving);
        assert_eq!(choose(2, 3), LinkChoice::TakeArriving);
    }
}
