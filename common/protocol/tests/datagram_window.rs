//! The replay window against a set that forgets nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::datagram::ReplayWindow;
use protocol::limits::DATAGRAM_WINDOW;

/// What the window means, at any cost in memory.
#[derive(Default)]
struct Oracle(BTreeSet<u64>);

impl Oracle {
    fn accepts(&self, number: u64) -> bool {
        let inside = self
            .0
            .last()
            .is_none_or(|highest| highest.saturating_sub(number) < DATAGRAM_WINDOW);
        inside && !self.0.contains(&number)
    }
}

/// Numbers near each other, with leaps over the window, and its very edges.
fn any_step() -> impl Strategy<Value = i64> {
    prop_oneof![
        5 => -3_i64..8,
        3 => -1100_i64..70,
        1 => 900_i64..2200,
        1 => prop::sample::select(vec![1023, 1024, 1025, -1023, -1024, -1025]),
    ]
}

proptest! {
    #[test]
    fn dg_6_the_window_says_what_a_set_of_everything_would(
        start in prop_oneof![0..5_u64, 0..u64::MAX, u64::MAX - 3000..u64::MAX],
        steps in prop::collection::vec(any_step(), 1..400),
    ) {
        let (mut window, mut oracle, mut number) = (ReplayWindow::default(), Oracle::default(), start);
        for step in steps {
            let accepted = window.accepts(number);
            prop_assert_eq!(accepted, oracle.accepts(number), "number {}", number);
            prop_assert_eq!(window.is_newest(number), oracle.0.last().is_none_or(|highest| number > *highest));
            if accepted {
                window.record(number);
                oracle.0.insert(number);
                prop_assert!(!window.accepts(number));
            }
            number = number.saturating_add_signed(step);
        }
        let highest = *oracle.0.last().unwrap_or(&0);
        for number in highest.saturating_sub(DATAGRAM_WINDOW + 5)..=highest {
            prop_assert_eq!(window.accepts(number), oracle.accepts(number), "number {}", number);
        }
    }
}
