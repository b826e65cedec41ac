//! What a run is about: what players do, and which faults are drawn beside those that a seed has anyway. What must hold is the same in all.

use crate::dice::Dice;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A bit of everything, and the cell of the matrix that the seed stands for.
    Storm,
    /// Players come, go, come back, and log in twice at two proxies.
    Churn,
    /// Every server and every proxy is drained or ended in turn, and starts again.
    RollingRestart,
    /// Players stand where all regions meet and give each other all they have, all the time.
    Bank,
    /// Players circle the corner where all regions meet.
    CornerOrbit,
    /// Servers stand by for each other, and whoever serves a region dies, region after region.
    Failover,
}

/// Seeds in a thousand that draw a storm: the other scenarios share the rest.
const STORMS_PERMILLE: u64 = 500;
/// How long a node that was restarted in turn is left alone, milliseconds.
pub(crate) const RESTART_EVERY_MS: u64 = 1_800;
/// Between the ends of two owners, milliseconds.
pub(crate) const KILL_EVERY_MS: u64 = 2_500;
/// Dead for longer than others wait, at least and at most, milliseconds.
pub(crate) const DEAD_MS: (u64, u64) = (3_200, 5_000);

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Storm,
        Self::Churn,
        Self::RollingRestart,
        Self::Bank,
        Self::CornerOrbit,
        Self::Failover,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storm => "storm",
            Self::Churn => "churn",
            Self::RollingRestart => "rolling-restart",
            Self::Bank => "bank",
            Self::CornerOrbit => "corner-orbit",
            Self::Failover => "failover",
        }
    }

    /// The one that a seed draws where all are to be met.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5ce0_a210);
        let [storm, others @ ..] = Self::ALL;
        if dice.permille(STORMS_PERMILLE) {
            storm
        } else {
            others[dice.index(others.len())]
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|scenario| scenario.name() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("`{text}` is none of {}", names.join(", "))
        })
    }
}

/// What the seeds of a sweep are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenarios {
    /// All the same.
    Only(Scenario),
    /// Each what it draws.
    Drawn,
}

impl Scenarios {
    /// What a seed of the sweep is about.
    #[must_use]
    pub fn of(self, seed: u64) -> Scenario {
        match self {
            Self::Only(scenario) => scenario,
            Self::Drawn => Scenario::drawn(seed),
        }
    }
}

impl std::str::FromStr for Scenarios {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::Drawn),
            _ => text
                .parse()
                .map(Self::Only)
                .map_err(|error| format!("{error}, all")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_all_scenarios_and_every_other_one_a_storm() {
        let drawn: Vec<Scenario> = (0..1_000).map(Scenario::drawn).collect();
        for scenario in Scenario::ALL {
            let count = drawn.iter().filter(|drawn| **drawn == scenario).count();
            let expected = if scenario == Scenario::Storm { 500 } else { 100 };
            assert!(count.abs_diff(expected) < expected / 3, "{scenario}: {count}");
        }
    }

    #[test]
    fn names_lead_back() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
            assert_eq!(scenario.name().parse(), Ok(Scenarios::Only(scenario)));
        }
        assert_eq!("all".parse(), Ok(Scenarios::Drawn));
        assert!(
            "storms"
                .parse::<Scenarios>()
                .unwrap_err()
                .ends_with("failover, all")
        );
    }
}
