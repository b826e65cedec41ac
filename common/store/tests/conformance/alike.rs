//! Whatever sequence of requests comes: the simulated store answers exactly as a real one does.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocol::ids::*;
use store::request::{DurableCommit, ForgottenGuest};
use store::*;

use crate::creatures::creature;
use crate::scene::*;
use crate::valuables::id;

/// Small numbers, so that rightful and wrongful requests are about equally likely.
#[derive(Clone, Copy, Debug)]
struct Draw {
    kind: u8,
    user: u8,
    node: u8,
    region: u8,
    epoch: u8,
    version: u8,
    session: u8,
    holding: u8,
}

fn draw() -> impl Strategy<Value = Draw> {
    (
        0..20_u8,
        0..3_u8,
        1..3_u8,
        1..3_u8,
        0..4_u8,
        0..4_u8,
        0..3_u8,
        0..4_u8,
    )
        .prop_map(
            |(kind, user, node, region, epoch, version, session, holding)| Draw {
                kind,
                user,
                node,
                region,
                epoch,
                version,
                session,
                holding,
            },
        )
}

impl Draw {
    fn request(self, step: u64) -> StoreRequest {
        let user = self.user();
        match self.kind {
            0..=6 => self.ownership(step),
            7 => StoreRequest::SavePlayers {
                owner: self.node(),
                saves: vec![self.save(step)],
            },
            8 | 9 => StoreRequest::CommitDurable {
                serving: self.serving(),
                commits: vec![DurableCommit {
                    save: self.save(step),
                    changes: match self.holding {
                        3 => vec![self.change(), self.valuable()],
                        2 => vec![self.change()],
                        _ => vec![self.valuable()],
                    },
                }],
            },
            17 => self.counting(),
            18 | 19 => self.herding(step),
            10 => StoreRequest::Release {
                serving: self.serving(),
                save: self.save(step),
            },
            11 => StoreRequest::RebindSession {
                serving: self.serving(),
                save: self.save(step),
            },
            12 if self.version == 0 => StoreRequest::RaiseStoreGeneration,
            12 if self.version == 1 => self.forgetting(),
            12 if self.version == 2 => self.closing(),
            12 => StoreRequest::RaiseSession { user },
            14..=16 => self.leasing(),
            _ if self.version == 0 => StoreRequest::ReadService {
                region: self.region(),
            },
            _ if self.version == 1 => self.session(step),
            _ => StoreRequest::LoadPlayer { user },
        }
    }

    /// Of sessions, and who has overdue offers.
    fn session(self, step: u64) -> StoreRequest {
        let (user, generation) = (self.user(), self.save(step).body.binding.session_generation);
        match self.epoch {
            0 => StoreRequest::RaiseSession { user },
            1 => StoreRequest::EndSession { user, generation },
            2 => StoreRequest::ExtendSession { user, generation },
            _ => StoreRequest::OverdueOffers { since_ms: 0 },
        }
    }

    /// Requests that change who serves a region or owns a player.
    fn ownership(self, step: u64) -> StoreRequest {
        let (user, serving, save) = (self.user(), self.serving(), self.save(step));
        match self.kind {
            0 if self.version == 0 => StoreRequest::ServeRegion {
                region: self.region(),
                node: self.node(),
                after: (self.epoch > 0).then_some(RegionEpoch(1 << 48 | u64::from(self.epoch))),
            },
            0..=2 => StoreRequest::InsertPlayer {
                row: row(user, serving),
            },
            3 | 4 => StoreRequest::Activate {
                user,
                serving,
                expected: save.owner_epoch,
                binding: save.body.binding,
            },
            5 => StoreRequest::PassPlayers {
                from: Serving {
                    region: [WEST, EAST][step as usize % 2],
                    ..serving
                },
                to: serving,
                attempt: AttemptId(step),
                passengers: self.passengers(save),
            },
            _ => StoreRequest::Reclaim {
                user,
                serving,
                expected: save.owner_epoch,
            },
        }
    }

