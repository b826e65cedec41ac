//! How many handshakes, or connections of browsers, may be under way, in all and from one network: a silent flood from one place takes that place's
//! share and leaves the door to the others. When there is no room, who waits longest for a word of its client gives way to the next, in the network that
//! has most of them: whoever holds on to what it got in silence keeps nobody out, from however many networks. Those that wait for this proxy, and those
//! of exempt networks, do not give way, and nobody does within the first moments, or nobody would come through in a storm of logins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::clock::Monotonic;
use protocol::network::Network;
use tokio_util::sync::CancellationToken;

/// Of all permits, one network may hold at most one in so many.
const NETWORK_SHARE: usize = 8;
/// So long a client may be silent however many want to come in, milliseconds: a round trip, and less than a flood at the accept rate takes for all permits.
const PATIENCE_MS: u64 = 250;
/// Networks looked at for somebody who gives way, those with most silent clients first.
const NETWORKS_ASKED: usize = 8;

/// Hands out permits.
#[derive(Clone)]
pub(super) struct HandshakePermits(Arc<Pool>);

struct Pool {
    held: Mutex<Held>,
    all_max: usize,
    each_max: usize,
    exempt: Vec<Network>,
    patience_ms: u64,
    clock: Monotonic,
    /// What is counted when there is none, and when a network has its share.
    labels: [&'static str; 2],
}

// Outsiders choose these keys: an ordered map has no collisions to choose. None is longer than there are permits.
#[derive(Default)]
struct Held {
    next: u64,
    all: BTreeMap<u64, Holder>,
    of_networks: BTreeMap<Network, usize>,
    /// Whose clients are silent, by network; those without one have not said yet where they are.
    silent: BTreeMap<Option<Network>, BTreeSet<Silence>>,
    /// Networks of the silent: how many those are, and the longest silence.
    ranks: BTreeSet<(usize, Reverse<Silence>, Option<Network>)>,
}

/// Since when, milliseconds, and who.
type Silence = (u64, u64);

struct Holder {
    network: Option<Network>,
    is_exempt: bool,
    /// Of one that ever gives way.
    told: Option<CancellationToken>,
    silent_since_ms: Option<u64>,
}

/// The right to one handshake; given back when dropped.
pub(super) struct HandshakePermit {
    pool: Arc<Pool>,
    id: u64,
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

    /// Of sessions of WebTransport, likewise.
    pub(super) fn of_webtransport(all_max: usize, exempt: Vec<Network>) -> Self {
        let labels = ["webtransport_sessions", "webtransport_sessions_of_network"];
        Self::new(all_max, exempt, labels)
    }

    /// Of those who look at the map, likewise.
    pub(super) fn of_map(all_max: usize, exempt: Vec<Network>) -> Self {
        Self::new(all_max, exempt, ["map_viewers", "map_viewers_of_network"])
    }

    fn new(all_max: usize, exempt: Vec<Network>, labels: [&'static str; 2]) -> Self {
        Self(Arc::new(Pool {
            held: Mutex::default(),
            all_max,
            each_max: (all_max / NETWORK_SHARE).max(1),
            exempt,
            patience_ms: PATIENCE_MS,
            clock: Monotonic::default(),
            labels,
        }))
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
        let [none_left, _] = self.0.labels;
        let mut held = self.0.lock();
        if held.all.len() >= self.0.all_max && !held.fullest_gives_way(self.0.silent_before_ms()) {
            return Err(none_left);
        }
        let id = held.next;
        held.next += 1;
        let holder = Holder {
            network: None,
            is_exempt: false,
            told: None,
            silent_since_ms: None,
        };
        held.all.insert(id, holder);
        Ok(HandshakePermit {
            pool: Arc::clone(&self.0),
            id,
        })
    }

    /// They are at this address.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn name(
        &self,
        permit: HandshakePermit,
        from: IpAddr,
    ) -> Result<HandshakePermit, &'static str> {
        let [_, share_used] = self.0.labels;
        if self.0.exempt.iter().any(|network| network.holds(from)) {
            self.0.lock().exempt(permit.id);
            return Ok(permit);
        }
        let network = Network::of_client(from);
        let mut held = self.0.lock();
        let has = held.of_networks.get(&network).copied().unwrap_or(0);
        if has >= self.0.each_max && !held.one_gives_way(Some(network), self.0.silent_before_ms()) {
            // Whoever gives its permit back locks again.
            drop(held);
            return Err(share_used);
        }
        held.settle(permit.id, network);
        drop(held);
        Ok(permit)
    }
}

