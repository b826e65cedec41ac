//! A world, a store, and proxies and peers at the other end of its links, under a made-up clock.

mod briefs;
mod circles;
mod drain;
mod late_events;
mod peers;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use demo::DemoRules;
use game::GameLogic;
use net::link::LinkId;
use net::link_core::{Clear, DownReason, LinkCore, LinkLife, Received};
use protocol::Code;
use protocol::frame::PeerClock;
use protocol::ids::{Incarnation, Lane, Lanes, LiveLane, NodeNumber, ProxyLane, RegionEpoch, RegionNumber};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::player::Join;
use protocol::message::subscription::{Subscribe, Unsubscribe};
use protocol::node_handshake::LinkTerms;
use store::simulated::{Condition, SimulatedStore};
use store::{StoreReply, StoreRequest};
use topology::Topology;

use super::*;
use crate::join_check::JoinError;
use crate::process_numbers::ProcessNumbers;
use crate::region::{MakeRules, NoClock, RegionConfig};

const OWN: NodeNumber = NodeNumber(1);
const PEER: NodeNumber = NodeNumber(2);
const EDGE: NodeNumber = NodeNumber(101);
const TICK_US: u64 = 50_000;

type ProxyEnd = LinkCore<ServerToProxy, ProxyToServer, Clear>;
type PeerEnd = LinkCore<ServerToServer, ServerToServer, Clear>;

/// A row of square regions, each on the server named for it.
fn row(servers: &[&str]) -> Arc<Topology> {
    let grid = format!(
        "[grid]\ncolumns = {}\nrows = 1\nservers = {servers:?}\n",
        servers.len()
    );
    world_of(servers, &grid)
}

/// Two square regions, the first on a, the second on b; if so, each server stands by for the other one.
fn pair(stand_by: bool) -> Arc<Topology> {
    let regions = [("a", "b", 0), ("b", "a", 64)].map(|(server, other, west)| {
        let standby: &[&str] = if stand_by { &[other] } else { &[] };
        format!(
            "[[region]]\nname = \"{server}\"\nnumber = {}\nmin = [{west}, 0]\nmax = [{}, 64]\nserver = \"{server}\"\nstandby = {standby:?}\n",
            1 + west / 64,
            west + 64
        )
    });
    world_of(&["a", "b"], &regions.concat())
}

