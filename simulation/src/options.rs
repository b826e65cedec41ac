//! What one run is made of. Everything follows from the seed; what is given by hand replaces that part only.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use net::link_core::LinkRoom;
use protocol::ids::Lanes;
use proxy::shard::StreamRoom;

#[cfg(feature = "broken-rules")]
use crate::broken_rules::OtherRule;
use crate::dice::Dice;
use crate::matrix::{Ambush, Fault, Step, cells};
#[cfg(feature = "broken-rules")]
use crate::model::Rule;
use crate::own_game::OwnGame;
use crate::scenario::{DEAD_MS, KILL_EVERY_MS, RESTART_EVERY_MS, Scenario, Scenarios};

/// Lanes of most runs: enough for one to be lost while the other goes on.
const TWO_LANES: Lanes = match Lanes::new(2) {
    Some(lanes) => lanes,
    None => Lanes::ONE,
};

/// How much links and devices' streams take before what they do at their limits begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// As in the product: hardly ever too little.
    Ample,
    /// Messages of servers travel in fragments, and what waits is soon too much.
    Narrow,
}

impl Room {
    /// Of a link at a game server's end.
    pub(crate) fn of_link(self) -> LinkRoom {
        match self {
            Self::Ample => LinkRoom::default(),
            Self::Narrow => LinkRoom {
                fragment_bytes: 120,
                waiting_bytes: 2_048,
            },
        }
    }

    /// Of a device's stream at its shard.
    pub(crate) fn of_stream(self) -> StreamRoom {
        match self {
            Self::Ample => StreamRoom::default(),
            Self::Narrow => StreamRoom {
                queue_bytes: 2_048,
                queue_ms: 400,
                unsent_bytes: 64,
            },
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ample => "ample",
            Self::Narrow => "narrow",
        })
    }
}

impl std::str::FromStr for Room {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Ample, Self::Narrow];
        let named = all.into_iter().find(|room| room.to_string() == text);
        named.ok_or_else(|| format!("`{text}` is neither ample nor narrow"))
    }
}

/// A variable of the environment: the one run to repeat in place of all seeds, as a failure prints it.
pub const STORM_RUN: &str = "STORM_RUN";

/// One run. Equal options give equal runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where all chance comes from.
    pub seed: u64,
    /// Game servers: 2 or 4, for a world of 2 × 2 regions.
    pub servers: u16,
    /// Whether servers stand by for each other and take over from who is dead; else a region waits for its own server.
    pub standbys: bool,
    /// Lanes, and shards, of each proxy.
    pub lanes: Lanes,
    /// Players.
    pub players: u16,
    /// How long faults may begin, milliseconds.
    pub storm_ms: u64,
    /// How long nothing goes wrong any more before everything must be well again, milliseconds.
    pub calm_ms: u64,
    /// Faults strewn over the storm at random.
    pub faults: u32,
    /// Messages between nodes are late by up to this, milliseconds.
    pub jitter_ms: u64,
    /// Store answers are late by up to this, milliseconds.
    pub store_jitter_ms: u64,
    /// Store requests that fail in one way or another, in thousandths.
    pub store_permille: u64,
    /// How much links and devices' streams take.
    pub room: Room,
    /// Whether the rules make, destroy and lay down things.
    pub crafts: bool,
    /// Whether the rules have creatures that roam.
    pub sheep: bool,
    /// Whether the rules hide players and show them again.
    pub veils: bool,
    /// Whether clocks of nodes are set minutes wrong for a while.
    pub clocks: bool,
    /// Faults that wait for their message.
    pub ambushes: Vec<Ambush>,
    /// What players do, and which faults are drawn beside the others.
    pub scenario: Scenario,
    /// Storm and calm follow each other until so many things were given; 0 for one storm.
    pub gives: u64,
    /// The game that is played; `None`: the demo, with what `crafts`, `sheep` and `veils` add to its rules.
    pub game: Option<Arc<OwnGame>>,
    /// Faults that do not happen, though all others stay as they are: by their place in the list of what was planned.
    pub skipped: BTreeSet<u32>,
    /// The rule of the handover that the cores or the store leave out.
    #[cfg(feature = "broken-rules")]
    pub without: Option<Rule>,
    /// A rule that they leave out of which the model knows nothing.
    #[cfg(feature = "broken-rules")]
    pub careless: Option<OtherRule>,
}

impl Options {
    /// What a seed of a sweep stands for.
    #[must_use]
    pub fn drawn(scenarios: Scenarios, seed: u64) -> Self {
        Self::of(scenarios.of(seed), seed)
    }

