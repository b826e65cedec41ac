//! Who may be connected: a fixed number, and the newest always. When all places are taken, the connection that has waited
//! longest between two requests gives way; when every one is in the middle of a request, the one that began first.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The places.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Taken {
    by_id: BTreeMap<u64, Place>,
    /// Counts what happens, so that it is known what was longer ago.
    events: u64,
}

#[derive(Debug)]
struct Place {
    /// In the middle of a request; those give way last.
    busy: bool,
    since: u64,
    given_away: CancellationToken,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
        }
    }

    /// A place, if need be of somebody else.
    pub(super) fn take(&self) -> Seat {
        let mut taken = lock(&self.taken);
        while taken.by_id.len() >= self.most {
            let longest = taken
                .by_id
                .iter()
                .min_by_key(|(_, place)| (place.busy, place.since));
            let Some(id) = longest.map(|(id, _)| *id) else {
                break;
            };
            if let Some(place) = taken.by_id.remove(&id) {
                place.given_away.cancel();
            }
        }
        taken.events += 1;
        let (id, given_away) = (taken.events, CancellationToken::new());
        let place = Place {
            busy: false,
            since: id,
            given_away: given_away.clone(),
        };
        taken.by_id.insert(id, place);
        Seat {
            taken: Arc::clone(&self.taken),
            id,
            given_away: Box::pin(given_away.cancelled_owned()),
        }
    }
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<Mutex<Taken>>,
    id: u64,
    given_away: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Seat {
    /// Ready once somebody else has the place.
    pub(super) fn poll_given_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.given_away.as_mut().poll(cx)
    }

    /// The peer said something.
    pub(super) fn begin_request(&self) {
        self.mark(true);
    }

    /// The peer was answered.
    pub(super) fn end_request(&self) {
        self.mark(false);
    }

    fn mark(&self, busy: bool) {
        let mut taken = lock(&self.taken);
        taken.events += 1;
        let now = taken.events;
        if let Some(place) = taken.by_id.get_mut(&self.id)
            && place.busy != busy
        {
            (place.busy, place.since) = (busy, now);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.taken).by_id.remove(&self.id);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn is_given_away(seat: &mut Seat) -> bool {
        seat.poll_given_away(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn the_longest_idle_gives_way_and_whoever_is_served_last() {
        let seats = Seats::new(3);
        let [mut first, mut second, mut third] = [seats.take(), seats.take(), seats.take()];
        // The first is in the middle of a request, the second was served after the third came.
        first.begin_request();
        second.begin_request();
        second.end_request();
        let mut fourth = seats.take();
        assert!(is_given_away(&mut third));
        assert!(!is_given_away(&mut first) && !is_given_away(&mut second));
        let _fifth = seats.take();
        assert!(is_given_away(&mut second));
        for seat in [&fourth, &_fifth] {
            seat.begin_request();
        }
        let _sixth = seats.take();
        assert!(is_given_away(&mut first), "all are busy: the first gives way");
        assert!(!is_given_away(&mut fourth));
    }

    #[test]
    fn a_place_that_is_left_is_free() {
        let seats = Seats::new(2);
        let mut first = seats.take();
        drop(seats.take());
        let _third = seats.take();
        assert!(!is_given_away(&mut first));
        assert_eq!(lock(&seats.taken).by_id.len(), 2);
    }
}