    fn forgetting(self) -> StoreRequest {
        let after = (self.user > 1).then(|| self.user());
        match self.session {
            0 => StoreRequest::StaleGuests { idle_ms: 0, after },
            1 => StoreRequest::ForgetSessions { idle_ms: 0, after },
            _ => StoreRequest::ForgetGuests {
                serving: self.serving(),
                idle_ms: 0,
                guests: vec![ForgottenGuest {
                    user: self.user(),
                    owner_epoch: OwnerEpoch(1 << 48 | u64::from(self.epoch + 1)),
                    x: 0.5,
                    y: 0.25,
                }],
            },
        }
    }

    /// Requests about leases, most often those of the nodes that serve.
    fn leasing(self) -> StoreRequest {
        let lease = |node| Lease {
            node,
            incarnation: Incarnation(if self.version == 3 { 2 } else { 1 }),
        };
        match (self.kind, self.session) {
            (14, 0) if self.version == 0 => StoreRequest::StartNode { node: self.node() },
            (14, 0) => StoreRequest::ReadHolder {
                region: self.region(),
            },
            (14, _) => StoreRequest::RenewLease {
                lease: lease(self.node()),
            },
            (15, session) => StoreRequest::TakeOver {
                taker: lease(self.node()),
                holder: RegionHolder {
                    service: self.serving(),
                    since: Incarnation(if self.epoch == 3 { 2 } else { 1 }),
                    newest: Incarnation(1),
                    lease: (session > 0).then(|| LiveLease {
                        incarnation: Incarnation(1),
                        beat: u64::from(self.epoch),
                    }),
                },
            },
            _ => StoreRequest::GiveRegion {
                from: self.serving(),
                to: self.node(),
            },
        }
    }

    fn closing(self) -> StoreRequest {
        match self.session {
            0 => return StoreRequest::RegionsInUse,
            1 => {
                return StoreRequest::NoteTopology {
                    version: TopologyVersion(self.version.into()),
                };
            }
            _ => {}
        }
        StoreRequest::CloseRegion {
            serving: self.serving(),
            ground: vec![(u64::from(self.holding), RegionNumber(u32::from(self.session)))],
        }
    }

    fn user(self) -> UserId {
        UserId((1 << 40) + u64::from(self.user))
    }

    fn node(self) -> NodeNumber {
        NodeNumber(u16::from(self.node))
    }

    fn region(self) -> RegionNumber {
        RegionNumber(u32::from(self.region))
    }

    /// Mostly as `A` serves `WEST` and `B` serves `EAST`, or hardly any player would ever come to be.
    fn serving(self) -> Serving {
        let served = if self.version == 3 { 2 } else { 1 };
        Serving {
            node: if self.holding == 3 {
                self.node()
            } else {
                NodeNumber(u16::from(self.region))
            },
            region: self.region(),
            region_epoch: RegionEpoch(1 << 48 | served),
        }
    }

    fn save(self, step: u64) -> PlayerSave {
        let mut body = body(u64::from(self.version));
        body.binding.session_generation = SessionGeneration(1 << 48 | u64::from(1 + self.session / 2));
        PlayerSave {
            user: self.user(),
            owner_epoch: OwnerEpoch(1 << 48 | u64::from(self.epoch + 1)),
            version: StateVersion(step / 4 + u64::from(self.version)),
            body,
        }
    }

    /// One, or a group of two.
    fn passengers(self, save: PlayerSave) -> Vec<PlayerSave> {
        let second = PlayerSave {
            user: UserId((1 << 40) + u64::from(self.holding)),
            ..save.clone()
        };
        if self.session == 0 {
            vec![save, second]
        } else {
            vec![save]
        }
    }

    fn counting(self) -> StoreRequest {
        let holding = id(self.serving().node, u64::from(self.holding));
        let of = match self.user {
            0 => StateOf::World,
            _ => StateOf::Region(self.region()),
        };
        let change = match self.session {
            0 if self.version == 0 => return StoreRequest::CountHoldings,
            0 if self.version == 1 => return StoreRequest::ReadGameState { of, after: 0 },
            0 => {
                return StoreRequest::SaveGameState {
                    serving: self.serving(),
                    of,
                    version: StateVersion(u64::from(self.epoch)),
                    state: vec![self.holding].into(),
                };
            }
            1 => return StoreRequest::CancelOverdue { user: self.user() },
            _ if self.user == 0 => GroundChange::Burn { holding },
            _ => GroundChange::Mint {
                holding,
                kind: 8,
                payload: Bytes::from_static(b"laid"),
                x: 0.1,
                y: 0.2,
            },
        };
        StoreRequest::CommitGround {
            serving: self.serving(),
            version: StateVersion(u64::from(self.epoch)),
            changes: vec![change],
        }
    }

