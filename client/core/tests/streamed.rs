//! A whole client over byte streams, against a scripted proxy: bytes in any pieces, other proxies, and what waits meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod scripted_proxy;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use client_core::{
    ClientEvent, ConnectOptions, ConnectionError, Datagrams, Ended, Now, StreamEffect, StreamedClient,
    StreamedEvent,
};
use protocol::Code;
use protocol::client_handshake::{ClientTrust, Credentials};
use protocol::entropy::CountingEntropy;
use protocol::identity::AuthorityKeys;
use protocol::ids::UserId;
use protocol::limits;
use protocol::message::client;
use protocol::message::family::ClientToProxy;
use protocol::message::player::CommandClass;
use scripted_proxy::{CLUSTER, Proxy, WALL_MS, at, authority};

fn options(proxies: &[u16]) -> ConnectOptions {
    ConnectOptions {
        proxies: proxies.iter().map(|port| at(*port)).collect(),
        trust: ClientTrust {
            auth: Default::default(),
            authorities: AuthorityKeys::new(authority().public()),
            cluster_id: CLUSTER,
        },
        credentials: Credentials::Guest { name: "ada".into() },
        datagrams: Datagrams::Off,
    }
}

/// A client, a network that carries its bytes in pieces of three, and one proxy at a time.
struct Scene {
    client: StreamedClient,
    proxy: Proxy,
    now: Now,
    asked: VecDeque<SocketAddr>,
    entropy: CountingEntropy,
}

impl Scene {
    fn new(proxies: &[u16]) -> Self {
        Self::of(|now, entropy| StreamedClient::new(options(proxies), entropy, now))
    }

    fn of(make: impl FnOnce(Now, &mut CountingEntropy) -> StreamedClient) -> Self {
        let now = Now {
            ms: 1_000,
            wall_ms: WALL_MS,
        };
        let mut entropy = CountingEntropy(1);
        let mut scene = Self {
            client: make(now, &mut entropy),
            proxy: Proxy::new(None),
            now,
            asked: VecDeque::new(),
            entropy,
        };
        scene.exchange();
        scene
    }

    /// Carries bytes to and fro until there are none.
    fn exchange(&mut self) {
        loop {
            let mut effects = Vec::new();
            self.client.take_effects(&mut effects);
            for effect in effects {
                match effect {
                    StreamEffect::Connect(proxy) => self.asked.push_back(proxy),
                    StreamEffect::Send(bytes) => self.proxy.hear(&bytes),
                    StreamEffect::Datagram(_) | StreamEffect::Hang => {}
                }
            }
            let said = std::mem::take(&mut self.proxy.says);
            if said.is_empty() {
                return;
            }
            said.chunks(3)
                .for_each(|piece| self.client.received(piece, self.now));
        }
    }

    /// The connection that was asked for opens, at this proxy.
    fn opens(&mut self, proxy: Proxy) -> SocketAddr {
        self.proxy = proxy;
        let asked = self.asked.pop_front().unwrap();
        self.client.connected(self.now, &mut self.entropy);
        self.exchange();
        asked
    }

    fn lost(&mut self) {
        self.client.lost(ConnectionError::Eof, self.now, 0);
        self.exchange();
    }

    fn passes(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.now.ms += 50;
            self.client.tick(self.now, 0);
            self.exchange();
        }
    }

    fn events(&mut self) -> Vec<StreamedEvent> {
        std::iter::from_fn(|| self.client.next_event()).collect()
    }

    fn was_lost(&mut self) -> bool {
        let is_lost = |event: &StreamedEvent| matches!(event, StreamedEvent::Lost(_));
        self.events().iter().any(is_lost)
    }

    fn over(&mut self) -> Ended {
        let last = self.events().pop();
        let Some(StreamedEvent::Over(ended)) = last else {
            panic!("{last:?} is no end")
        };
        ended
    }
}

fn world() -> client::World {
    client::World {
        width: 64,
        height: 64,
        cell_size: 32,
        view_rings: 1,
        far_rings: 0,
        tick_hz: 20,
        regions: Vec::new(),
        game: "scripted".to_owned(),
        game_version: 1,
    }
}

fn event(number: u64) -> client::Event {
    client::Event {
        number,
        body: Bytes::from_static(b"boo"),
    }
}

