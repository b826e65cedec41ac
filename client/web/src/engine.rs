//! The core between a worker's WebSocket, its WebTransport and its page.

use bytes::Bytes;
use client_core::{
    ClientEvent, ConnectOptions, ConnectionError, Datagrams, Ended, Now, OwnSighting, Prediction,
    StreamEffect, StreamedClient, StreamedEvent, WorldShape,
};
use protocol::client_handshake::Credentials;
use protocol::datagram::Transport;
use protocol::entropy;
use protocol::geometry::Position;
use protocol::ids::EntityId;
use protocol::message::player::CommandClass;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::frame::{Delay, Frame, Told};
use crate::host::{Crypto, Host};
use crate::join;

/// One player's client. `now_ms` is `performance.now()`, `wall_ms` is `Date.now()`.
#[wasm_bindgen]
pub struct Engine {
    client: StreamedClient,
    host: Host,
    proxies: Vec<std::net::SocketAddr>,
    shape: Option<WorldShape>,
    told: Told,
    delay: Delay,
    entity: EntityId,
    /// Where in the own state the player's place is: two f32, x first.
    place_at: Option<usize>,
    prediction: Option<Prediction>,
    tick: u64,
}

#[wasm_bindgen]
impl Engine {
    /// Goes on with the session that was `kept`, or begins to log in as a guest where that is empty or unreadable. `cluster_id`, `key`, `next_key` and the addresses `tcp` are what `join.json` says;
    /// `is_device`: what was kept is too old to go on with, and its key may be known as a device of its user.
    /// `place_at` is where in the game's own state the player's place is (two f32, x first), −1: nothing is foretold then.
    ///
    /// # Errors
    /// What is wrong with the fields, for people.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments, reason = "one call over the border to JavaScript")]
    pub fn new(
        host: Host,
        cluster_id: &str,
        key: &str,
        next_key: &str,
        tcp: Vec<String>,
        name: String,
        kept: &[u8],
        is_device: bool,
        place_at: i32,
        now_ms: f64,
        wall_ms: f64,
    ) -> Result<Self, String> {
        let places = tcp.into_iter().enumerate();
        let proxies: Vec<_> = places.map(|(place, tcp)| join::address(&tcp, place)).collect();
        let options = ConnectOptions {
            proxies: proxies.clone(),
            trust: join::trust(cluster_id, key, next_key)?,
            credentials: Credentials::Guest { name },
            datagrams: Datagrams::Allowed,
        };
        let now = now(now_ms, wall_ms);
        let going_on = match is_device {
            true => StreamedClient::of_device(options.clone(), kept, now),
            false => StreamedClient::going_on(&options, kept, now),
        };
        let client = going_on.unwrap_or_else(|_| StreamedClient::new(options, &mut Crypto, now));
        let mut engine = Self {
            client,
            host,
            proxies,
            shape: None,
            told: Told::default(),
            delay: Delay::default(),
            entity: EntityId(0),
            place_at: usize::try_from(place_at).ok(),
            prediction: None,
            tick: 0,
        };
        engine.carry_out();
        Ok(engine)
    }

    /// The connection that was asked for is open.
    pub fn connected(&mut self, now_ms: f64, wall_ms: f64) {
        self.client.connected(now(now_ms, wall_ms), &mut Crypto);
        self.carry_out();
    }

    /// Bytes came on it.
    pub fn received(&mut self, bytes: &[u8], now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.received(bytes, now);
        self.tell(now);
    }

    /// Something carries datagrams to the proxy that has let the player in.
    pub fn datagrams_open(&mut self, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.datagrams_open(now);
        self.tell(now);
    }

    /// Nothing does any more.
    pub fn datagrams_gone(&mut self, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.datagrams_gone(now);
        self.tell(now);
    }

    /// A datagram came.
    pub fn received_datagram(&mut self, mut datagram: Vec<u8>, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.received_datagram(&mut datagram, now);
        self.tell(now);
    }

    /// It could not be opened, or is closed.
    pub fn lost(&mut self, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.lost(ConnectionError::Eof, now, random());
        self.tell(now);
    }

    /// The proxy takes nothing any more.
    pub fn stuck(&mut self, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.lost(ConnectionError::Stuck, now, random());
        self.tell(now);
    }