    /// What a seed stands for in a scenario.
    #[must_use]
    pub fn of(scenario: Scenario, seed: u64) -> Self {
        let mut options = Self::of_seed(seed);
        options.scenario = scenario;
        match scenario {
            Scenario::Storm => {}
            Scenario::Churn => options.players += 1,
            Scenario::RollingRestart => {
                let nodes = u64::from(options.servers) + 2;
                options.storm_ms = options.storm_ms.max(1_500 + nodes * RESTART_EVERY_MS);
            }
            Scenario::Bank => {
                options.players += 2;
                options.crafts = true;
            }
            Scenario::CornerOrbit => options.servers = if seed.is_multiple_of(5) { 2 } else { 4 },
            Scenario::Failover => {
                options.standbys = true;
                options.storm_ms = options.storm_ms.max(1_500 + 3 * KILL_EVERY_MS + DEAD_MS.1);
            }
        }
        options
    }

    /// What a seed stands for in a storm.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x0f71_0a5e);
        let quiet = dice.permille(120);
        let mut options = Self {
            seed,
            standbys: false,
            servers: if dice.permille(600) { 2 } else { 4 },
            lanes: if dice.permille(600) { TWO_LANES } else { Lanes::ONE },
            players: 2 + dice.below(3) as u16,
            storm_ms: 5_000 + dice.below(4_000),
            calm_ms: 5_000,
            faults: if quiet { 0 } else { dice.below(6) as u32 },
            jitter_ms: [0, 5, 30, 120][dice.index(4)],
            store_jitter_ms: [0, 10, 60, 250][dice.index(4)],
            store_permille: if quiet { 0 } else { [0, 0, 20, 80][dice.index(4)] },
            room: Room::Ample,
            crafts: seed / 4 % 3 == 1,
            sheep: seed / 4 % 3 != 2,
            veils: seed / 12 % 2 == 1,
            clocks: seed / 24 % 3 == 2,
            ambushes: Vec::new(),
            scenario: Scenario::Storm,
            gives: 0,
            game: None,
            skipped: BTreeSet::new(),
            #[cfg(feature = "broken-rules")]
            without: None,
            #[cfg(feature = "broken-rules")]
            careless: None,
        };
        if !quiet {
            // Every cell of the matrix has its turn.
            let all: Vec<_> = cells().collect();
            let (step, fault) = all[(seed % all.len() as u64) as usize];
            options.ambushes = ambushes(step, fault, &mut dice);
            options.room = if dice.permille(250) {
                Room::Narrow
            } else {
                Room::Ample
            };
            options.standbys = step == Step::TakeOver || dice.permille(300);
            options.sheep |= step == Step::Creatures;
        }
        if options.standbys {
            // Nobody is dead before three seconds have passed.
            options.storm_ms += 4_000;
        }
        options
    }

    /// The same run with this game; `None` is the demo. What the demo's rules have for the sake of storms, others have not.
    #[must_use]
    pub fn playing(self, game: Option<Arc<OwnGame>>) -> Self {
        let is_demo = game.is_none();
        Self {
            crafts: self.crafts && is_demo,
            sheep: self.sheep && is_demo,
            veils: self.veils && is_demo,
            game,
            ..self
        }
    }

    /// # Errors
    /// What makes no run.
    pub(crate) fn check(&self) -> Result<(), String> {
        let storm_ms_min = match self.scenario {
            _ if self.standbys => 6_000,
            Scenario::RollingRestart | Scenario::Failover => 4_000,
            _ => 2_500,
        };
        if !matches!(self.servers, 2 | 4) || self.players == 0 || self.storm_ms < storm_ms_min {
            return Err(format!(
                "2 or 4 servers, at least one player and a storm of {storm_ms_min} ms"
            ));
        }
        if self.gives > 0 && self.scenario != Scenario::Bank {
            return Err("only in the scenario bank are gives counted".to_owned());
        }
        if self.game.is_some() && (self.crafts || self.sheep || self.veils || self.gives > 0) {
            return Err("crafts, sheep, veils and gives are of the demo game".to_owned());
        }
        Ok(())
    }

    /// The command line that repeats the run.
    #[must_use]
    pub fn command(&self) -> String {
        if self.game.is_some() {
            return format!("{STORM_RUN}=\"{self}\" cargo test");
        }
        let features = if cfg!(feature = "broken-rules") {
            "--features broken-rules "
        } else {
            ""
        };
        format!("cargo run -p simulation {features}-- run {self}")
    }
}

