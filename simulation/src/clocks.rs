//! The clocks of the processes. Time that only goes forward is the same everywhere, as on one machine; the clocks on the wall are set
//! minutes wrong for a while, and right again. Whoever depends on them may refuse papers, and nothing more.

use std::collections::BTreeMap;

use gameserver::world::Moment;
use protocol::ids::NodeNumber;

/// The time on the wall at the beginning of a run, Unix milliseconds.
const WALL_MS: u64 = 1_700_000_000_000;

/// Which clocks on the wall are wrong.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// By how much, milliseconds, and until when, microseconds.
    wrong: BTreeMap<NodeNumber, (i64, u64)>,
}

impl Clocks {
    /// By a clock that is right.
    pub(crate) fn right(now_us: u64) -> Moment {
        Moment {
            mono_us: now_us,
            wall_ms: WALL_MS + now_us / 1000,
        }
    }

    /// By the clock of a node.
    pub(crate) fn of(&self, node: NodeNumber, now_us: u64) -> Moment {
        let mut now = Self::right(now_us);
        if let Some((step_ms, until_us)) = self.wrong.get(&node)
            && now_us < *until_us
        {
            now.wall_ms = now.wall_ms.saturating_add_signed(*step_ms);
        }
        now
    }

    pub(crate) fn set(&mut self, node: NodeNumber, step_ms: i64, until_us: u64) {
        self.wrong.insert(node, (step_ms, until_us));
    }

    /// Whether any was ever wrong: the papers that it made out outlive that.
    pub(crate) fn were_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }
}
