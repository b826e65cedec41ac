//! Numbers that belong to a process and not to one of its regions: those of entities, of
//! what rules make and of handover attempts. A region
//! that another process takes over, or that starts again, takes none of them along and repeats none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::ids::{AttemptId, EntityId, Incarnation, NodeNumber};

/// Bits of an attempt's number that count; those above name the start of the process.
const ATTEMPT_COUNTER_BITS: u32 = 42;

/// The numbers of one start of a game server. Clones count on together: regions of one process share it.
///
/// Of entities there are 2³² for each start, years at 30 a second over all regions; of attempts 2⁴².
#[derive(Clone, Debug)]
pub struct ProcessNumbers {
    node: NodeNumber,
    incarnation: Incarnation,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    entities: AtomicU64,
    attempts: AtomicU64,
    valuables: AtomicU64,
}

impl ProcessNumbers {
    /// For a start of a node, as the store issued it.
    #[must_use]
    pub fn new(node: NodeNumber, incarnation: Incarnation) -> Self {
        Self {
            node,
            incarnation,
            counters: Arc::default(),
        }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeNumber {
        self.node
    }

    /// A number for a new entity; `None` when this start has no more, and the process has to be started again.
    pub(crate) fn entity(&self) -> Option<EntityId> {
        let counter = self.counters.entities.fetch_add(1, Ordering::Relaxed);
        EntityId::compose(self.node, self.incarnation, u32::try_from(counter).ok()?)
    }

    /// Whether this start has given the number to an entity.
    pub(crate) fn has_issued(&self, id: EntityId) -> bool {
        let counter = self.counters.entities.load(Ordering::Relaxed);
        let own = EntityId::compose(self.node, self.incarnation, id.0 as u32);
        own == Some(id) && u64::from(id.0 as u32) < counter
    }

    /// A number for a holding or a trade, unique for good; `None` when this start has no more, after 2³⁰.
    pub(crate) fn valuable(&self) -> Option<u64> {
        let counter = self.counters.valuables.fetch_add(1, Ordering::Relaxed);
        store::holding::minted_id(self.node, self.incarnation, u32::try_from(counter).ok()?)
    }

    /// A number for an attempt of a handover, unique for this node: start 22 bits ‖ counter 42 bits.
    pub(crate) fn attempt(&self) -> AttemptId {
        let counter = self.counters.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        AttemptId(self.incarnation.0 << ATTEMPT_COUNTER_BITS | counter & ((1 << ATTEMPT_COUNTER_BITS) - 1))
    }

    #[cfg(test)]
    pub(crate) fn skip_entities(&self, count: u64) {
        self.counters.entities.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn clones_count_on_together_and_no_two_numbers_are_equal() {
        let one = ProcessNumbers::new(NodeNumber(7), Incarnation(3));
        let other = one.clone();
        let entities: BTreeSet<_> = (0..100)
            .filter_map(|_| Some([one.entity()?, other.entity()?]))
            .flatten()
            .collect();
        assert_eq!(entities.len(), 200);
        assert!(entities.iter().all(|id| id.node() == NodeNumber(7)));
        let attempts: BTreeSet<_> = (0..100).flat_map(|_| [one.attempt(), other.attempt()]).collect();
        assert_eq!(attempts.len(), 200);
        assert!(
            attempts
                .iter()
                .all(|attempt| attempt.0 >> ATTEMPT_COUNTER_BITS == 3)
        );
    }

    #[test]
    fn a_start_knows_what_it_has_issued() {
        let numbers = ProcessNumbers::new(NodeNumber(7), Incarnation(3));
        let first = numbers.entity().unwrap();
        let [next, earlier, other] = [(7, 3, 1), (7, 2, 0), (8, 3, 0)].map(|(node, start, counter)| {
            EntityId::compose(NodeNumber(node), Incarnation(start), counter).unwrap()
        });
        assert!(numbers.has_issued(first) && !numbers.has_issued(next));
        assert!(!numbers.has_issued(earlier) && !numbers.has_issued(other));
    }

    #[test]
    fn a_start_has_four_billion_entities_and_then_no_more() {
        let numbers = ProcessNumbers::new(NodeNumber(1), Incarnation(1));
        numbers.skip_entities(u64::from(u32::MAX));
        let last = EntityId::compose(NodeNumber(1), Incarnation(1), u32::MAX);
        assert_eq!(numbers.entity(), last);
        assert_eq!(numbers.entity(), None);
        assert_eq!(numbers.entity(), None);
    }
}