/// Reads what [`Options`] print: the part of a command line behind `run`. What is not named follows from the seed.
impl std::str::FromStr for Options {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs: Vec<(&str, &str)> = words
            .chunks(2)
            .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
            .collect();
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
        if words.len() % 2 == 1 {
            return Err(format!("{} has no value", words[words.len() - 1]));
        }
        let named = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        let scenario = named("--scenario").map_or(Ok(Scenario::Storm), str::parse)?;
        let mut options = Self::of(scenario, named("--seed").map_or(Ok(1), number)?);
        if pairs.iter().any(|(key, _)| *key == "--ambush") {
            options.ambushes.clear();
        }
        for (key, value) in pairs {
            match key {
                "--seed" | "--scenario" => {}
                "--servers" => options.servers = number(value)? as u16,
                "--lanes" => options.lanes = lanes(number(value)?)?,
                "--standbys" => options.standbys = on_off(value)?,
                "--players" => options.players = number(value)? as u16,
                "--storm-ms" => options.storm_ms = number(value)?,
                "--calm-ms" => options.calm_ms = number(value)?,
                "--faults" => options.faults = number(value)? as u32,
                "--jitter-ms" => options.jitter_ms = number(value)?,
                "--store-jitter-ms" => options.store_jitter_ms = number(value)?,
                "--store-permille" => options.store_permille = number(value)?,
                "--room" => options.room = value.parse()?,
                "--crafts" => options.crafts = on_off(value)?,
                "--sheep" => options.sheep = on_off(value)?,
                "--veils" => options.veils = on_off(value)?,
                "--clocks" => options.clocks = on_off(value)?,
                "--gives" => options.gives = number(value)?,
                "--skip-faults" if value == "none" => {}
                "--skip-faults" => options.skipped = skipped(value)?,
                "--ambush" if value == "none" => {}
                "--ambush" => options.ambushes.push(value.parse()?),
                #[cfg(feature = "broken-rules")]
                "--without" => options.without = Some(rule(value)?),
                #[cfg(feature = "broken-rules")]
                "--careless" => options.careless = Some(value.parse()?),
                other => return Err(format!("unknown option {other}")),
            }
        }
        options.check().map(|()| options)
    }
}

#[cfg(feature = "broken-rules")]
fn rule(text: &str) -> Result<Rule, String> {
    let rule: Rule = text.parse()?;
    if rule.in_regions().is_none() && rule.in_store().is_none() {
        return Err(format!("only the model can leave out {rule}"));
    }
    Ok(rule)
}

/// Places in the list of faults, with commas between.
fn skipped(text: &str) -> Result<BTreeSet<u32>, String> {
    let places = text.split(',').map(|place| {
        let place = place.parse::<u32>();
        place.map_err(|error| format!("`{text}` is not a list as 3,7: {error}"))
    });
    places.collect()
}

fn shown(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

fn lanes(count: u64) -> Result<Lanes, String> {
    let lanes = u8::try_from(count).ok().and_then(Lanes::new);
    lanes.ok_or_else(|| format!("a proxy has no {count} lanes"))
}

/// The ambush for a cell, and what has to happen for its message to be sent at all.
fn ambushes(step: Step, fault: Fault, dice: &mut Dice) -> Vec<Ambush> {
    let passing = match step {
        Step::Save | Step::Load | Step::Command | Step::CommandAck => dice.below(8) as u32,
        Step::Refuse | Step::Reclaim | Step::InsertPlayer | Step::Leave | Step::Release | Step::TakeOver => 0,
        _ => dice.below(3) as u32,
    };
    let mut found = vec![Ambush { step, fault, passing }];
    if step == Step::Reclaim {
        found.push(Ambush {
            step: Step::Pass,
            fault: Fault::UnknownLost,
            passing: 0,
        });
    }
    found
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--seed {} --scenario {} --servers {} --standbys {} --lanes {} --players {} --storm-ms {} --calm-ms {} --faults {} --jitter-ms {} \
             --store-jitter-ms {} --store-permille {} --room {} --crafts {} --sheep {} --veils {} --clocks {}",
            self.seed,
            self.scenario,
            self.servers,
            shown(self.standbys),
            self.lanes,
            self.players,
            self.storm_ms,
            self.calm_ms,
            self.faults,
            self.jitter_ms,
            self.store_jitter_ms,
            self.store_permille,
            self.room,
            shown(self.crafts),
            shown(self.sheep),
            shown(self.veils),
            shown(self.clocks)
        )?;
        #[cfg(feature = "broken-rules")]
        if let Some(rule) = self.without {
            write!(f, " --without {}", rule.name())?;
        }
        #[cfg(feature = "broken-rules")]
        if let Some(rule) = self.careless {
            write!(f, " --careless {rule}")?;
        }
        if self.gives > 0 {
            write!(f, " --gives {}", self.gives)?;
        }
        if !self.skipped.is_empty() {
            let places: Vec<String> = self.skipped.iter().map(u32::to_string).collect();
            write!(f, " --skip-faults {}", places.join(","))?;
        }
        if self.ambushes.is_empty() {
            return write!(f, " --ambush none");
        }
        self.ambushes
            .iter()
            .try_for_each(|ambush| write!(f, " --ambush {ambush}"))
    }
}