impl HandshakePermit {
    /// From now on it gives way to others while its client is silent: cancelled when it has to.
    pub(super) fn give_way(&self) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(holder) = self.pool.lock().all.get_mut(&self.id) {
            holder.told = Some(token.clone());
        }
        self.waits();
        token
    }

    /// It is the client's turn: nothing is done until it says something.
    pub(super) fn waits(&self) {
        let now_ms = self.pool.clock.now_ms();
        self.pool.lock().waits(self.id, now_ms);
    }

    /// The client has said something: whatever takes time now is not its fault.
    pub(super) fn heard(&self) {
        self.pool.lock().note(self.id, None);
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is silent since then gives way.
    fn silent_before_ms(&self) -> Option<u64> {
        self.clock.now_ms().checked_sub(self.patience_ms)
    }
}

impl Held {
    /// Somebody of the network that has most silent ones gives way; whether there was anybody.
    fn fullest_gives_way(&mut self, before_ms: Option<u64>) -> bool {
        let fullest = self.ranks.iter().rev().take(NETWORKS_ASKED);
        let is_long = |since_ms: u64| before_ms.is_some_and(|before_ms| since_ms <= before_ms);
        let mut long = fullest.filter(|(_, Reverse((since_ms, _)), _)| is_long(*since_ms));
        let network = long.next().map(|(_, _, network)| *network);
        network.is_some_and(|network| self.one_gives_way(network, before_ms))
    }

    /// Whoever of the network is silent longest gives way, if that is since before then.
    fn one_gives_way(&mut self, network: Option<Network>, before_ms: Option<u64>) -> bool {
        let longest = self.silent.get(&network).and_then(BTreeSet::first);
        let Some((_, id)) =
            longest.filter(|(since_ms, _)| before_ms.is_some_and(|before| *since_ms <= before))
        else {
            return false;
        };
        let holder = self.remove(*id);
        if let Some(token) = holder.and_then(|holder| holder.told) {
            token.cancel();
        }
        true
    }

    /// It is of this network.
    fn settle(&mut self, id: u64, network: Network) {
        let since_ms = self.note(id, None);
        let Some(holder) = self.all.get_mut(&id) else {
            return;
        };
        holder.network = Some(network);
        *self.of_networks.entry(network).or_default() += 1;
        self.note(id, since_ms);
    }

    fn exempt(&mut self, id: u64) {
        self.note(id, None);
        if let Some(holder) = self.all.get_mut(&id) {
            holder.is_exempt = true;
        }
    }

    fn waits(&mut self, id: u64, now_ms: u64) {
        let holder = self.all.get(&id);
        if holder.is_some_and(|holder| holder.told.is_some() && !holder.is_exempt) {
            self.note(id, Some(now_ms));
        }
    }

    /// Notes since when its client is silent, or that it is not; what was noted before.
    fn note(&mut self, id: u64, since_ms: Option<u64>) -> Option<u64> {
        let holder = self.all.get_mut(&id)?;
        let network = holder.network;
        let before = std::mem::replace(&mut holder.silent_since_ms, since_ms);
        let silent = self.silent.entry(network).or_default();
        let rank = |silent: &BTreeSet<Silence>| {
            let longest = silent.first()?;
            Some((silent.len(), Reverse(*longest), network))
        };
        if let Some(rank) = rank(silent) {
            self.ranks.remove(&rank);
        }
        if let Some(before_ms) = before {
            silent.remove(&(before_ms, id));
        }
        if let Some(since_ms) = since_ms {
            silent.insert((since_ms, id));
        }
        match rank(silent) {
            Some(rank) => drop(self.ranks.insert(rank)),
            None => drop(self.silent.remove(&network)),
        }
        before
    }

