//! What the processes take for the time, and what comes of it where a clock is wrong.

use gameserver::world::Moment;
use protocol::Code;
use protocol::identity::Clock;
use protocol::ids::NodeNumber;
use protocol::ticket::TicketError;

use super::event::Trouble;
use super::state::Cluster;
use crate::clocks::Clocks;
use crate::dice::Dice;
use crate::world::PROXIES;

/// How often a clock is set wrong in a storm.
const STEPS: usize = 3;
/// By how much, milliseconds: less than what is forgiven, more than the life of a ticket, and what operators have seen.
const STEPS_MS: [i64; 3] = [5_000, 90_000, 300_000];
/// For how long, at least and at most, milliseconds.
const WRONG_FOR_MS: (u64, u64) = (300, 4_000);

impl Cluster {
    /// By a clock that is right.
    pub(super) fn moment(&self) -> Moment {
        Clocks::right(self.now_us())
    }

    /// By the clock of a node.
    pub(super) fn moment_of(&self, node: NodeNumber) -> Moment {
        self.clocks.of(node, self.now_us())
    }

    /// How a node looks at papers.
    pub(super) fn clock_of(&self, node: NodeNumber) -> Clock {
        Clock::of_node(self.moment_of(node).wall_ms)
    }

    pub(super) fn plan_clocks(&mut self) {
        let mut dice = Dice::new(self.options.seed ^ self.began_us ^ 0xc10c_c10c);
        let nodes: Vec<NodeNumber> = self.servers.keys().copied().chain(PROXIES).collect();
        for _ in 0..STEPS {
            let at_us = dice.between(700_000, self.options.storm_ms * 1000 - 500_000);
            let step_ms = STEPS_MS[dice.index(STEPS_MS.len())] * [1, -1][dice.index(2)];
            let ms = dice.between(WRONG_FOR_MS.0, WRONG_FOR_MS.1);
            let node = nodes[dice.index(nodes.len())];
            self.plan(at_us, Trouble::SetClock(node, step_ms, ms));
        }
    }

    /// A ticket that was made out in this cluster is refused: what its client is told. `None`: none is to be, but for its time where
    /// a clock was wrong.
    pub(super) fn refusal(&mut self, error: TicketError) -> Option<Code> {
        if self.clocks.were_wrong() && matches!(error, TicketError::OutsideValidity(_)) {
            return Some(error.code());
        }
        self.checks.fail(format!("an honest ticket is refused: {error}"));
        None
    }
}
