//! Accepts clients. Handshakes never run in the accept loop: each is a task with a permit and a deadline, and there is a
//! fixed number of permits. A network is held to its shares before anything that is for all is touched.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use net::accept_errors::{AcceptErrors, Trouble};
use net::panics::guest;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::client_context::ClientContext;
use super::client_door;
use super::handshake_permits::{HandshakePermit, HandshakePermits};
use super::prefix::Network;
use super::rate_limits::RateLimits;

/// Of the connections of a second, one network may bring at most one in so many.
const NETWORK_SHARE: u32 = 8;

/// What limits the door.
#[derive(Clone, Debug)]
pub(super) struct DoorLimits {
    /// Connections per second.
    pub(super) accepts_per_s: u32,
    /// Handshakes under way at once.
    pub(super) handshakes_max: u32,
    /// Networks that may hold more than their share of those.
    pub(super) exempt: Vec<Network>,
}

/// The door itself: who may come in now. Pure but for the permits' count.
struct DoorKeeper {
    permits: HandshakePermits,
    accepts: RateLimits,
}

impl DoorKeeper {
    fn new(limits: DoorLimits, now_ms: u64) -> Self {
        let (all, share) = (
            limits.accepts_per_s,
            (limits.accepts_per_s / NETWORK_SHARE).max(1),
        );
        Self {
            permits: HandshakePermits::new(limits.handshakes_max as usize, limits.exempt.clone()),
            accepts: RateLimits::new(all, share, limits.exempt, now_ms),
        }
    }

    /// A permit for a handshake with this address.
    ///
    /// # Errors
    /// The label to count the refusal under.
    fn admit(&mut self, from: IpAddr, now_ms: u64) -> Result<HandshakePermit, &'static str> {
        let permit = self.permits.take(from)?;
        match self.accepts.take(from, now_ms) {
            true => Ok(permit),
            false => Err("accept_rate"),
        }
    }
}

/// Serves clients until the drain. The clients' tasks go on in `peers`.
pub(super) async fn accept_clients(
    context: Arc<ClientContext>,
    listener: TcpListener,
    limits: DoorLimits,
    mut errors: AcceptErrors,
    peers: TaskTracker,
) {
    let (clock, drain) = (context.clock, context.drain.clone());
    let mut door = DoorKeeper::new(limits, clock.now_ms());
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (io, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Trouble::Lasting(pause) = errors.note(&error, clock.now_ms()) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        // Closed at once rather than kept waiting: a client tries again, a flood finds nothing to hold on to.
        match door.admit(address.ip(), clock.now_ms()) {
            Ok(permit) => drop(peers.spawn(serve(Arc::clone(&context), io, address, permit))),
            Err(label) => context.refusals.count(label),
        }
    }
}

async fn serve(context: Arc<ClientContext>, io: TcpStream, address: SocketAddr, permit: HandshakePermit) {
    guest("client", client_door::let_in(&context, io, address, permit)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> DoorKeeper {
        let limits = DoorLimits {
            accepts_per_s: 80,
            handshakes_max: 80,
            exempt: Vec::new(),
        };
        DoorKeeper::new(limits, 0)
    }

    #[test]
    fn a_flood_from_one_network_leaves_the_door_to_the_others() {
        let mut door = door();
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
