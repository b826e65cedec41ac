//! How the database ends an op; listed in the migrations that make its functions.

/// What the database says of one op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    End,
    Applied,
    Refused,
    NotServing,
    Older,
    Elsewhere,
    NoReceiver,
    Exhausted,
    Forbidden,
    Damaged,
    LeaseEnded,
    TradeClosed,
    NotCandidate,
    SessionOver,
}

impl Outcome {
    /// `None` for a number that no function answers with.
    pub(super) fn of(number: i16) -> Option<Self> {
        const ALL: [Outcome; 14] = [
            Outcome::End,
            Outcome::Applied,
            Outcome::Refused,
            Outcome::NotServing,
            Outcome::Older,
            Outcome::Elsewhere,
            Outcome::NoReceiver,
            Outcome::Exhausted,
            Outcome::Forbidden,
            Outcome::Damaged,
            Outcome::LeaseEnded,
            Outcome::TradeClosed,
            Outcome::NotCandidate,
            Outcome::SessionOver,
        ];
        let outcome = usize::try_from(number).ok().and_then(|at| ALL.get(at));
        outcome.copied()
    }
}
