//! A bot with the smallest proxy between itself and the servers: it follows `Moved` and repeats commands, and it
//! notices when a server breaks its word.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use protocol::geometry::Position;
use protocol::ids::*;
use protocol::message::family::ServerToProxy;
use protocol::message::player::{Command, CommandClass, EventAck, Inputs};

use super::super::player::chain;
use super::super::*;
use super::scene::*;

/// A bot with the smallest proxy between itself and the servers: it follows `Moved`, and repeats commands.
pub(super) struct Bot {
    pub(super) user: UserId,
    pub(super) node: NodeNumber,
    pub(super) epoch: OwnerEpoch,
    /// The generation of its session.
    pub(super) login: u64,
    pub(super) input: u64,
    pub(super) command: u64,
    pub(super) acked: u64,
    pub(super) input_ack: u64,
    pub(super) unacked: VecDeque<(u64, CommandClass, Bytes)>,
    pub(super) chain: [u8; 32],
    pub(super) events: Vec<demo::Event>,
    /// Bodies by number: a number is never used twice.
    bodies: BTreeMap<u64, Bytes>,
    pub(super) heard_at_ms: u64,
    read: usize,
}

impl Bot {
    /// A new user, in the world at a place in region `A`'s quarter or wherever it says.
    pub(super) fn join(scene: &mut Scene, user: u64, x: f32, y: f32) -> Self {
        let read = scene.heard.len();
        let at = scene.spawn_point(UserId(user));
        let first = scene.topology.region_at(at).number;
        let region = scene.topology.region_at(Position { x, y }).number;
        // The first row is made where the user's hash says; then the row is moved to where the test wants it.
        scene.input(first, RegionInput::Join(PROXY, join(user, 1, 1)));
        scene.settle();
        scene.assert_owned_once(UserId(user));
        if first != region {
            scene.place_anywhere(first, region, UserId(user), x, y);
        } else {
            scene.place(region, UserId(user), x, y);
        }
        let epoch = scene.player(region, UserId(user)).epoch;
        Self {
            user: UserId(user),
            node: scene.topology.region(region).unwrap().server,
            epoch,
            login: 1,
            input: 0,
            command: 0,
            acked: 0,
            input_ack: 0,
            unacked: VecDeque::new(),
            chain: [0; 32],
            events: Vec::new(),
            bodies: BTreeMap::new(),
            heard_at_ms: scene.now.mono_ms,
            read: read.max(scene.heard.len()),
        }
    }

    pub(super) fn walk(&mut self, scene: &mut Scene, heading: u8, speed: u8) {
        self.input += 1;
        let inputs = Inputs {
            user: self.user.0,
            owner_epoch: self.epoch.0,
            number: self.input,
            inputs: vec![demo::Input { heading, speed }.encode().to_vec().into()],
        };
        scene.proxy_says(self.node, PROXY, inputs);
    }

    pub(super) fn command(&mut self, scene: &mut Scene, command: &demo::Command) {
        self.command += 1;
        let class = if command.is_durable() {
            CommandClass::Durable
        } else {
            CommandClass::Soft
        };
        let body = command.encode();
        self.chain = chain(&self.chain, self.command, &body);
        self.unacked.push_back((self.command, class, body));
        self.send(scene, self.command);
    }

    fn send(&self, scene: &mut Scene, from: u64) {
        for (number, class, body) in self.unacked.iter().filter(|(number, ..)| *number >= from) {
            let command = Command {
                user: self.user.0,
                owner_epoch: self.epoch.0,
                number: *number,
                class: *class as i32,
                body: body.clone(),
                session_generation: self.login,
            };
            scene.proxy_says(self.node, PROXY, command);
        }
    }

