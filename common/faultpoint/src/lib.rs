//! Places in the cores where something that went wrong is dealt with, by name, and how often the thread came by each: storms that
//! never lead there prove nothing about it. Counted in builds with debug assertions; in those that serve players
//! [`faultpoint!`] compiles to nothing (why so: `docs/design/simulation.md`).

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::cell::Cell;
use std::fmt;
use std::ops::AddAssign;

macro_rules! points {
    ($($name:ident = $text:literal,)*) => {
        /// A place where a core deals with something that went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Point { $($name,)* }

        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is printed.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

points! {
    // The source of a handover.
    CrossingHeld = "crossing-held",
    CrossingWaits = "crossing-waits",
    HandoverTimeout = "handover-timeout",
    HandoverRefused = "handover-refused",
    RefuseLate = "refuse-late",
    PreparedLate = "prepared-late",
    PassNotApplied = "pass-not-applied",
    PassDoubt = "pass-doubt",
    DoubtUnanswered = "doubt-unanswered",
    DoubtPassed = "doubt-passed",
    DoubtReclaims = "doubt-reclaims",
    DoubtReclaimed = "doubt-reclaimed",
    DoubtLost = "doubt-lost",
    CommitRepeated = "commit-repeated",
    DoneLate = "done-late",
    // Its target.
    PrepareStale = "prepare-stale",
    PrepareToFormerService = "prepare-to-former-service",
    PrepareWhileDraining = "prepare-while-draining",
    CommitOfKnown = "commit-of-known",
    ArrivalReadAgain = "arrival-read-again",
    ArrivalElsewhere = "arrival-elsewhere",
    ArrivalMeetsJoin = "arrival-meets-join",
    ArrivalHadEarlyWords = "arrival-had-early-words",
    // A region and the store.
    SaveFenced = "save-fenced",
    SaveOlder = "save-older",
    SaveUnanswered = "save-unanswered",
    CommitFenced = "commit-fenced",
    CommitRefused = "commit-refused",
    CommitUnanswered = "commit-unanswered",
    ReleaseUnanswered = "release-unanswered",
    ReleaseRefused = "release-refused",
    PlayerFenced = "player-fenced",
    // Joins.
    JoinOfEndedSession = "join-of-ended-session",
    JoinSuperseded = "join-superseded",
    JoinAskedAgain = "join-asked-again",
    PlayerBeginsAgain = "player-begins-again",
    // The routes of a proxy.
    RouteConfirms = "route-confirms",
    RouteNotConfirmed = "route-not-confirmed",
    RouteClaimed = "route-claimed",
    RouteDenied = "route-denied",
    RouteOldAnswer = "route-old-answer",
    RouteSentOn = "route-sent-on",
    RouteSuspended = "route-suspended",
    RouteServedByOther = "route-served-by-other",
    RouteAsksAgain = "route-asks-again",
    OutputLate = "output-late",
    OutputEarly = "output-early",
    SessionSuperseded = "session-superseded",
    ProxyDrains = "proxy-drains",
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How many there are.
const COUNT: usize = Point::ALL.len();

/// Whether this build counts.
pub const IS_COUNTED: bool = cfg!(debug_assertions);

thread_local! {
    static HITS: [Cell<u64>; COUNT] = const { [const { Cell::new(0) }; COUNT] };
}

/// The thread comes by a [`Point`]. Nothing at all where the build has no debug assertions.
#[macro_export]
macro_rules! faultpoint {
    ($name:ident) => {
        if $crate::IS_COUNTED {
            $crate::hit($crate::Point::$name);
        }
    };
}

/// What [`faultpoint!`] does.
pub fn hit(point: Point) {
    HITS.with(|hits| {
        if let Some(count) = hits.get(point as usize) {
            count.set(count.get() + 1);
        }
    });
}

/// The thread counts from nothing.
pub fn clear() {
    HITS.with(|hits| hits.iter().for_each(|count| count.set(0)));
}

/// What the thread has counted since then.
#[must_use]
pub fn hits() -> Hits {
    HITS.with(|hits| Hits(hits.each_ref().map(Cell::get)))
}

/// How often each point was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits([u64; COUNT]);

impl Hits {
    /// Each point with its count.
    pub fn by_point(&self) -> impl Iterator<Item = (Point, u64)> {
        Point::ALL.iter().copied().zip(self.0)
    }

    /// Those that nobody has come by.
    #[must_use]
    pub fn missing(&self) -> Vec<Point> {
        let missing = self.by_point().filter(|(_, count)| *count == 0);
        missing.map(|(point, _)| point).collect()
    }
}

impl Default for Hits {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl AddAssign for Hits {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_counts_for_itself_and_from_nothing_when_told() {
        if !IS_COUNTED {
            return;
        }
        clear();
        faultpoint!(SaveFenced);
        faultpoint!(SaveFenced);
        std::thread::scope(|scope| {
            scope.spawn(|| faultpoint!(DoneLate));
        });
        let taken = hits();
        let counted: Vec<_> = taken.by_point().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Point::SaveFenced, 2)]);
        assert_eq!(taken.missing().len(), COUNT - 1);
        clear();
        assert_eq!(hits(), Hits::default());
    }

    #[test]
    fn names_are_said_once() {
        let names: std::collections::BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), COUNT);
    }
}