fn names(heard: &[ClientToProxy]) -> Vec<&'static str> {
    let name = |message: &ClientToProxy| match message {
        ClientToProxy::Attach(_) => "attach",
        ClientToProxy::Input(_) => "input",
        ClientToProxy::Command(_) => "command",
        ClientToProxy::EventAck(_) => "event ack",
        ClientToProxy::Logout(_) => "logout",
        ClientToProxy::Ping(_) => "ping",
    };
    heard.iter().map(name).collect()
}

#[test]
fn bytes_in_any_pieces_bring_the_player_in_and_tell_what_happens() {
    let mut scene = Scene::new(&[1]);
    assert_eq!(scene.opens(Proxy::new(None)), at(1));
    assert_eq!(scene.events(), [StreamedEvent::Attached(at(1))]);
    assert_eq!(scene.client.session().unwrap().user(), UserId(5));
    scene.proxy.say(world());
    scene.proxy.say(event(4));
    scene.exchange();
    assert!(scene.client.core().unwrap().world().is_some());
    let [StreamedEvent::Client(ClientEvent::Event(number, body))] = &scene.events()[..] else {
        panic!("one event was said")
    };
    assert_eq!((number.0, &body[..]), (4, &b"boo"[..]));
    assert_eq!(
        scene.client.send_input(Bytes::from_static(b"e"), scene.now),
        Some(1)
    );
    scene.client.send_logout(scene.now);
    scene.exchange();
    assert_eq!(
        names(&scene.proxy.heard),
        ["attach", "event ack", "input", "logout"]
    );
}

#[test]
fn a_lost_player_comes_back_with_its_ticket_and_says_nothing_before_its_attach() {
    let mut scene = Scene::new(&[1, 2]);
    scene.opens(Proxy::new(None));
    scene.proxy.say(world());
    let sent = scene
        .client
        .send_command(CommandClass::Durable, Bytes::from_static(b"c"), scene.now);
    assert_eq!(sent.unwrap().unwrap().0, 1);
    scene.exchange();
    scene.events();
    scene.lost();
    let [StreamedEvent::Lost(ended)] = &scene.events()[..] else {
        panic!("it was lost")
    };
    assert_eq!(ended.code, None);
    scene
        .client
        .send_input(Bytes::from_static(b"meanwhile"), scene.now);
    scene.passes(100);
    assert_eq!(scene.opens(Proxy::new(None)), at(2));
    let login = scene.proxy.login.take().unwrap();
    assert!(
        matches!(login.credentials, Credentials::Ticket { .. }),
        "{login:?}"
    );
    assert_eq!(login.attach_no.0, 2);
    assert_eq!(names(&scene.proxy.heard), ["attach", "command"]);
    let attached = StreamedEvent::Attached(at(2));
    let resumed = StreamedEvent::Client(ClientEvent::Resumed { attach_no: 2 });
    let events = scene.events();
    assert!(
        events.contains(&attached) && events.contains(&resumed),
        "{events:?}"
    );
}

#[test]
fn another_client_goes_on_as_the_same_player_where_one_was_given_up() {
    let mut scene = Scene::new(&[1, 2]);
    scene.opens(Proxy::new(None));
    scene.proxy.say(world());
    scene.proxy.say(event(4));
    for body in ["one", "two", "three"] {
        let sent = scene
            .client
            .send_command(CommandClass::Durable, Bytes::from(body), scene.now);
        sent.unwrap().unwrap();
    }
    scene.proxy.say(client::CommandAck { number: 1 });
    scene.client.send_input(Bytes::from_static(b"e"), scene.now);
    scene.exchange();
    let kept = scene.client.session().unwrap().keep();
    let first = scene.proxy.login.take().unwrap();

    let mut next = Scene::of(|now, _| StreamedClient::going_on(&options(&[1, 2]), &kept, now).unwrap());
    assert_eq!(next.opens(Proxy::new(None)), at(1));
    let login = next.proxy.login.take().unwrap();
    let Credentials::Ticket { name, .. } = &login.credentials else {
        panic!("{login:?} is no resume")
    };
    assert_eq!((name.as_str(), login.attach_no.0), ("ada", 2));
    assert_eq!(login.client, first.client, "by the same key");
    assert_eq!(names(&next.proxy.heard), ["attach", "command", "command"]);
    let [ClientToProxy::Attach(attach), ClientToProxy::Command(two), _] = &next.proxy.heard[..] else {
        panic!("it says what is not acknowledged")
    };
    assert_eq!((attach.acked_command, attach.acked_event), (1, 4));
    assert_eq!((two.number, &two.body[..]), (2, &b"two"[..]));
    next.proxy.say(world());
    next.exchange();
    let input = next.client.send_input(Bytes::from_static(b"w"), next.now);
    assert!(input.unwrap() > 1, "numbers of inputs go on");
    let sent = next
        .client
        .send_command(CommandClass::Soft, Bytes::new(), next.now);
    assert_eq!(sent.unwrap().unwrap().0, 4);
    let resumed = StreamedEvent::Client(ClientEvent::Resumed { attach_no: 2 });
    assert!(next.events().contains(&resumed));
}

