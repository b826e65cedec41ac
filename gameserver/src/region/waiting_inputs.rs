//! Inputs of one entity that wait for the next tick: ascending, each once, the oldest dropped when too many wait.

use std::collections::VecDeque;

use bytes::Bytes;
use game::limits::INPUTS_WAITING_MAX;
use protocol::message::checked::InputRun;

/// Those of one entity. Its memory is taken with the first input and kept.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingInputs(VecDeque<(u64, Bytes)>);

impl WaitingInputs {
    /// Takes what is new in a message of a player of whom the inputs up to `given` are over. Whether nothing waited before and
    /// something does now.
    pub(super) fn take_run(&mut self, run: InputRun, given: u64) -> bool {
        let was_empty = self.0.is_empty();
        let known = self.0.back().map_or(given, |(number, _)| given.max(*number));
        for (back, input) in run.newest_first.into_iter().enumerate().rev() {
            // A peer may say more than there are numbers for: none is numbered below 1.
            let number = run.newest.0.saturating_sub(back as u64);
            if number > known {
                self.push(number, input);
            }
        }
        was_empty && !self.0.is_empty()
    }

    /// An input that is none of a client. Whether nothing waited before.
    pub(super) fn push_own(&mut self, input: Bytes) -> bool {
        let was_empty = self.0.is_empty();
        self.push(0, input);
        was_empty
    }

    fn push(&mut self, number: u64, input: Bytes) {
        if self.0.len() == INPUTS_WAITING_MAX {
            self.0.pop_front();
        }
        self.0.push_back((number, input));
    }

    /// The number of the newest; `None` when none waits.
    pub(super) fn newest(&self) -> Option<u64> {
        self.0.back().map(|(number, _)| *number)
    }

    /// All of them, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, Bytes)> {
        self.0.drain(..)
    }

    /// Gives back the memory of those that were taken out, unless others wait by now.
    pub(super) fn put_back(&mut self, emptied: Self) {
        if self.0.is_empty() {
            *self = emptied;
        }
    }

    /// None waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::InputNumber;

    fn run(newest: u64, count: u64) -> InputRun {
        let body = |back| Bytes::from(vec![(newest - back) as u8]);
        InputRun {
            newest: InputNumber(newest),
            newest_first: (0..count).map(body).collect(),
        }
    }

    fn taken(inputs: &mut WaitingInputs) -> Vec<u64> {
        let each = inputs.drain();
        each.inspect(|(number, body)| assert_eq!(body[..], [*number as u8]))
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn each_input_is_taken_once_and_in_order_however_often_it_is_repeated() {
        let mut inputs = WaitingInputs::default();
        assert!(inputs.take_run(run(1, 1), 0), "the first");
        assert!(!inputs.take_run(run(2, 2), 0), "behind another");
        assert!(!inputs.take_run(run(4, 3), 0) && !inputs.take_run(run(3, 3), 0));
        assert_eq!(taken(&mut inputs), [1, 2, 3, 4]);
        assert!(!inputs.take_run(run(4, 3), 4), "all of that is over");
        assert!(inputs.take_run(run(9, 3), 4));
        assert_eq!(taken(&mut inputs), [7, 8, 9], "5 and 6 are lost");
    }

    #[test]
    fn of_too_many_the_oldest_are_dropped() {
        let mut inputs = WaitingInputs::default();
        for newest in 3..=INPUTS_WAITING_MAX as u64 + 2 {
            inputs.take_run(run(newest, 3), 0);
        }
        let kept: Vec<u64> = (3..=INPUTS_WAITING_MAX as u64 + 2).collect();
        assert_eq!(inputs.newest(), kept.last().copied());
        assert_eq!(taken(&mut inputs), kept);
    }

    #[test]
    fn more_inputs_than_numbers_are_numbered_once_all_the_same() {
        let mut inputs = WaitingInputs::default();
        let newest_first = vec![Bytes::from_static(&[1]); 3];
        let newest = InputNumber(1);
        inputs.take_run(InputRun { newest, newest_first }, 0);
        assert_eq!(taken(&mut inputs), [1]);
    }

    #[test]
    fn memory_comes_back_unless_others_wait() {
        let mut inputs = WaitingInputs::default();
        inputs.push_own(Bytes::new());
        let mut emptied = std::mem::take(&mut inputs);
        emptied.clear();
        let held = emptied.0.capacity();
        inputs.put_back(emptied);
        assert!(held > 0 && inputs.0.capacity() == held);
        let emptied = std::mem::take(&mut inputs);
        assert!(inputs.push_own(Bytes::new()) && !inputs.push_own(Bytes::new()));
        inputs.put_back(emptied);
        assert_eq!(inputs.0.len(), 2);
    }
}
