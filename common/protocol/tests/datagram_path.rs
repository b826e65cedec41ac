//! Which address gets data, and when a client turns to TCP: both machines under a made-up clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use std::net::SocketAddr;

use protocol::datagram::{
    BIND_PAUSE_MS, BIND_PAYLOAD, BIND_REPEAT_MS, CHALLENGE_PAUSE_MS, CHALLENGE_VALID_MS, ClientPath,
    DatagramKind, Opened, PathEffect, PathToken, PathValidator, SNAPSHOT_SILENCE_MS, Transport,
};
use protocol::entropy::CountingEntropy;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 4000))
}

/// A proxy's path and everything a client may send to it.
struct Proxy {
    path: PathValidator,
    entropy: CountingEntropy,
    now_ms: u64,
}

impl Proxy {
    fn new() -> Self {
        Self {
            path: PathValidator::default(),
            entropy: CountingEntropy(1),
            now_ms: 10_000,
        }
    }

    fn receive(&mut self, from: SocketAddr, kind: DatagramKind, plain: &[u8], is_newest: bool) -> PathEffect {
        let opened = Opened {
            kind,
            number: 1,
            is_newest,
            plain,
        };
        self.path
            .handle_datagram(from, &opened, self.now_ms, &mut self.entropy)
    }

    fn data(&mut self, from: SocketAddr) -> PathEffect {
        self.receive(from, DatagramKind::Data, &[0; 40], true)
    }

    fn challenged(&mut self, from: SocketAddr, kind: DatagramKind) -> PathToken {
        match self.receive(from, kind, &BIND_PAYLOAD, true) {
            PathEffect::Challenge { to, token } if to == from => token,
            other => panic!("{other:?} instead of a challenge to {from}"),
        }
    }

    fn respond(&mut self, from: SocketAddr, token: PathToken) -> PathEffect {
        self.receive(from, DatagramKind::Response, &token.0, true)
    }

    /// A proxy that sends to this address.
    fn bound_to(from: SocketAddr) -> Self {
        let mut proxy = Self::new();
        let token = proxy.challenged(from, DatagramKind::Bind);
        assert_eq!(proxy.respond(from, token), PathEffect::Adopted(from));
        proxy.now_ms += CHALLENGE_PAUSE_MS;
        proxy
    }
}

#[test]
fn dg_10_data_flows_only_after_the_response() {
    let mut proxy = Proxy::new();
    let token = proxy.challenged(address(1), DatagramKind::Bind);
    assert_eq!(proxy.path.address(), None);
    assert_eq!(proxy.respond(address(1), PathToken([0; 8])), PathEffect::None);
    assert_eq!(
        proxy.respond(address(2), token),
        PathEffect::None,
        "answered from elsewhere"
    );
    assert_eq!(proxy.path.address(), None);
    assert_eq!(proxy.respond(address(1), token), PathEffect::Adopted(address(1)));
    assert_eq!(proxy.path.address(), Some(address(1)));
    assert_eq!(proxy.respond(address(1), token), PathEffect::None, "once");
}

#[test]
fn dg_11_a_challenge_is_never_larger_than_what_came() {
    let mut proxy = Proxy::new();
    for length in 0..8 {
        for kind in [DatagramKind::Bind, DatagramKind::Data] {
            let effect = proxy.receive(address(1), kind, &BIND_PAYLOAD[..length], true);
            assert_eq!(effect, PathEffect::None, "{length} bytes");
        }
    }
    assert!(proxy.challenged(address(1), DatagramKind::Bind).0.len() <= BIND_PAYLOAD.len());
}

#[test]
fn dg_12_a_challenge_is_valid_for_three_seconds() {
    let mut proxy = Proxy::new();
    let token = proxy.challenged(address(1), DatagramKind::Bind);
    proxy.now_ms += CHALLENGE_VALID_MS + 1;
    assert_eq!(proxy.respond(address(1), token), PathEffect::None);
    let token = proxy.challenged(address(1), DatagramKind::Bind);
    proxy.now_ms += CHALLENGE_VALID_MS;
    assert_eq!(proxy.respond(address(1), token), PathEffect::Adopted(address(1)));
}

#[test]
fn dg_13_a_new_address_is_validated_and_the_old_one_used_until_then() {
    let mut proxy = Proxy::bound_to(address(1));
    assert_eq!(proxy.data(address(1)), PathEffect::None);
    let token = proxy.challenged(address(2), DatagramKind::Data);
    assert_eq!(proxy.path.address(), Some(address(1)));
    assert_eq!(proxy.data(address(1)), PathEffect::None);
    assert_eq!(proxy.respond(address(2), token), PathEffect::Adopted(address(2)));
    assert_eq!(proxy.path.address(), Some(address(2)));
}

#[test]
fn dg_13_only_the_highest_number_moves_an_address() {
    let mut proxy = Proxy::bound_to(address(1));
    let late = proxy.receive(address(2), DatagramKind::Data, &[0; 40], false);
    assert_eq!(late, PathEffect::None);
    proxy.challenged(address(2), DatagramKind::Data);
}

#[test]
fn dg_14_challenges_come_at_most_once_a_second() {
    let mut proxy = Proxy::new();
    proxy.challenged(address(1), DatagramKind::Bind);
    for last in 2..=200 {
        assert_eq!(proxy.data(address(last)), PathEffect::None);
        proxy.now_ms += 5;
    }
    proxy.now_ms += 5;
    proxy.challenged(address(3), DatagramKind::Data);
}

#[test]
fn dg_15_a_client_that_turned_to_tcp_gets_nothing_until_it_binds_again() {
    let mut proxy = Proxy::bound_to(address(1));
    proxy.path.forget();
    assert_eq!(proxy.path.address(), None);
    let token = proxy.challenged(address(1), DatagramKind::Bind);
    assert_eq!(proxy.respond(address(1), token), PathEffect::Adopted(address(1)));
}

/// The times at which the client binds in the next `for_ms` milliseconds.
fn binds(path: &mut ClientPath, from_ms: u64, for_ms: u64) -> Vec<u64> {
    (from_ms..from_ms + for_ms)
        .filter(|now_ms| path.tick(*now_ms))
        .collect()
}

#[test]
fn dg_16_a_client_binds_four_times_and_then_every_thirty_seconds() {
    let mut path = ClientPath::new(100);
    let first = [0, 1, 2, 3].map(|nth| 100 + nth * BIND_REPEAT_MS);
    let later = [1, 2].map(|nth| first[3] + nth * BIND_PAUSE_MS);
    assert_eq!(binds(&mut path, 0, 90_000), [first.as_slice(), &later].concat());
    assert_eq!(path.transport(), Transport::Tcp);
}

#[test]
fn dg_17_snapshots_keep_datagrams_alive_and_two_silent_seconds_end_them() {
    let mut path = ClientPath::new(0);
    assert!(path.tick(0));
    path.handle_snapshot(5);
    assert_eq!(path.transport(), Transport::Tcp, "the way there is not shown");
    path.handle_challenge(10);
    assert_eq!(path.transport(), Transport::Udp);
    path.handle_snapshot(1000);
    assert_eq!(binds(&mut path, 10, 990 + SNAPSHOT_SILENCE_MS), []);
    assert_eq!(path.transport(), Transport::Udp);
    let lost_at = 1000 + SNAPSHOT_SILENCE_MS;
    assert_eq!(
        binds(&mut path, lost_at, 600),
        [lost_at, lost_at + BIND_REPEAT_MS]
    );
    assert_eq!(path.transport(), Transport::Tcp);
}
