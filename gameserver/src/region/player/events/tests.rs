//! Which events are kept, and in which order they are told.

use super::*;

fn sent(events: &mut Events) -> Vec<u64> {
    let mut numbers = Vec::new();
    events.send(|number, _| {
        numbers.push(number);
        true
    });
    numbers
}

#[test]
fn an_event_that_waits_for_a_commit_holds_back_those_after_it() {
    let mut events = Events::default();
    assert!(events.push(Bytes::new(), false));
    assert!(events.push(Bytes::new(), true));
    assert!(events.push(Bytes::new(), false));
    assert_eq!(sent(&mut events), [1]);
    events.begin_commit();
    assert!(events.push(Bytes::new(), true));
    assert_eq!(sent(&mut events), [0_u64; 0]);
    events.finish_commit();
    assert_eq!(sent(&mut events), [2, 3]);
    events.begin_commit();
    events.finish_commit();
    assert_eq!(sent(&mut events), [4]);
    events.repeat();
    assert_eq!(sent(&mut events), [1, 2, 3, 4], "all are repeated");
    events.acknowledge(2);
    events.repeat();
    assert_eq!(sent(&mut events), [3, 4]);
}

#[test]
fn soft_events_give_way_to_newer_ones_and_durable_ones_to_none() {
    let mut events = Events::default();
    assert!(events.push(Bytes::new(), true));
    events.begin_commit();
    events.finish_commit();
    for _ in 0..2 * EVENTS_PENDING_MAX {
        assert!(events.push(Bytes::new(), false));
    }
    let numbers = sent(&mut events);
    assert_eq!((numbers.len(), numbers[0]), (EVENTS_PENDING_MAX, 1));
    assert_eq!(numbers.last(), Some(&(2 * EVENTS_PENDING_MAX as u64 + 1)));
    let durable = (1..=EVENTS_PENDING_MAX).filter(|_| events.push(Bytes::new(), true));
    assert_eq!(durable.count(), EVENTS_PENDING_MAX - 1);
    assert!(events.is_full());
    assert!(!events.push(Bytes::new(), false), "there is none to give way");
}

#[test]
fn events_are_bounded_in_number_and_bytes() {
    let mut events = Events::default();
    let taken = (0..100).filter(|_| events.push(Bytes::new(), true)).count();
    assert_eq!(taken, EVENTS_PENDING_MAX);
    let mut events = Events::default();
    let body = Bytes::from(vec![0; 1000]);
    let taken = (0..100).filter(|_| events.push(body.clone(), true)).count();
    assert_eq!(taken, EVENTS_PENDING_BYTES_MAX / 1000);
}

/// The row was saved before the first start, and nobody saved it before the second one.
#[test]
fn two_crashes_over_one_row_give_no_number_twice() {
    for (row, epochs) in [(1, [2, 3]), (7 << 20 | 5, [3, 9]), (2 << 20 | 9, [3, 4])] {
        let told = |epoch: u64| {
            let mut events = Events::restore(EventNumber(row), Vec::new());
            events.skip_forgotten(OwnerEpoch(1 << 48 | epoch));
            assert!(events.push(Bytes::new(), false) && events.push(Bytes::new(), false));
            sent(&mut events)
        };
        let [first, second] = epochs.map(told);
        assert!(
            row < first[0] && first[1] < second[0],
            "{row}: {first:?}, {second:?}"
        );
    }
}
