//! Who may come in by one of the doors now. Handshakes and requests never run in an accept loop: each is a task with a permit
//! and a deadline, and there is a fixed number of permits. A network is held to its shares before anything that is for all
//! is touched. Pure but for the permits' count.

use std::net::IpAddr;

use protocol::network::Network;

use super::handshake_permits::{HandshakePermit, HandshakePermits};
use super::rate_limits::RateLimits;

/// Of the connections of a second, one network may bring at most one in so many.
const NETWORK_SHARE: u32 = 8;

/// One door's.
pub(super) struct DoorKeeper {
    permits: HandshakePermits,
    accepts: RateLimits,
    too_fast: &'static str,
}

impl DoorKeeper {
    /// Lets in at most so many connections a second, each with one of these permits; what comes too fast is counted under
    /// this label. Networks that are `exempt` may bring more than their share.
    pub(super) fn new(
        permits: HandshakePermits,
        accepts_per_s: u32,
        exempt: Vec<Network>,
        too_fast: &'static str,
        now_ms: u64,
    ) -> Self {
        let share = (accepts_per_s / NETWORK_SHARE).max(1);
        Self {
            permits,
            accepts: RateLimits::new(accepts_per_s, share, exempt, now_ms),
            too_fast,
        }
    }

    /// A permit for a connection from this address.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn admit(&mut self, from: IpAddr, now_ms: u64) -> Result<HandshakePermit, &'static str> {
        let permit = self.hold()?;
        self.name(permit, from, now_ms)
    }
}

impl DoorKeeper {
    /// A permit for a connection of whom nobody knows yet who it is from; see [`name`](Self::name).
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn hold(&mut self) -> Result<HandshakePermit, &'static str> {
        self.permits.hold()
    }

    /// It is from this address: held to the shares of that network from now on.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn name(
        &mut self,
        permit: HandshakePermit,
        from: IpAddr,
        now_ms: u64,
    ) -> Result<HandshakePermit, &'static str> {
        let permit = self.permits.name(permit, from)?;
        match self.accepts.take(from, now_ms) {
            true => Ok(permit),
            false => Err(self.too_fast),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_one_network_leaves_the_door_to_the_others() {
        let permits = HandshakePermits::of_handshakes(80, Vec::new());
        let mut door = DoorKeeper::new(permits, 80, Vec::new(), "accept_rate", 0);
        let admit = |door: &mut DoorKeeper, from: [u8; 4]| door.admit(from.into(), 0);
        // It holds on to what it gets: its permits are used up, and nothing else.
        let held: Vec<_> = (0..1_000)
            .filter_map(|_| admit(&mut door, [10, 0, 0, 1]).ok())
            .collect();
        assert_eq!(held.len(), 10);
        // It hangs up at once: then its rate is used up, and nothing else.
        for _ in 0..1_000 {
            drop(admit(&mut door, [10, 6, 6, 6]));
        }
        assert_eq!(admit(&mut door, [10, 6, 6, 6]).err(), Some("accept_rate"));
        for other in 0..6 {
            for _ in 0..10 {
                assert!(
                    admit(&mut door, [10, 1, other, 1]).is_ok(),
                    "network {other} is kept out"
                );
            }
        }
        assert_eq!(
            admit(&mut door, [10, 1, 7, 1]).err(),
            Some("accept_rate"),
            "80 in all"
        );
        assert!(door.admit([10, 1, 7, 1].into(), 1_000).is_ok());
    }
}