    /// Moves time, at least twenty times a second.
    pub fn tick(&mut self, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        self.client.tick(now, random());
        self.tell(now);
    }

    /// Sends an input, with which the player walks so many units a second to the east and to the south.
    pub fn input(&mut self, bytes: Vec<u8>, east: f32, south: f32, now_ms: f64, wall_ms: f64) {
        let now = now(now_ms, wall_ms);
        let number = self.client.send_input(Bytes::from(bytes), now);
        if let (Some(number), Some(prediction)) = (number, &mut self.prediction) {
            prediction.walks(number, (east, south), now.ms);
        }
        self.carry_out();
    }

    /// Sends a command. Its number, by which it is acknowledged.
    ///
    /// # Errors
    /// Why it is not sent, for people.
    pub fn command(
        &mut self,
        bytes: Vec<u8>,
        is_durable: bool,
        now_ms: f64,
        wall_ms: f64,
    ) -> Result<f64, String> {
        let class = if is_durable {
            CommandClass::Durable
        } else {
            CommandClass::Soft
        };
        let sent = self
            .client
            .send_command(class, Bytes::from(bytes), now(now_ms, wall_ms));
        self.carry_out();
        match sent {
            None => Err("the player is not in the world yet".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(number)) => Ok(number.0 as f64),
        }
    }

    /// All that another engine needs to go on as this player; empty while nobody has let it in.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        self.client
            .session()
            .map_or_else(Vec::new, |session| session.keep())
    }

    /// News are to come no oftener than this, milliseconds; 0: as often as there are any.
    pub fn pace(&mut self, pace_ms: u32) {
        self.client.set_pace(pace_ms);
        self.delay = Delay::default();
    }

    /// Leaves the world for good.
    pub fn leave(&mut self, now_ms: f64, wall_ms: f64) {
        self.client.send_logout(now(now_ms, wall_ms));
        self.carry_out();
    }

    /// Where everybody is now.
    #[must_use]
    pub fn frame(&self, now_ms: f64) -> Frame {
        let now_ms = now_ms as u64;
        let own = self
            .prediction
            .as_ref()
            .and_then(|prediction| prediction.position_at(now_ms));
        let world = self.client.core().and_then(|core| core.world());
        let delay_ms = self.delay.ms(self.tick_ms());
        Frame::new(world, self.entity, own, now_ms, delay_ms)
    }

    /// The newest round trip to the proxy, milliseconds; NaN while none is known.
    #[must_use]
    pub fn round_trip_ms(&self) -> f64 {
        let known = self.client.core().and_then(|core| core.round_trip_ms());
        known.map_or(f64::NAN, |ms| ms as f64)
    }

    /// How far off the newest own state found the drawn player, units.
    #[must_use]
    pub fn error_units(&self) -> f32 {
        self.prediction.as_ref().map_or(0.0, Prediction::error_units)
    }

    /// How far behind others are drawn, milliseconds.
    #[must_use]
    pub fn delay_ms(&self) -> f64 {
        self.delay.ms(self.tick_ms()) as f64
    }

    /// Bytes sent and received, handshakes aside.
    #[must_use]
    pub fn traffic(&self) -> Vec<f64> {
        let traffic = self.client.session().map(|session| session.traffic);
        traffic.map_or_else(Vec::new, |traffic| {
            vec![traffic.up_bytes as f64, traffic.down_bytes as f64]
        })
    }
}

impl Engine {
    fn tick_ms(&self) -> f32 {
        let hz = self.shape.as_ref().map_or(20, |shape| shape.tick_hz.max(1));
        1_000.0 / hz as f32
    }

    /// Does what the client wants done, and says what happened.
    fn tell(&mut self, now: Now) {
        self.carry_out();
        self.describe_world();
        let mut is_new = false;
        while let Some(event) = self.client.next_event() {
            is_new |= matches!(event, StreamedEvent::Client(ClientEvent::Snapshot(_)));
            self.tell_event(event, now);
        }
        let world = self.client.core().and_then(|core| core.world());
        if let Some(world) = world.filter(|_| is_new) {
            self.told.tell(world, &self.host);
        }
    }

