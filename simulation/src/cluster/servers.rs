//! The shell of a game server as far as the simulation needs one: it carries messages to regions and effects away.

use gameserver::dispatch::Addressee;
use gameserver::join_check;
use gameserver::region::{NoClock, Now, RegionEffect, RegionInput};
use protocol::identity::Clock;
use protocol::ids::{LiveLane, NodeNumber, RegionNumber};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToServer};

use super::event::{Asker, Event, Local, Parcel};
use super::state::{Cluster, Phase, WALL_MS};
use crate::links::End;
use crate::world::{CLUSTER, uuid_of};

/// A tick, microseconds.
const TICK_US: u64 = 50_000;

impl Cluster {
    pub(super) fn now(&self) -> Now {
        Now {
            mono_ms: self.now_ms(),
            wall_ms: WALL_MS + self.now_ms(),
        }
    }

    pub(super) fn tick(&mut self, node: NodeNumber, life: u32, number: RegionNumber) {
        let now = self.now();
        let mut rooms = self.rooms(node);
        let Some(server) = self.servers.get_mut(&node).filter(|server| server.life == life) else {
            return;
        };
        let Some(region) = server.regions.get_mut(&number) else {
            return;
        };
        region.tick(now, &mut NoClock, &mut rooms);
        self.schedule.after(TICK_US, Event::Tick(node, life, number));
        self.after_region(node, number);
    }

    pub(super) fn each_region(&mut self, node: NodeNumber, input: &RegionInput) {
        let Some(server) = self.servers.get(&node).filter(|server| server.phase == Phase::Up) else {
            return;
        };
        let regions: Vec<RegionNumber> = server.regions.keys().copied().collect();
        for region in regions {
            self.region_input(node, region, input.clone());
        }
    }

    pub(super) fn region_input(&mut self, node: NodeNumber, number: RegionNumber, input: RegionInput) {
        let now = self.now();
        let region = self
            .servers
            .get_mut(&node)
            .and_then(|server| server.regions.get_mut(&number));
        if let Some(region) = region {
            region.handle(input, now);
            self.after_region(node, number);
        }
    }

    fn after_region(&mut self, node: NodeNumber, number: RegionNumber) {
        let Some(server) = self.servers.get_mut(&node) else {
            return;
        };
        let life = server.life;
        let Some(region) = server.regions.get_mut(&number) else {
            return;
        };
        let effects = region.take_effects();
        for applied in self.record.take() {
            let generation = region
                .player(applied.user)
                .map(|player| player.binding.session_generation);
            self.checks.applied(&applied, generation);
        }
        self.check_region(node, number);
        for effect in effects {
            self.region_effect(node, life, number, effect);
        }
    }

    fn region_effect(&mut self, node: NodeNumber, life: u32, number: RegionNumber, effect: RegionEffect) {
        match effect {
            RegionEffect::ToProxy(lane, message) => {
                if let Some(link) = self.link(lane.node, node) {
                    self.send(link, End::Dialer, Parcel::Up(message));
                }
            }
            RegionEffect::ToServer(to, message) if to == node => {
                self.trace.encoded(|out| message.encode(out));
                self.schedule
                    .after(20, Event::Local(node, life, Local::Peer(message)));
            }
            RegionEffect::ToServer(to, message) => self.send_peer(node, to, message),
            RegionEffect::Store(ticket, request) => {
                let asker = Asker::Region {
                    server: node,
                    life,
                    region: number,
                    ticket,
                };
                self.ask(asker, request);
            }
            RegionEffect::PlayerHere(user) => {
                if let Some(server) = self.servers.get_mut(&node) {
                    server.directory.here(user, number);
                }
            }
            RegionEffect::PlayerExpected(user) => {
                if let Some(server) = self.servers.get_mut(&node) {
                    server.directory.expected(user, number);
                }
            }
            RegionEffect::PlayerPassed(user) => {
                if let Some(server) = self.servers.get_mut(&node) {
                    server.directory.passed(user, number);
                }
            }
            RegionEffect::PlayerGone(user) => {
                if let Some(server) = self.servers.get_mut(&node) {
                    server.directory.gone(user, number);
                }
            }
            RegionEffect::ForwardJoin(region, lane, join) => {
                let local = Local::Join(region, lane, join);
                self.schedule.after(20, Event::Local(node, life, local));
            }
            RegionEffect::Superseded => self.checks.fail(format!(
                "region {number} was taken from the only process that serves it"
            )),
            RegionEffect::Count(label) => {
                let now_us = self.now_us();
                self.trace
                    .line(now_us, || format!("  region {number} counts {label}"));
                *self.counts.entry(label).or_default() += 1;
            }
        }
    }