#[test]
fn what_was_kept_of_a_session_is_read_whole_or_not_at_all() {
    let mut scene = Scene::new(&[1]);
    scene.opens(Proxy::new(None));
    let sent = scene
        .client
        .send_command(CommandClass::Soft, Bytes::from_static(b"c"), scene.now);
    sent.unwrap().unwrap();
    let kept = scene.client.session().unwrap().keep();
    let read = |bytes: &[u8]| StreamedClient::going_on(&options(&[1]), bytes, scene.now).is_ok();
    assert!(read(&kept));
    // Without its commands it is a session as well.
    let whole = [kept.len(), kept.len() - 4];
    for cut in 0..=kept.len() {
        assert_eq!(read(&kept[..cut]), whole.contains(&cut), "{cut}");
    }
    let other = [&[9], &kept[1..]].concat();
    assert!(!read(&other), "of another version");
    assert!(StreamedClient::going_on(&options(&[]), &kept, scene.now).is_err());
}

#[test]
fn a_login_goes_on_to_the_next_proxy_after_what_passes_and_ends_at_what_is_for_good() {
    let mut scene = Scene::new(&[1, 2, 3]);
    scene.lost();
    assert_eq!(scene.asked, [at(1), at(2)]);
    scene.asked.pop_front();
    scene.opens(Proxy::new(Some(Code::Full)));
    assert_eq!(scene.asked, [at(3)]);
    scene.opens(Proxy::new(Some(Code::NameIllegal)));
    assert_eq!(scene.over().code, Some(Code::NameIllegal));
    scene.passes(10_000);
    assert!(scene.asked.is_empty() && scene.events().is_empty());

    let mut scene = Scene::new(&[1, 2]);
    scene.opens(Proxy::new(Some(Code::Full)));
    scene.lost();
    let ended = scene.over();
    assert_eq!(
        ended.code,
        Some(Code::Full),
        "it says more than silence: {ended:?}"
    );
}

#[test]
fn a_proxy_that_does_not_answer_or_falls_silent_is_given_up() {
    let mut scene = Scene::new(&[1, 2]);
    scene.passes(limits::CLIENT_HANDSHAKE_MS_MAX - 50);
    assert_eq!(scene.asked, [at(1)]);
    scene.passes(50);
    assert_eq!(scene.asked, [at(1), at(2)]);
    scene.asked.pop_front();
    scene.opens(Proxy::new(None));
    scene.events();
    scene.passes(limits::PROXY_SILENCE_MS_MAX + 100);
    assert_eq!(scene.asked, [at(1)], "the other one first");
    assert!(scene.was_lost());
}

#[test]
fn who_finds_no_proxy_pauses_between_rounds_and_gives_up_when_the_player_is_gone() {
    let mut scene = Scene::new(&[1]);
    scene.opens(Proxy::new(None));
    scene.lost();
    let mut tries = 0;
    for _ in 0..800 {
        while scene.asked.pop_front().is_some() {
            tries += 1;
            scene.lost();
        }
        scene.passes(50);
    }
    assert!((20..60).contains(&tries), "{tries} tries in 40 s");
    assert!(matches!(scene.events().pop(), Some(StreamedEvent::Over(_))));
}

#[test]
fn bytes_that_are_no_frame_end_the_connection_only() {
    let mut scene = Scene::new(&[1, 2]);
    scene.opens(Proxy::new(None));
    scene.events();
    scene.client.received(&[0xff; 80], scene.now);
    scene.exchange();
    assert!(scene.was_lost());
    assert_eq!(scene.opens(Proxy::new(None)), at(2));
    assert!(scene.events().contains(&StreamedEvent::Attached(at(2))));
}
