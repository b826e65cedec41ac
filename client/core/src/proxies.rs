//! Where a client may connect: the proxies it was given, which it never forgets, and the few that were named last.

use std::collections::VecDeque;
use std::net::SocketAddr;

use protocol::limits::PROXIES_NAMED_MAX;

/// Addresses to try, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    given: Vec<SocketAddr>,
    /// Named by proxies, oldest first. As many as one message may name: who names more pushes out what was named before.
    named: VecDeque<SocketAddr>,
}

impl Proxies {
    /// What the client was given.
    pub(crate) fn new(given: &[SocketAddr]) -> Self {
        let mut once: Vec<SocketAddr> = Vec::with_capacity(given.len());
        for proxy in given {
            // Proxies behind one balancer have one address.
            if !once.contains(proxy) {
                once.push(*proxy);
            }
        }
        Self {
            given: once,
            named: VecDeque::new(),
        }
    }

    /// A proxy named these.
    pub(crate) fn learn(&mut self, named: impl IntoIterator<Item = SocketAddr>) {
        for proxy in named.into_iter().take(PROXIES_NAMED_MAX) {
            if self.given.contains(&proxy) {
                continue;
            }
            self.named.retain(|known| *known != proxy);
            if self.named.len() >= PROXIES_NAMED_MAX {
                self.named.pop_front();
            }
            self.named.push_back(proxy);
        }
    }

    /// All of them in the order in which they are to be tried, beginning with the one after `lost`.
    pub(crate) fn after(&self, lost: SocketAddr) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = self.given.iter().chain(&self.named).copied().collect();
        let next = all.iter().position(|proxy| *proxy == lost).map_or(0, |at| at + 1);
        let turn = next.checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(turn);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_one_after_the_lost_one_comes_first_and_the_lost_one_last() {
        let mut proxies = Proxies::new(&[proxy(1), proxy(2), proxy(1)]);
        proxies.learn([proxy(3), proxy(2), proxy(3)]);
        assert_eq!(proxies.after(proxy(2)), [proxy(3), proxy(1), proxy(2)]);
        assert_eq!(proxies.after(proxy(3)), [proxy(1), proxy(2), proxy(3)]);
        assert_eq!(proxies.after(proxy(9)), [proxy(1), proxy(2), proxy(3)]);
        assert!(Proxies::default().after(proxy(1)).is_empty());
    }

    #[test]
    fn however_many_are_named_only_the_last_are_kept_and_the_given_ones_always() {
        let mut proxies = Proxies::new(&[proxy(1), proxy(2)]);
        for first in 0..100 {
            proxies.learn((0..40).map(|more| proxy(1_000 + first * 40 + more)));
        }
        let known = proxies.after(proxy(2));
        assert_eq!(known.len(), PROXIES_NAMED_MAX + 2);
        assert!(known.contains(&proxy(1)) && known.contains(&proxy(2)));
        let last = 1_000 + 99 * 40;
        assert!((0..PROXIES_NAMED_MAX as u16).all(|more| known.contains(&proxy(last + more))));
    }
}