    fn remove(&mut self, id: u64) -> Option<Holder> {
        self.note(id, None);
        let holder = self.all.remove(&id)?;
        if let Some(network) = holder.network {
            match self.of_networks.get_mut(&network) {
                Some(held) if *held > 1 => *held -= 1,
                _ => drop(self.of_networks.remove(&network)),
            }
        }
        Some(holder)
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.pool.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Permits whose holders give way once they are silent for so long.
    fn permits_of(all_max: usize, exempt: &[&str], patience_ms: u64) -> HandshakePermits {
        let exempt = exempt.iter().map(|text| Network::parse(text).unwrap()).collect();
        let mut permits = HandshakePermits::of_handshakes(all_max, exempt);
        Arc::get_mut(&mut permits.0).unwrap().patience_ms = patience_ms;
        permits
    }

    fn silent_one(permits: &HandshakePermits, from: [u8; 4]) -> (HandshakePermit, CancellationToken) {
        let permit = permits.take(from.into()).unwrap();
        let way = permit.give_way();
        (permit, way)
    }

    fn is_empty(permits: &HandshakePermits) -> bool {
        let held = permits.0.lock();
        held.all.is_empty() && held.of_networks.is_empty() && held.silent.is_empty() && held.ranks.is_empty()
    }

    #[test]
    fn one_network_gets_its_share_others_theirs_and_all_is_given_back() {
        let permits = permits_of(16, &["127.0.0.0/8"], 0);
        let take = |from: &str| permits.take(from.parse().unwrap());
        let first = take("10.0.0.1").unwrap();
        let second = take("10.0.0.2").unwrap();
        assert_eq!(take("10.0.0.3").err(), Some("handshakes_pending_of_network"));
        let other = take("10.0.1.1").unwrap();
        drop(first);
        let again = take("10.0.0.3").unwrap();
        let exempt: Vec<_> = (0..13).map(|_| take("127.0.0.1").unwrap()).collect();
        assert_eq!(take("10.9.0.1").err(), Some("handshakes_pending"));
        drop(exempt);
        assert!(take("10.9.0.1").is_ok());
        drop((second, other, again));
        assert!(is_empty(&permits), "what is given back is forgotten");
    }

    #[test]
    fn the_longest_silent_of_the_fullest_network_gives_way_and_who_has_spoken_stays() {
        let permits = permits_of(24, &[], 0);
        let spoken = silent_one(&permits, [10, 0, 0, 1]);
        spoken.0.heard();
        let few: Vec<_> = (0..2).map(|_| silent_one(&permits, [10, 0, 0, 2])).collect();
        let nets = (1..8).flat_map(|net| (0..3).map(move |_| [10, 0, net, 1]));
        let flood: Vec<_> = nets.map(|from| silent_one(&permits, from)).collect();
        assert_eq!(permits.0.lock().all.len(), 24);
        // Seven networks are as full as each other: of those, who waits longest.
        let resumes = silent_one(&permits, [10, 9, 9, 9]);
        let gone: Vec<usize> = (0..21).filter(|at| flood[*at].1.is_cancelled()).collect();
        assert_eq!(gone, [0]);
        // Who had to go has no permit to give back.
        drop(flood);
        assert_eq!(permits.0.lock().all.len(), 4);
        let stay = [&spoken, &resumes, &few[0], &few[1]];
        assert!(stay.iter().all(|(_, way)| !way.is_cancelled()));
        // In a network that has its share one of its own gives way, and nobody else's.
        let next = silent_one(&permits, [10, 0, 0, 3]);
        assert!(few[0].1.is_cancelled() && !few[1].1.is_cancelled() && !next.1.is_cancelled());
        few[1].0.heard();
        next.0.heard();
        let another = || permits.take([10, 0, 0, 4].into());
        assert_eq!(another().err(), Some("handshakes_pending_of_network"));
        next.0.waits();
        assert!(another().is_ok() && next.1.is_cancelled(), "its turn again");
        drop((spoken, few, next, resumes));
        assert!(is_empty(&permits));
    }

    #[test]
    fn nobody_gives_way_at_once_or_out_of_an_exempt_network_or_that_has_not_said_it_would() {
        let patient = permits_of(8, &[], 60_000);
        let full: Vec<_> = (0..8).map(|net| silent_one(&patient, [10, 0, net, 1])).collect();
        assert_eq!(
            patient.take([10, 9, 0, 1].into()).err(),
            Some("handshakes_pending")
        );
        drop(full);
        let permits = permits_of(8, &["127.0.0.0/8"], 0);
        let exempt: Vec<_> = (0..7).map(|_| silent_one(&permits, [127, 0, 0, 1])).collect();
        // It is not known yet whose it is, and then it is.
        let held = permits.hold().unwrap();
        assert_eq!(permits.hold().err(), Some("handshakes_pending"));
        let way = held.give_way();
        let held = permits.name(held, [127, 0, 0, 1].into()).unwrap();
        assert_eq!(permits.hold().err(), Some("handshakes_pending"));
        assert!(exempt.iter().all(|(_, way)| !way.is_cancelled()) && !way.is_cancelled());
        drop((exempt, held));
        let held: Vec<_> = (0..8).map(|_| permits.hold().unwrap()).collect();
        let ways: Vec<_> = held.iter().map(HandshakePermit::give_way).collect();
        let _named = permits.take([10, 0, 0, 1].into()).unwrap();
        assert!(ways[0].is_cancelled() && !ways[1].is_cancelled());
    }
}