/// A world of so many squares side by side, cut into these regions.
fn world_of(servers: &[&str], regions: &str) -> Arc<Topology> {
    let mut text = format!(
        "[world]\nname = \"w\"\nsize = [{}, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[proxy]]\nname = \"p\"\nnumber = 101\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n",
        64 * servers.len()
    );
    for (name, number) in [("a", OWN), ("b", PEER)] {
        if servers.contains(&name) {
            text += &format!(
                "[[server]]\nname = \"{name}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
            );
        }
    }
    text += regions;
    Arc::new(topology::parse("t", &text).unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

struct Scene {
    world: World<Clear>,
    store: SimulatedStore,
    now: Moment,
    /// What the world wanted of its process since the last look, but for the store.
    wanted: Vec<WorldEffect>,
    /// The kernel takes nothing.
    is_stuck: bool,
    /// What it has taken, by link.
    taken: BTreeMap<LinkId, Vec<u8>>,
    epochs: BTreeMap<RegionNumber, RegionEpoch>,
    /// Of which regions the store was asked who serves them.
    asked_about: Vec<u32>,
    /// What the store does not answer yet, while it does not.
    held: Option<Vec<(QuestionId, StoreRequest)>>,
}

impl Scene {
    fn new() -> Self {
        Self::of(row(&["a", "a"]))
    }

    fn of(topology: Arc<Topology>) -> Self {
        Self::playing(topology, || Box::new(DemoRules::with_creatures(2)))
    }

    fn playing(
        topology: Arc<Topology>,
        game: impl Fn() -> Box<dyn GameLogic> + Send + Sync + 'static,
    ) -> Self {
        let game: MakeRules = Arc::new(game);
        let mut store = SimulatedStore::default();
        store.leave_out(Condition::Session);
        let mut epochs = BTreeMap::new();
        let numbers = ProcessNumbers::new(OWN, Incarnation(1));
        let regions = topology.regions_of(OWN).map(|region| {
            let request = StoreRequest::ServeRegion {
                region: region.number,
                node: OWN,
                after: None,
            };
            let Ok(StoreReply::Serving(epoch)) = store.apply(&request) else {
                panic!("nobody else serves it");
            };
            epochs.insert(region.number, epoch);
            let config = RegionConfig::new(region.number, epoch, numbers.clone(), Arc::clone(&topology));
            Region::new(config, Arc::clone(&game)).unwrap()
        });
        let regions = regions.collect();
        let now = Moment {
            // Not at the start of a period, nor are ticks.
            mono_us: 1_020_000,
            wall_ms: 1_700_000_000_000,
        };
        let world = World::new(OWN, topology, regions, now);
        let mut scene = Self {
            world,
            store,
            now,
            wanted: Vec::new(),
            is_stuck: false,
            taken: BTreeMap::new(),
            epochs,
            asked_about: Vec::new(),
            held: None,
        };
        scene.settle();
        scene
    }

    /// The store answers at once; the rest waits to be looked at.
    fn settle(&mut self) {
        let mut effects = Vec::new();
        loop {
            self.world.take_effects(&mut effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects.drain(..) {
                match effect {
                    WorldEffect::Ask(id, request) => match &mut self.held {
                        Some(held) => held.push((id, request)),
                        None => self.answer(id, &request),
                    },
                    other => self.wanted.push(other),
                }
            }
        }
    }

    fn answer(&mut self, id: QuestionId, request: &StoreRequest) {
        if let StoreRequest::ReadService { region } = request {
            self.asked_about.push(region.0);
        }
        let result = self.store.apply(request);
        self.world.store_answer(id, result, self.now);
    }

    /// Time passes; how many ticks were made.
    fn pass(&mut self, ms: u64) -> usize {
        let end_us = self.now.mono_us + ms * 1000;
        let mut ticks = 0;
        while let Some(due_us) = self.world.due_us(self.now).filter(|due_us| *due_us <= end_us) {
            let step_us = due_us.max(self.now.mono_us) - self.now.mono_us;
            self.now.mono_us += step_us;
            self.now.wall_ms += step_us / 1000;
            if self.world.tick_region(self.now, &mut NoClock).is_some() {
                ticks += 1;
            } else {
                self.world.tick_links(self.now);
            }
            self.settle();
            self.answer_beats();
            self.take();
        }
        self.now.mono_us = end_us;
        ticks
    }

    /// The kernel takes what waits on all links.
    fn take(&mut self) {
        let links: Vec<LinkId> = self.world.link_reports().iter().map(|(id, _)| *id).collect();
        for id in links.into_iter().filter(|_| !self.is_stuck) {
            self.world.flush(id, self.now);
            let bytes = self.world.unsent(id).to_vec();
            self.world.wrote(id, bytes.len());
            self.taken.entry(id).or_default().extend(bytes);
        }
    }

    fn answer_beats(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        for effect in wanted {
            match effect {
                WorldEffect::Beat(id, heartbeat) => self.world.beat(id, heartbeat),
                other => self.wanted.push(other),
            }
        }
    }

    fn life(&self) -> LinkLife {
        LinkLife {
            terms: LinkTerms {
                heartbeat_ms: 500,
                dead_ms: 65_000,
                ..LinkTerms::default()
            },
            peer_clock: PeerClock {
                wall_ms: self.now.wall_ms,
                at_ms: self.now.mono_us / 1000,
            },
            until_wall_ms: i64::MAX,
        }
    }

    fn proxy_up(&mut self, id: u64, start: u64) -> ProxyEnd {
        let core = LinkCore::new(Clear::default(), self.life(), self.now);
        self.world.proxy_up(LinkId(id), arriving(start), core, self.now);
        self.settle();
        LinkCore::new(Clear::default(), self.life(), self.now)
    }

    fn peer_up(&mut self, id: u64) -> PeerEnd {
        let arriving = ArrivingPeer {
            node: PEER,
            side: Side::Accepted,
            initiator: Incarnation(1),
        };
        let core = LinkCore::new(Clear::default(), self.life(), self.now);
        self.world.peer_up(LinkId(id), arriving, core, self.now);
        self.settle();
        LinkCore::new(Clear::default(), self.life(), self.now)
    }

    /// What a peer has said by its own clocks arrives.
    fn hear(&mut self, id: u64, end: &mut PeerEnd, theirs: Moment) {
        end.flush(theirs);
        let bytes = end.unsent().to_vec();
        end.wrote(bytes.len());
        self.world.receive(LinkId(id), &bytes, self.now);
        self.settle();
    }

    fn says(&mut self, id: u64, end: &mut ProxyEnd, message: impl Into<ProxyToServer>) {
        end.push(&message.into());
        end.flush(self.now);
        let bytes = end.unsent().to_vec();
        end.wrote(bytes.len());
        self.world.receive(LinkId(id), &bytes, self.now);
        self.settle();
    }

    /// What the kernel has taken of a link, as its other end hears it.
    fn hears(&mut self, id: u64, end: &mut ProxyEnd) -> Vec<ServerToProxy> {
        self.take();
        end.receive(&self.taken.remove(&LinkId(id)).unwrap_or_default());
        let mut heard = Vec::new();
        while let Ok(Some(received)) = end.next(self.now) {
            if let Received::Message(message) = received {
                heard.push(message);
            }
        }
        heard
    }

    fn subscribe(&self, region: u32, cells: Vec<u32>) -> Subscribe {
        Subscribe {
            region,
            region_epoch: self.epochs[&RegionNumber(region)].0,
            cells,
        }
    }

    fn ended(&self) -> Vec<(u64, DownReason)> {
        let ended = self.wanted.iter().filter_map(|effect| match effect {
            WorldEffect::LinkEnded(id, reason, _) => Some((id.0, *reason)),
            _ => None,
        });
        ended.collect()
    }

    fn counts(&self, label: &str) -> usize {
        let counted = |effect: &&WorldEffect| matches!(effect, WorldEffect::Count(it) if *it == label);
        self.wanted.iter().filter(counted).count()
    }
}

fn arriving(start: u64) -> ArrivingLane {
    let at = ProxyLane {
        node: EDGE,
        lane: Lane::FIRST,
    };
    ArrivingLane {
        lane: LiveLane {
            at,
            incarnation: Incarnation(start),
        },
        lanes: Lanes::ONE,
    }
}

fn ticks_of(heard: &[ServerToProxy], region: u32) -> usize {
    let is_end =
        |message: &&ServerToProxy| matches!(message, ServerToProxy::TickEnd(end) if end.region == region);
    heard.iter().filter(is_end).count()
}

fn cells_of(heard: &[ServerToProxy]) -> usize {
    let cells = heard.iter().map(|message| match message {
        ServerToProxy::CellUpdates(updates) => updates.cells.len(),
        _ => 0,
    });
    cells.sum()
}

#[test]
fn a_lane_hears_which_regions_are_served_and_then_only_what_it_asked_for() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    let serving = scene.hears(7, &mut proxy);
    let served = serving
        .iter()
        .filter(|message| matches!(message, ServerToProxy::Serving(_)));
    assert_eq!(served.count(), 2);
    let subscribe = scene.subscribe(1, vec![0, 1, 4]);
    scene.says(7, &mut proxy, subscribe);
    scene.pass(200);
    let heard = scene.hears(7, &mut proxy);
    assert!(cells_of(&heard) >= 3, "keyframes of all");
    assert!(ticks_of(&heard, 1) >= 3 && ticks_of(&heard, 2) == 0);
}

#[test]
fn regions_of_a_process_tick_in_one_go_and_in_one_period_however_long_that_takes() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    // They wake up, and then each owes a keyframe.
    for _ in 0..2 {
        scene.pass(200);
        scene.hears(7, &mut proxy);
        for (region, cell) in [(1, 0), (2, 2)] {
            let subscribe = scene.subscribe(region, vec![cell]);
            scene.says(7, &mut proxy, subscribe);
        }
    }
    let due_us = scene.world.slots.due_us().unwrap();
    let ticks_at = |scene: &mut Scene, mono_us| {
        scene.now.mono_us = mono_us;
        scene.world.tick_region(scene.now, &mut NoClock).is_some()
    };
    assert!(ticks_at(&mut scene, due_us));
    // Nothing of what the first one said has left when the second one's turn comes, in the next period of the clock.
    let late_us = (due_us / TICK_US + 1) * TICK_US;
    assert!(ticks_at(&mut scene, late_us));
    assert!(!ticks_at(&mut scene, late_us));
    let heard = scene.hears(7, &mut proxy);
    assert_eq!((ticks_of(&heard, 1), ticks_of(&heard, 2)), (1, 1));
    assert!(heard.iter().any(|message| matches!(
        message,
        ServerToProxy::CellUpdates(updates) if updates.region == 2
    )));
}

#[test]
fn who_does_not_take_a_tick_is_told_of_none_until_it_does() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    scene.hears(7, &mut proxy);
    let subscribe = scene.subscribe(1, vec![0, 1, 4, 5]);
    scene.says(7, &mut proxy, subscribe);
    scene.pass(100);
    scene.hears(7, &mut proxy);
    scene.is_stuck = true;
    scene.pass(100);
    let before = scene.world.link_reports()[0].1.sight.waiting_bytes;
    scene.pass(30_000);
    let after = scene.world.link_reports()[0].1.sight.waiting_bytes;
    assert!(
        after - before < 600 * 64,
        "only that ticks are over: {before} → {after}"
    );
    scene.is_stuck = false;
    let late = scene.hears(7, &mut proxy);
    assert!(
        cells_of(&late) <= 8,
        "what moved meanwhile was not queued: {}",
        cells_of(&late)
    );
    scene.pass(100);
    assert!(
        cells_of(&scene.hears(7, &mut proxy)) > 0,
        "and is told as soon as there is room"
    );
}