    pub(super) fn local(&mut self, node: NodeNumber, life: u32, local: Local) {
        if self.servers.get(&node).is_none_or(|server| server.life != life) {
            return;
        }
        match local {
            Local::Peer(message) => self.server_hears_peer(node, node, message),
            Local::Join(region, lane, join) => {
                self.region_input(node, region, RegionInput::Join(lane, join));
            }
        }
    }

    pub(super) fn server_hears_peer(&mut self, node: NodeNumber, from: NodeNumber, message: ServerToServer) {
        let Some(server) = self.servers.get(&node) else {
            return;
        };
        match server.directory.peer_message(&message) {
            Addressee::Region(region) => {
                self.region_input(node, region, RegionInput::FromPeer(from, message));
            }
            Addressee::Every => self.each_region(node, &RegionInput::FromPeer(from, message)),
            Addressee::Shell | Addressee::Nobody => {}
        }
    }

    pub(super) fn server_hears_proxy(&mut self, node: NodeNumber, lane: LiveLane, message: ProxyToServer) {
        let clock = Clock::of_node(WALL_MS + self.now_ms());
        let Some(server) = self.servers.get(&node) else {
            return;
        };
        if let ProxyToServer::Join(join) = &message {
            let keys = &self.keys;
            let verified = join_check::verify(
                join,
                uuid_of(lane.node()),
                CLUSTER,
                |uuid| keys.issuer(uuid),
                clock,
            );
            return match verified {
                Ok((join, hint)) => {
                    if let Some(region) = server.directory.join(join.user, hint) {
                        self.region_input(node, region, RegionInput::Join(lane, join));
                    }
                }
                Err(error) => self.checks.fail(format!("an honest join is refused: {error}")),
            };
        }
        match server.directory.proxy_message(&message) {
            Addressee::Region(region) => {
                self.region_input(node, region, RegionInput::FromProxy(lane, message));
            }
            Addressee::Every => self.each_region(node, &RegionInput::FromProxy(lane, message)),
            Addressee::Shell | Addressee::Nobody => {}
        }
    }

    /// H1: at most one region has a player at an epoch, the one that the row names, and nobody is ahead of the row.
    fn check_region(&mut self, node: NodeNumber, number: RegionNumber) {
        let region = self
            .servers
            .get(&node)
            .and_then(|server| server.regions.get(&number));
        let Some(region) = region else { return };
        let mut wrong = None;
        for player in region.players() {
            let row = self.checks.row(player.user);
            if row.is_none_or(|row| row.owner_epoch < player.epoch) {
                wrong = Some(format!(
                    "H1: region {number} has a player ahead of its row: {player:?}, {row:?}"
                ));
            }
            let is_anothers = |row: &&store::PlayerRow| {
                row.owner_epoch == player.epoch && (row.owner != Some(node) || row.region != number)
            };
            if let Some(row) = row.filter(is_anothers).filter(|_| player.is_active) {
                wrong = Some(format!(
                    "H1: region {number} simulates a player that is not its own: {player:?}, {row:?}"
                ));
            }
            let others = self.servers.values().flat_map(|server| server.regions.values());
            for other in others.filter(|other| other.number() != number) {
                let twin = other.player(player.user);
                if twin.as_ref().is_some_and(|twin| twin.epoch == player.epoch) {
                    wrong = Some(format!(
                        "H1: regions {number} and {} both have {player:?}",
                        other.number()
                    ));
                } else if player.is_active && twin.as_ref().is_some_and(|twin| twin.is_active) {
                    wrong = Some(format!(
                        "H4: regions {number} and {} simulate {player:?} and {twin:?}",
                        other.number()
                    ));
                }
            }
        }
        if let Some(wrong) = wrong {
            self.checks.fail(wrong);
        }
    }
}
