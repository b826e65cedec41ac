//! Visits every state within bounds, breadth first, so that the story of a broken property is a shortest one.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::fmt;

use super::bounds::{Bounds, Rules};
use super::outside::successors;
use super::properties::{broken, is_settled};
use super::state::State;
use super::steps::{Cause, Step, Steps};

// Millions of lookups; the hasher is fixed and the order of the map is never used.
#[allow(clippy::disallowed_types)]
type Index = std::collections::HashMap<State, u32, foldhash::fast::FixedState>;

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// States visited.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Whether all is well.
    pub outcome: Outcome,
}

/// Whether all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No state breaks a property, and every state can settle without anything from outside.
    SafeAndLive,
    /// A state breaks a property.
    Broken {
        /// Which.
        property: &'static str,
        /// How it came about.
        story: Vec<String>,
    },
    /// A state can never settle.
    Stuck {
        /// How it came about.
        story: Vec<String>,
    },
}

#[derive(Default)]
struct Visited {
    index: Index,
    states: Vec<State>,
    /// The state that each was first reached from, and how.
    came_from: Vec<(u32, Option<Step>)>,
    /// For each state, those that lead to it without anything from outside.
    leads_here: Vec<Vec<u32>>,
}

impl Visited {
    fn enter(&mut self, state: State, from: u32, step: Option<Step>) -> (u32, bool) {
        let number = self.states.len() as u32;
        match self.index.entry(state) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(vacant) => {
                self.states.push(vacant.key().clone());
                vacant.insert(number);
                self.came_from.push((from, step));
                self.leads_here.push(Vec::new());
                (number, true)
            }
        }
    }

    fn story(&self, mut at: u32) -> Vec<String> {
        let mut story = Vec::new();
        while let (from, Some(step)) = self.came_from[at as usize] {
            story.push(step.to_string());
            at = from;
        }
        story.reverse();
        story
    }

    /// A state from which no settled one can be reached, if there is one.
    fn stuck(&self) -> Option<u32> {
        let mut settles: Vec<bool> = self.states.iter().map(is_settled).collect();
        let mut queue: VecDeque<usize> = (0..settles.len()).filter(|number| settles[*number]).collect();
        while let Some(number) = queue.pop_front() {
            for &before in &self.leads_here[number] {
                if !std::mem::replace(&mut settles[before as usize], true) {
                    queue.push_back(before as usize);
                }
            }
        }
        settles
            .iter()
            .position(|settles| !settles)
            .map(|number| number as u32)
    }
}

/// Visits everything that can happen within `bounds` under `rules`.
#[must_use]
pub fn explore(bounds: Bounds, rules: Rules) -> Verdict {
    let mut visited = Visited::default();
    let mut steps_seen = 0;
    visited.enter(State::start(), 0, None);
    let mut next = 0;
    while next < visited.states.len() {
        let number = next as u32;
        let state = visited.states[next].clone();
        next += 1;
        if let Some(property) = broken(&state) {
            let story = visited.story(number);
            return verdict(&visited, steps_seen, Outcome::Broken { property, story });
        }
        let mut steps = Steps::new(&state);
        successors(&mut steps, bounds, rules);
        for found in steps.found {
            steps_seen += 1;
            let (to, _) = visited.enter(found.state, number, Some(found.step));
            if found.cause == Cause::Protocol {
                visited.leads_here[to as usize].push(number);
            }
        }
    }
    let outcome = match visited.stuck() {
        Some(number) => Outcome::Stuck {
            story: visited.story(number),
        },
        None => Outcome::SafeAndLive,
    };
    verdict(&visited, steps_seen, outcome)
}

fn verdict(visited: &Visited, steps: usize, outcome: Outcome) -> Verdict {
    Verdict {
        states: visited.states.len(),
        steps,
        outcome,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} steps: ", self.states, self.steps)?;
        let (what, story) = match &self.outcome {
            Outcome::SafeAndLive => return f.write_str("safe and live"),
            Outcome::Broken { property, story } => (*property, story),
            Outcome::Stuck { story } => ("H5: the player can never play again", story),
        };
        write!(f, "{what}")?;
        story
            .iter()
            .zip(1..)
            .try_for_each(|(step, number)| write!(f, "\n  {number:2}. {step}"))
    }
}