    /// Hears what its proxy heard, and does what a proxy does.
    pub(super) fn listen(&mut self, scene: &mut Scene) {
        let new: Vec<_> = scene.heard[self.read.min(scene.heard.len())..].to_vec();
        self.read = scene.heard.len();
        for (node, _, message) in new {
            match message {
                ServerToProxy::Moved(moved)
                    if moved.user == self.user.0 && moved.from_epoch == self.epoch.0 =>
                {
                    self.node = NodeNumber(moved.node as u16);
                    self.epoch = OwnerEpoch(moved.owner_epoch);
                    self.send(scene, 0);
                }
                ServerToProxy::Output(output)
                    if output.user == self.user.0 && output.owner_epoch == self.epoch.0 =>
                {
                    assert_eq!(node, self.node, "output from somebody else");
                    assert!(
                        output.input_ack >= self.input_ack,
                        "acknowledged inputs went back"
                    );
                    self.input_ack = output.input_ack;
                    self.heard_at_ms = scene.now.mono_ms;
                }
                ServerToProxy::CommandAck(ack) if ack.user == self.user.0 => {
                    self.acked = self.acked.max(ack.number);
                    self.unacked.retain(|(number, ..)| *number > ack.number);
                }
                ServerToProxy::Event(event)
                    if event.user == self.user.0 && event.owner_epoch == self.epoch.0 =>
                {
                    self.take_event(event.number, event.body);
                }
                ServerToProxy::Joined(joined)
                    if joined.user == self.user.0 && joined.owner_epoch >= self.epoch.0 =>
                {
                    (self.node, self.epoch) = (node, OwnerEpoch(joined.owner_epoch));
                    // After a crash the row may be a second behind; a proxy hides that from its client.
                    self.input_ack = self.input_ack.min(joined.last_input);
                    self.send(scene, 0);
                }
                _ => {}
            }
        }
    }

    fn take_event(&mut self, number: u64, body: Bytes) {
        match self.bodies.get(&number) {
            Some(before) => assert_eq!(*before, body, "event {number} was another one"),
            None => {
                self.events.push(demo::Event::parse(&body).unwrap());
                self.bodies.insert(number, body);
            }
        }
    }

    /// Repeats what is not acknowledged; after a silence, asks the row for the owner and joins there.
    pub(super) fn insist(&mut self, scene: &mut Scene) {
        if scene.now.mono_ms - self.heard_at_ms > 1_000 {
            let row = scene.row(self.user);
            let again = VerifiedJoin {
                acked_command: CommandNumber(self.acked),
                acked_event: EventNumber(self.bodies.keys().next_back().copied().unwrap_or(0)),
                ..join(self.user.0, 1, 1)
            };
            scene.input(row.region, RegionInput::Join(PROXY, again));
            scene.settle();
            self.heard_at_ms = scene.now.mono_ms;
        }
        self.send(scene, 0);
    }

    /// Acknowledges the events it has.
    pub(super) fn acknowledge(&self, scene: &mut Scene) {
        let number = self.bodies.keys().next_back().copied().unwrap_or(0);
        self.acknowledge_up_to(scene, number);
    }

    pub(super) fn acknowledge_up_to(&self, scene: &mut Scene, number: u64) {
        let ack = EventAck {
            user: self.user.0,
            owner_epoch: self.epoch.0,
            number,
            session_generation: self.login,
        };
        scene.proxy_says(self.node, PROXY, ack);
    }

    /// Ticks and listens.
    pub(super) fn live(&mut self, scene: &mut Scene, ms: u64) {
        for _ in 0..ms.div_ceil(TICK_MS) {
            scene.tick();
            self.listen(scene);
        }
    }
}

impl Scene {
    /// Moves a fresh player to another region by the store, as an operator would: for setting scenes only.
    fn place_anywhere(&mut self, from: RegionNumber, to: RegionNumber, user: UserId, x: f32, y: f32) {
        let target = Position { x, y };
        for _ in 0..4 {
            let region = self.active(user)[0].0;
            if region == to {
                break;
            }
            let rect = self.topology.region(region).unwrap().rect;
            let aim = self.topology.region(to).unwrap().rect;
            // One axis at a time, over the nearest border.
            let at = self.active(user)[0].2;
            let step = if rect.min[0] == aim.min[0] {
                Position {
                    x: at.x,
                    y: if aim.min[1] > rect.min[1] { 129.4 } else { 126.6 },
                }
            } else {
                Position {
                    x: if aim.min[0] > rect.min[0] { 129.4 } else { 126.6 },
                    y: at.y,
                }
            };
            self.place(region, user, step.x, step.y);
            self.tick();
            self.tick();
        }
        assert_eq!(self.active(user)[0].0, to, "from {from}");
        self.place(to, user, target.x, target.y);
    }
}
