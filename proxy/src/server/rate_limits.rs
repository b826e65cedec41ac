//! How many connections, or new logins, may come in a second, in all and from one network. Pure. The share of the network
//! is asked first, so that one that comes too often uses up nobody else's. Logins are counted only once a client has shown
//! its key: nobody uses up another's share with forged packets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use protocol::network::Network;

use crate::edge::rate::Bucket;

/// Networks remembered at most; while there are more, the newest are held to the limit for all alone.
const NETWORKS_MAX: usize = 16 * 1024;
/// A network that was silent for so long has its whole burst again and need not be remembered, milliseconds.
const FORGET_MS: u64 = 5_000;

/// Counts what comes.
pub(super) struct RateLimits {
    all: Bucket,
    // Outsiders choose these keys: an ordered map has no collisions to choose.
    networks: BTreeMap<Network, (Bucket, u64)>,
    per_network: u32,
    exempt: Vec<Network>,
    swept_ms: u64,
}

impl RateLimits {
    /// Full buckets, each holding one second's worth.
    pub(super) fn new(per_s: u32, per_network_per_s: u32, exempt: Vec<Network>, now_ms: u64) -> Self {
        Self {
            all: Bucket::new(per_s, per_s, now_ms),
            networks: BTreeMap::new(),
            per_network: per_network_per_s,
            exempt,
            swept_ms: now_ms,
        }
    }

    /// Whether one more from here is let in now.
    pub(super) fn take(&mut self, from: IpAddr, now_ms: u64) -> bool {
        self.sweep(now_ms);
        self.take_of_network(from, now_ms) && self.all.take(1, now_ms)
    }

    fn take_of_network(&mut self, from: IpAddr, now_ms: u64) -> bool {
        if self.exempt.iter().any(|network| network.holds(from)) {
            return true;
        }
        let network = Network::of_client(from);
        if self.networks.len() >= NETWORKS_MAX && !self.networks.contains_key(&network) {
            return true;
        }
        let fresh = || (Bucket::new(self.per_network, self.per_network, now_ms), now_ms);
        let (bucket, used_ms) = self.networks.entry(network).or_insert_with(fresh);
        *used_ms = now_ms;
        bucket.take(1, now_ms)
    }

    fn sweep(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.swept_ms) >= FORGET_MS {
            self.swept_ms = now_ms;
            self.networks
                .retain(|_, (_, used_ms)| now_ms.saturating_sub(*used_ms) < FORGET_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        RateLimits::new(200, 10, vec![Network::parse("127.0.0.0/8").unwrap()], 0)
    }

    fn taken(limits: &mut RateLimits, from: &str, now_ms: u64) -> usize {
        (0..300)
            .filter(|_| limits.take(from.parse().unwrap(), now_ms))
            .count()
    }

    #[test]
    fn one_network_gets_its_share_and_leaves_the_rest_to_others() {
        let mut limits = limits();
        assert_eq!(taken(&mut limits, "10.0.0.1", 0), 10);
        assert_eq!(taken(&mut limits, "10.0.0.200", 0), 0, "the same /24");
        assert_eq!(taken(&mut limits, "10.0.1.1", 0), 10);
        assert_eq!(
            taken(&mut limits, "127.0.0.1", 0),
            180,
            "what is left of the 200 for all"
        );
        assert_eq!(taken(&mut limits, "10.0.0.1", 500), 5);
    }

    #[test]
    fn silent_networks_are_forgotten_and_strangers_beyond_the_maximum_are_not_remembered() {
        let mut limits = limits();
        for n in 0..=NETWORKS_MAX as u32 {
            limits.take(IpAddr::from((10 << 24 | n << 8).to_be_bytes()), 0);
        }
        assert_eq!(limits.networks.len(), NETWORKS_MAX);
        limits.take("10.0.0.1".parse().unwrap(), FORGET_MS);
        assert_eq!(limits.networks.len(), 1);
    }
}
