//! Which bots have something to look at. The run time wakes a bot's bell once its sockets can be read; nobody runs for
//! it at once, and who comes by finds a list of the bots that rang, so that the silent ones cost nothing.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Places of the bots that rang and were not visited since, each once.
#[derive(Debug, Default)]
pub(crate) struct Rung {
    places: Mutex<Vec<u32>>,
}

impl Rung {
    /// Moves them into `out`, in the order in which they rang.
    pub(crate) fn take(&self, out: &mut Vec<u32>) {
        out.clear();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut *places, out);
    }
}

/// One bot's.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    clapper: Arc<Clapper>,
    waker: Waker,
}

#[derive(Debug)]
struct Clapper {
    place: u32,
    rings: AtomicBool,
    rung: Arc<Rung>,
}

impl Bell {
    /// Rings for the bot at `place`.
    pub(crate) fn new(place: u32, rung: &Arc<Rung>) -> Self {
        let clapper = Arc::new(Clapper {
            place,
            rings: AtomicBool::new(false),
            rung: Arc::clone(rung),
        });
        Self {
            waker: Waker::from(Arc::clone(&clapper)),
            clapper,
        }
    }

    /// Rings when it is woken.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Silences it. To be called before the visit, so that what comes meanwhile rings again.
    pub(crate) fn silence(&self) {
        self.clapper.rings.store(false, Ordering::Release);
    }
}

impl Wake for Clapper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rings.swap(true, Ordering::AcqRel) {
            let mut places = self.rung.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.push(self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_until_it_is_silenced() {
        let rung = Arc::new(Rung::default());
        let bells = [4, 9].map(|place| Bell::new(place, &rung));
        for bell in [&bells[1], &bells[0], &bells[1]] {
            bell.waker().wake_by_ref();
        }
        let mut places = vec![77];
        rung.take(&mut places);
        assert_eq!(places, [9, 4]);
        bells[0].silence();
        bells.iter().for_each(|bell| bell.waker().wake_by_ref());
        rung.take(&mut places);
        assert_eq!(places, [4], "the other one was not visited yet");
    }
}
