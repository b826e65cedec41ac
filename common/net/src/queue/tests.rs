//! What a queue promises: order, priority, bounds, waiting times.

use protocol::message::family::{BatchReader, ServerToProxy};
use protocol::message::{node, player, subscription};

use super::*;

fn event(number: u64) -> ServerToProxy {
    player::Event {
        user: 1,
        owner_epoch: 1,
        number,
        body: vec![0; 40].into(),
        session_generation: 1,
    }
    .into()
}

fn cells(tick: u64, bytes: usize) -> ServerToProxy {
    subscription::CellUpdates {
        region: 1,
        tick,
        cells: vec![vec![0; bytes].into()],
        ..Default::default()
    }
    .into()
}

fn moved(user: u64) -> ServerToProxy {
    player::Moved {
        user,
        ..Default::default()
    }
    .into()
}

fn kick(user: u64) -> ServerToProxy {
    node::Kick {
        user,
        ..Default::default()
    }
    .into()
}

fn taken(queue: &mut OutgoingQueue) -> Vec<ServerToProxy> {
    let mut bytes = Vec::new();
    let count = queue.take_batch(&mut bytes);
    let mut reader = BatchReader::new(bytes.into());
    let mut messages = Vec::new();
    while let Some(message) = reader.next_message().unwrap() {
        messages.push(message);
    }
    assert_eq!(messages.len(), count);
    messages
}

#[test]
fn a_batch_goes_by_class_and_keeps_the_order_within_each() {
    let mut queue = OutgoingQueue::new(QueueLimits::default());
    let pushed = [
        cells(1, 4),
        event(1),
        kick(1),
        moved(1),
        event(2),
        cells(2, 4),
        kick(2),
        moved(2),
    ];
    for message in &pushed {
        queue.push(message, 0).unwrap();
    }
    let [c1, e1, k1, m1, e2, c2, k2, m2] = pushed;
    assert_eq!(taken(&mut queue), [k1, k2, m1, m2, e1, e2, c1, c2]);
    assert_eq!((queue.bytes(), queue.due(0)), (0, Due::Idle));
}

#[test]
fn users_and_ticks_linger_but_control_and_handover_go_at_once() {
    let mut queue = OutgoingQueue::new(QueueLimits::default());
    assert_eq!(queue.push(&event(1), 100), Ok(Wake::Writer));
    assert_eq!(queue.due(100), Due::At(1100));
    assert_eq!(queue.push(&cells(1, 9), 200), Ok(Wake::Nobody));
    assert_eq!(queue.due(1099), Due::At(1100));
    assert_eq!(queue.due(1100), Due::Now);
    assert_eq!(queue.push(&moved(1), 300), Ok(Wake::Writer));
    assert_eq!(queue.due(300), Due::Now);
    assert_eq!(queue.push(&kick(1), 300), Ok(Wake::Nobody));
}

#[test]
fn a_quarter_of_a_batch_does_not_wait_for_company() {
    let mut queue = OutgoingQueue::new(QueueLimits::default());
    assert_eq!(queue.push(&cells(1, 10), 0), Ok(Wake::Writer));
    assert_eq!(queue.push(&cells(1, 70_000), 0), Ok(Wake::Writer));
    assert_eq!(queue.due(0), Due::Now);
}

#[test]
fn messages_are_never_dropped_and_overflow_is_final() {
    let limits = QueueLimits {
        waiting_bytes_max: 1000,
        ..QueueLimits::default()
    };
    let mut queue = OutgoingQueue::new(limits);
    let mut queued = 0;
    // However long they wait, of whatever class they are.
    queue.push(&cells(1, 100), 0).unwrap();
    while queue.push(&event(queued), 500_000 * queued).is_ok() {
        queued += 1;
    }
    assert!(queued > 10 && queue.bytes() <= 1000 && queue.is_overflown());
    assert_eq!(queue.push(&cells(1, 1), 0), Err(PushError::Overflow));
    let all: Vec<_> = (0..queued).map(event).chain([cells(1, 100)]).collect();
    assert_eq!(taken(&mut queue), all);
    assert_eq!(queue.push(&event(1), 0), Err(PushError::Overflow));
}

#[test]
fn a_batch_never_exceeds_a_frame_in_bytes_or_messages() {
    let limits = QueueLimits {
        batch_bytes_max: 40_000,
        ..QueueLimits::default()
    };
    let mut queue = OutgoingQueue::new(limits);
    let large = cells(1, 40_000);
    assert_eq!(
        queue.push(&large, 0),
        Err(PushError::TooLarge(large.encoded_len()))
    );
    for number in 0..40_000 {
        queue.push(&event(number), 0).unwrap();
    }
    let mut seen = 0;
    while queue.bytes() > 0 {
        let mut bytes = Vec::new();
        let count = queue.take_batch(&mut bytes);
        assert!(count > 0 && count <= limits::BATCH_MESSAGES_MAX && bytes.len() <= 40_000);
        seen += count;
    }
    assert_eq!(seen, 40_000);
    let small = QueueLimits {
        batch_bytes_max: 4_080,
        ..limits
    };
    let mut queue = OutgoingQueue::new(small);
    for number in 0..1_000 {
        queue.push(&event(number), 0).unwrap();
    }
    while queue.bytes() > 0 {
        assert!(queue.take_batch(&mut Vec::new()) > 0);
    }
    let mut tiny = OutgoingQueue::new(QueueLimits::default());
    for _ in 0..20_000 {
        tiny.push_encoded(Class::PerUser, &[0x53, 0], 0).unwrap();
    }
    assert!(tiny.take_batch(&mut Vec::new()) <= limits::BATCH_MESSAGES_MAX);
    assert!(tiny.bytes() > 0);
}