#[test]
fn the_newer_link_of_a_lane_wins_and_an_older_start_is_refused() {
    let mut scene = Scene::new();
    scene.proxy_up(7, 2);
    scene.proxy_up(8, 2);
    assert_eq!(scene.ended(), [(7, DownReason::Closed(Code::DuplicateLink))]);
    scene.proxy_up(9, 1);
    assert_eq!(scene.ended()[1..], [(9, DownReason::Closed(Code::DuplicateLink))]);
    let links: Vec<_> = scene.world.link_reports().iter().map(|(id, _)| id.0).collect();
    assert_eq!(links, [8]);
}

#[test]
fn a_verdict_for_a_link_that_is_gone_is_dropped_and_a_refusal_is_told() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    scene.hears(7, &mut proxy);
    let join = Join {
        user: 5,
        ..Join::default()
    };
    scene.says(7, &mut proxy, join.clone());
    assert!(matches!(scene.wanted.pop(), Some(WorldEffect::Verify(LinkId(7), asked)) if asked == join));
    let refused = || Err(JoinError::OtherUser);
    scene.world.join_verified(LinkId(7), &join, refused(), scene.now);
    let heard = scene.hears(7, &mut proxy);
    assert!(matches!(&heard[..], [ServerToProxy::JoinRefused(refused)] if refused.user == 5));
    scene.world.broke(LinkId(7), "eof", scene.now);
    scene.settle();
    let before = scene.counts("join_other_user");
    scene.world.join_verified(LinkId(7), &join, refused(), scene.now);
    scene.settle();
    assert_eq!(scene.counts("join_other_user"), before);
}

#[test]
fn what_a_stranger_to_the_protocol_says_ends_its_link_alone() {
    let mut scene = Scene::new();
    scene.proxy_up(7, 1);
    let mut bytes = Vec::new();
    ServerToServer::from(protocol::message::handover::Commit::default()).encode(&mut bytes);
    let mut frame = Vec::new();
    Sealing::seal(
        &mut Clear::default(),
        protocol::frame::FrameType::Batch,
        scene.now,
        &mut frame,
        |out| out.extend_from_slice(&bytes),
    )
    .unwrap();
    scene.world.receive(LinkId(7), &frame, scene.now);
    scene.settle();
    assert_eq!(scene.ended(), [(7, DownReason::Broken("family_denied"))]);
    scene.pass(TICK_US / 1000);
}
