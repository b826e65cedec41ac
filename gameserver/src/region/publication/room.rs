//! How much a region may say to each subscriber in one tick: it asks before it says anything, so that what a slow
//! subscriber cannot take is never made.

use protocol::ids::ProxyLane;

use super::subscriber::Subscriber;

/// Credit of a lane or a peer in one tick, shared by the regions of a process, bytes: some 10 MB/s at 20 ticks a second.
/// Whoever knows what still waits on its way subtracts that.
pub const CREDIT_BYTES: usize = 512 * 1024;

/// Knows how much each subscriber takes.
pub trait Room {
    /// Bytes that may be said to a subscriber in this tick; asked once for each and tick. Nothing is said to who has 0 but
    /// that the tick is over.
    fn room_bytes(&mut self, subscriber: Subscriber) -> usize;

    /// Bytes of events that a lane takes from now until the next tick. They may wait behind others: nobody is too slow who
    /// takes them later.
    fn event_bytes(&mut self, lane: ProxyLane) -> usize;
}

/// For those whose subscribers take everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLimit;

impl Room for NoLimit {
    fn room_bytes(&mut self, _: Subscriber) -> usize {
        usize::MAX
    }

    fn event_bytes(&mut self, _: ProxyLane) -> usize {
        usize::MAX
    }
}