    /// Creatures: read, born, saved, passed on and ended, often under an old version or epoch.
    fn herding(self, step: u64) -> StoreRequest {
        if self.kind == 19 && self.user == 0 {
            return StoreRequest::ReadCreatures {
                region: self.region(),
                wanted: match self.session {
                    0 => CreaturesWanted::Arriving,
                    _ => CreaturesWanted::All,
                },
                after: (self.holding == 0).then(|| creature(self.node(), u32::from(self.version))),
            };
        }
        let serving = self.serving();
        let body = Bytes::copy_from_slice(&step.to_le_bytes());
        let creature = creature(serving.node, u32::from(self.holding));
        let epoch = OwnerEpoch(u64::from(self.epoch.max(1)));
        let change = match (self.kind, self.session) {
            (18, 0) => CreatureChange::Bear { creature, body },
            (18, _) => CreatureChange::Pass {
                creature,
                epoch,
                to: Serving {
                    node: NodeNumber(3 - serving.node.0),
                    region: RegionNumber(3 - serving.region.0),
                    ..serving
                },
                body,
            },
            (_, 0) => CreatureChange::End { creature, epoch },
            _ => CreatureChange::Save {
                creature,
                epoch,
                body,
            },
        };
        StoreRequest::WriteCreatures {
            serving,
            version: StateVersion(step / 2 + u64::from(self.version)),
            changes: vec![change],
        }
    }

    /// Makes, destroys or trades something; all of it with numbers that come often.
    fn valuable(self) -> HoldingChange {
        let holding = id(self.node(), u64::from(self.holding));
        let trade = TradeId(id(self.node(), u64::from(self.version)));
        let from = UserId((1 << 40) + u64::from(self.epoch));
        match (self.kind, self.session) {
            (8, _) => HoldingChange::Mint {
                holding,
                kind: 7 + u32::from(self.version),
                payload: Bytes::from_static(b"made"),
            },
            (_, 0) if self.epoch == 0 => HoldingChange::Burn { holding },
            (_, 0) => HoldingChange::Accept { trade, from },
            (_, 1) if self.epoch == 0 => HoldingChange::Cancel { trade, from },
            (_, 1) => HoldingChange::Give { holding, to: from },
            _ => HoldingChange::Offer(Offer {
                trade,
                to: from,
                gives: vec![holding],
                wants: vec![u64::from(self.version)],
                lasts_ms: if self.holding == 0 { 0 } else { 60_000 },
            }),
        }
    }

    fn change(self) -> HoldingChange {
        let (holding, region) = (u64::from(self.holding), self.region());
        match self.session {
            0 => HoldingChange::Take { holding, region },
            1 => HoldingChange::Give {
                holding,
                to: UserId((1 << 40) + u64::from(self.version)),
            },
            _ => HoldingChange::Drop {
                holding,
                region,
                x: 0.1,
                y: 0.2,
            },
        }
    }
}

pub(crate) fn answer_every_sequence_alike(real: fn() -> Scene, cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let sequences = proptest::collection::vec(draw(), 40..120);
    let outcome = runner.run(&sequences, |draws| {
        let requests: Vec<StoreRequest> = draws
            .iter()
            .zip(0..)
            .map(|(draw, step)| draw.request(step))
            .collect();
        let (real, simulated) = (real(), simulated());
        for scene in [&real, &simulated] {
            for (node, region) in [(A, WEST), (B, EAST)] {
                scene.start(node);
                scene.serve(node, region);
            }
            for user in 0..3 {
                scene.log_in(UserId((1 << 40) + user));
            }
            scene.seed(4);
        }
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for batch in requests.chunks(9) {
            one.extend(real.store.execute(batch));
            two.extend(simulated.store.execute(batch));
        }
        for ((request, one), two) in requests.iter().zip(one).zip(two) {
            prop_assert_eq!(one, two, "{:?}", request);
        }
        Ok(())
    });
    outcome.unwrap();
}