    fn carry_out(&mut self) {
        let mut effects = Vec::new();
        self.client.take_effects(&mut effects);
        for effect in effects {
            match effect {
                StreamEffect::Connect(proxy) => self.host.connect(self.place(proxy)),
                StreamEffect::Send(bytes) => self.host.send(&bytes),
                StreamEffect::Datagram(bytes) => self.host.datagram(&bytes),
                StreamEffect::Hang => self.host.hang(),
            }
        }
    }

    /// The proxy's place in the list; −1: it is known by its address only.
    fn place(&self, proxy: std::net::SocketAddr) -> i32 {
        let place = self.proxies.iter().position(|known| *known == proxy);
        place.map_or(-1, |place| place as i32)
    }

    fn describe_world(&mut self) {
        let shape = self
            .client
            .core()
            .and_then(|core| core.world())
            .map(|world| world.shape());
        let Some(shape) = shape.filter(|shape| self.shape.as_ref() != Some(*shape)) else {
            return;
        };
        let WorldShape {
            grid,
            view_rings,
            tick_hz,
            ..
        } = *shape;
        let (width, height) = (grid.columns * grid.cell_size, grid.rows * grid.cell_size);
        self.host
            .world(width, height, grid.cell_size, view_rings, tick_hz, &shape.regions);
        self.prediction = self.place_at.map(|_| Prediction::new([width, height], tick_hz));
        self.shape = Some(shape.clone());
    }

    fn tell_event(&mut self, event: StreamedEvent, now: Now) {
        let host = &self.host;
        match event {
            StreamedEvent::Attached(proxy) => {
                let user = self.client.session().map_or(0, |session| session.user().0);
                host.attached(self.place(proxy), user);
            }
            StreamedEvent::Lost(ended) => host.lost(number(&ended), &ended.text),
            StreamedEvent::Over(ended) => host.over(number(&ended), &ended.text),
            StreamedEvent::Client(event) => self.tell_client_event(event, now),
        }
    }

    fn tell_client_event(&mut self, event: ClientEvent, now: Now) {
        match event {
            ClientEvent::Playing {
                entity,
                owner_epoch,
                region,
                node,
            } => {
                self.entity = entity;
                self.host
                    .playing(entity.0, owner_epoch.0, region.0, u32::from(node.0));
            }
            ClientEvent::Snapshot(news) => {
                self.delay.note_snapshot(now.ms, self.tick_ms());
                if !news.own_is_new {
                    return;
                }
                self.tick = news.tick;
                let place = self.place_at.and_then(|at| place(&news.own, at));
                if let (Some(at), Some(prediction)) = (place, &mut self.prediction) {
                    let seen = OwnSighting {
                        at,
                        input_ack: news.input_ack,
                        tick: news.tick,
                        owner_epoch: news.owner_epoch,
                    };
                    prediction.reconcile(seen, now.ms);
                }
                self.host.own(&news.own, news.tick as f64, news.input_ack as f64);
            }
            ClientEvent::CommandAcked(command) => self.host.acked(command.0 as f64),
            ClientEvent::Event(_, body) => self.host.event(&body),
            ClientEvent::News { region, to_all, body } => self.host.news(region.0, to_all, &body),
            ClientEvent::Notice(code, text) => self.host.notice(i32::from(code.number()), &text),
            ClientEvent::Resumed { attach_no } => self.host.resumed(attach_no),
            ClientEvent::Transport(now) => self.host.transport(now == Transport::Udp),
        }
    }
}

/// Holds this client against a script of `common/protocol/vectors`: how many lines it kept.
///
/// # Errors
/// The first line that it did not keep.
#[cfg(feature = "conformance")]
#[wasm_bindgen]
pub fn check(script: &str) -> Result<usize, String> {
    client_core::conformance::check(script)
}

fn now(now_ms: f64, wall_ms: f64) -> Now {
    Now {
        ms: now_ms as u64,
        wall_ms: wall_ms as u64,
    }
}

fn random() -> u64 {
    u64::from_le_bytes(entropy::array(&mut Crypto))
}

fn number(ended: &Ended) -> i32 {
    ended.code.map_or(-1, |code| i32::from(code.number()))
}

fn place(own: &[u8], at: usize) -> Option<Position> {
    let number = |at: usize| {
        own.get(at..at + 4)?
            .first_chunk()
            .map(|bytes| f32::from_le_bytes(*bytes))
    };
    Some(Position {
        x: number(at)?,
        y: number(at + 4)?,
    })
}
