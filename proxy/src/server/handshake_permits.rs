//! How many handshakes, or connections of browsers, may be under way, in all and from one network: a silent flood from one place takes that place's
//! share and leaves the door to the others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::network::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of all permits, one network may hold at most one in so many.
const NETWORK_SHARE: usize = 8;

/// Hands out permits.
#[derive(Clone)]
pub(super) struct HandshakePermits {
    all: Arc<Semaphore>,
    networks: Arc<Networks>,
    /// What is counted when there is none, and when a network has its share.
    labels: [&'static str; 2],
}

struct Networks {
    // Outsiders choose these keys: an ordered map has no collisions to choose. Never longer than there are permits.
    pending: Mutex<BTreeMap<Network, usize>>,
    each_max: usize,
    exempt: Vec<Network>,
}

/// The right to one handshake; given back when dropped.
pub(super) struct HandshakePermit {
    _one_of_all: OwnedSemaphorePermit,
    networks: Arc<Networks>,
    network: Option<Network>,
}

impl HandshakePermits {
    /// Of handshakes; `exempt`: networks that are not held to a share.
    pub(super) fn of_handshakes(all_max: usize, exempt: Vec<Network>) -> Self {
        let labels = ["handshakes_pending", "handshakes_pending_of_network"];
        Self::new(all_max, exempt, labels)
    }

    /// Of HTTP connections, likewise.
    pub(super) fn of_browsers(all_max: usize, exempt: Vec<Network>) -> Self {
        Self::new(
            all_max,
            exempt,
            ["http_connections", "http_connections_of_network"],
        )
    }

    /// Of sessions of tools, likewise.
    pub(super) fn of_tools(all_max: usize, exempt: Vec<Network>) -> Self {
        Self::new(all_max, exempt, ["tool_sessions", "tool_sessions_of_network"])
    }

    /// Of those who look at the map, likewise.
    pub(super) fn of_map(all_max: usize, exempt: Vec<Network>) -> Self {
        Self::new(all_max, exempt, ["map_viewers", "map_viewers_of_network"])
    }

    fn new(all_max: usize, exempt: Vec<Network>, labels: [&'static str; 2]) -> Self {
        let networks = Networks {
            pending: Mutex::default(),
            each_max: (all_max / NETWORK_SHARE).max(1),
            exempt,
        };
        Self {
            all: Arc::new(Semaphore::new(all_max)),
            networks: Arc::new(networks),
            labels,
        }
    }

    /// A permit for somebody at this address.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn take(&self, from: IpAddr) -> Result<HandshakePermit, &'static str> {
        let permit = self.hold()?;
        self.name(permit, from)
    }

    /// A permit for somebody who has not said yet where they are.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn hold(&self) -> Result<HandshakePermit, &'static str> {
        let [none_left, _] = self.labels;
        let one_of_all = Arc::clone(&self.all).try_acquire_owned();
        Ok(HandshakePermit {
            _one_of_all: one_of_all.map_err(|_| none_left)?,
            networks: Arc::clone(&self.networks),
            network: None,
        })
    }

    /// They are at this address.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn name(
        &self,
        mut permit: HandshakePermit,
        from: IpAddr,
    ) -> Result<HandshakePermit, &'static str> {
        let [_, share_used] = self.labels;
        let exempt = self.networks.exempt.iter().any(|network| network.holds(from));
        let network = (!exempt).then(|| Network::of_client(from));
        if let Some(network) = network {
            self.networks.begin(network).ok_or(share_used)?;
        }
        permit.network = network;
        Ok(permit)
    }
}

impl Networks {
    fn begin(&self, network: Network) -> Option<()> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let held = pending.get(&network).copied().unwrap_or(0);
        if held >= self.each_max {
            return None;
        }
        pending.insert(network, held + 1);
        Some(())
    }

    fn end(&self, network: Network) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.get_mut(&network) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(pending.remove(&network)),
        }
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        if let Some(network) = self.network {
            self.networks.end(network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_gets_its_share_others_theirs_and_all_is_given_back() {
        let permits = HandshakePermits::of_handshakes(16, vec![Network::parse("127.0.0.0/8").unwrap()]);
        let take = |from: &str| permits.take(from.parse().unwrap());
        let first = take("10.0.0.1").unwrap();
        let _second = take("10.0.0.2").unwrap();
        assert_eq!(take("10.0.0.3").err(), Some("handshakes_pending_of_network"));
        let _other = take("10.0.1.1").unwrap();
        drop(first);
        let _again = take("10.0.0.3").unwrap();
        let exempt: Vec<_> = (0..13).map(|_| take("127.0.0.1").unwrap()).collect();
        assert_eq!(take("10.9.0.1").err(), Some("handshakes_pending"));
        drop(exempt);
        assert!(take("10.9.0.1").is_ok());
        assert_eq!(
            permits.networks.pending.lock().unwrap().len(),
            2,
            "what is given back is forgotten"
        );
    }
}
