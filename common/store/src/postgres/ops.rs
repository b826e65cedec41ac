//! Requests as the functions of the database take them: one array for each column, one element for each op. A request is
//! one op or, where it names several rows, one for each.

use std::ops::Range;

use tokio_postgres::types::Type;

use super::changes::Changes;
use super::op::Op;
use super::parameter::{Parameter, count, limited};
use crate::holding::{GroundChange, Holding};
use crate::request::{DurableCommit, ForgottenGuest, StoreRequest};
use crate::row::Serving;
use protocol::ids::{EntityId, NodeNumber, RegionNumber, StateVersion, UserId};

/// What the database calls each kind of request; listed in the migration that makes its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub(super) enum Kind {
    Service = 1,
    Player = 3,
    Owner = 4,
    Session = 5,
    OnGround = 6,
    Held = 7,
    Page = 8,
    Chain = 10,
    StaleGuests = 11,
    Generation = 12,
    RegionsInUse = 13,
    Counts = 14,
    OverdueOffers = 17,
    GameState = 18,
    Probe = 21,
    RaiseGeneration = 22,
    Serve = 23,
    Insert = 24,
    Activate = 25,
    Pass = 26,
    Reclaim = 27,
    Save = 28,
    Commit = 29,
    Release = 30,
    Rebind = 31,
    NextGuest = 32,
    RaiseSession = 33,
    Seed = 34,
    ForgetGuest = 35,
    ForgetSessions = 36,
    CloseRegion = 37,
    Ground = 41,
    CancelOverdue = 42,
    SaveGameState = 50,
    ExtendSession = 61,
    EndSession = 62,
}

/// Which ops, counted from 0, a request has become.
pub(super) type Ops = Range<usize>;

/// Requests that only read.
#[derive(Debug, Default)]
pub(super) struct ReadBatch {
    kinds: Vec<i16>,
    users: Vec<Option<i64>>,
    regions: Vec<Option<i64>>,
    numbers: Vec<Option<i64>>,
}

impl ReadBatch {
    pub(super) fn push(&mut self, request: &StoreRequest) -> Ops {
        let first = self.kinds.len();
        match request {
            StoreRequest::StoreGeneration => self.ask(Kind::Generation, None, None, None),
            StoreRequest::ReadService { region } => self.ask(Kind::Service, None, Some(region.0), None),
            StoreRequest::RegionsInUse => self.ask(Kind::RegionsInUse, None, None, None),
            StoreRequest::LoadPlayer { user } => self.ask(Kind::Player, Some(*user), None, None),
            StoreRequest::ReadOwner { user } => self.ask(Kind::Owner, Some(*user), None, None),
            StoreRequest::ReadSession { user } => self.ask(Kind::Session, Some(*user), None, None),
            StoreRequest::HoldingsOnGround { region } => self.ask(Kind::OnGround, None, Some(region.0), None),
            StoreRequest::HoldingsOf { user } => self.ask(Kind::Held, Some(*user), None, None),
            StoreRequest::AllHoldings { after } => {
                self.ask(Kind::Page, None, None, Some(after.map_or(-1, limited)));
            }
            StoreRequest::CountHoldings => self.ask(Kind::Counts, None, None, None),
            StoreRequest::ReadChains { users } => {
                for user in users {
                    self.ask(Kind::Chain, Some(*user), None, None);
                }
            }
            StoreRequest::OverdueOffers { since_ms } => {
                self.ask(Kind::OverdueOffers, None, None, Some(limited(*since_ms)));
            }
            StoreRequest::StaleGuests { idle_ms, after } => {
                self.ask(Kind::StaleGuests, *after, None, Some(limited(*idle_ms)));
            }
            StoreRequest::ReadGameState { of, after } => {
                self.ask(Kind::GameState, None, Some(of.place()), Some(limited(*after)));
            }
            // Everything else changes something and is a `WriteBatch`'s.
            _ => {}
        }
        first..self.kinds.len()
    }

    fn ask(&mut self, kind: Kind, user: Option<UserId>, region: Option<u32>, number: Option<i64>) {
        self.kinds.push(kind as i16);
        self.users.push(user.map(|user| limited(user.0)));
        self.regions.push(region.map(i64::from));
        self.numbers.push(number);
    }

    /// As `read_batch` has them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.kinds, Type::INT2_ARRAY),
            (&self.users, Type::INT8_ARRAY),
            (&self.regions, Type::INT8_ARRAY),
            (&self.numbers, Type::INT8_ARRAY),
        ]
    }
}

/// Requests that change something.
#[derive(Debug, Default)]
pub(super) struct WriteBatch<'a> {
    is_soft: bool,
    kinds: Vec<i16>,
    users: Vec<Option<i64>>,
    nodes: Vec<Option<i32>>,
    targets: Vec<Option<i32>>,
    regions: Vec<Option<i64>>,
    region_epochs: Vec<Option<i64>>,
    owner_epochs: Vec<Option<i64>>,
    attempts: Vec<Option<i64>>,
    versions: Vec<Option<i64>>,
    entities: Vec<Option<i64>>,
    home_cells: Vec<Option<i64>>,
    session_generations: Vec<Option<i64>>,
    attach_nos: Vec<Option<i64>>,
    proxies: Vec<Option<i32>>,
    last_inputs: Vec<Option<i64>>,
    last_commands: Vec<Option<i64>>,
    chain_hashes: Vec<Option<&'a [u8]>>,
    states: Vec<Option<&'a [u8]>>,
    numbers: Vec<Option<i64>>,
    xs: Vec<Option<f64>>,
    ys: Vec<Option<f64>>,
    parts: Vec<i32>,
    counts: Vec<i32>,
    changes: Changes<'a>,
}

impl<'a> WriteBatch<'a> {
    /// `is_soft`: it need not be on disk before it is answered.
    pub(super) fn new(is_soft: bool) -> Self {
        Self {
            is_soft,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn push(&mut self, request: &'a StoreRequest) -> Ops {
        let first = self.kinds.len();
        match request {
            StoreRequest::Probe => self.op(Kind::Probe, &Op::default()),
            StoreRequest::RaiseStoreGeneration => self.op(Kind::RaiseGeneration, &Op::default()),
            StoreRequest::NextGuest => self.op(Kind::NextGuest, &Op::default()),
            StoreRequest::RaiseSession { user } => self.op(Kind::RaiseSession, &Op::of(*user)),
            StoreRequest::ExtendSession { user, generation } => {
                self.op(Kind::ExtendSession, &Op::session(*user, *generation));
            }
            StoreRequest::EndSession { user, generation } => {
                self.op(Kind::EndSession, &Op::session(*user, *generation));
            }
            StoreRequest::ServeRegion { region, node, after } => self.op(
                Kind::Serve,
                &Op {
                    node: Some(*node),
                    region: Some(region.0),
                    number: after.map(|after| limited(after.0)),
                    ..Op::default()
                },
            ),
            StoreRequest::SeedHoldings {
                region,
                seed,
                holdings,
            } => self.seed(region.0, *seed, holdings),
            StoreRequest::CloseRegion { serving, ground } => self.close(*serving, ground),
            StoreRequest::CommitGround {
                serving,
                version,
                changes,
            } => self.ground(*serving, *version, changes),
            StoreRequest::SaveGameState {
                serving,
                of,
                version,
                state,
            } => self.op(
                Kind::SaveGameState,
                &Op {
                    serving: Some(*serving),
                    version: Some(version.0),
                    number: Some(i64::from(of.place())),
                    state: Some(state.as_ref()),
                    ..Op::default()
                },
            ),
            StoreRequest::CancelOverdue { user } => self.op(Kind::CancelOverdue, &Op::of(*user)),
            StoreRequest::ForgetSessions { idle_ms, after } => self.op(
                Kind::ForgetSessions,
                &Op {
                    user: *after,
                    number: Some(limited(*idle_ms)),
                    ..Op::default()
                },
            ),
            StoreRequest::ForgetGuests {
                serving,
                idle_ms,
                guests,
            } => self.forget(*serving, *idle_ms, guests),
            _ => self.players(request),
        }
        first..self.kinds.len()
    }

    /// What changes rows of players.
    fn players(&mut self, request: &'a StoreRequest) {
        match request {
            StoreRequest::InsertPlayer { row } => self.op(Kind::Insert, &Op::of_row(row)),
            StoreRequest::Activate {
                user,
                serving,
                expected,
                binding,
            } => self.op(
                Kind::Activate,
                &Op {
                    binding: Some(*binding),
                    ..Op::taking(*user, *serving, *expected)
                },
            ),
            StoreRequest::Reclaim {
                user,
                serving,
                expected,
            } => self.op(Kind::Reclaim, &Op::taking(*user, *serving, *expected)),
            StoreRequest::PassPlayers {
                from,
                to,
                attempt,
                passengers,
            } => {
                for (part, save) in (1..).zip(passengers) {
                    // The service of the source goes where no other field of this op is.
                    let passenger = Op {
                        serving: Some(*to),
                        entity: Some(EntityId(u64::from(from.region.0))),
                        number: Some(limited(from.region_epoch.0)),
                        attempt: Some(attempt.0),
                        part,
                        count: count(passengers.len()),
                        ..Op::saving(from.node, save)
                    };
                    self.op(Kind::Pass, &passenger);
                }
            }
            StoreRequest::SavePlayers { owner, saves } => {
                for save in saves {
                    self.op(Kind::Save, &Op::saving(*owner, save));
                }
            }
            StoreRequest::CommitDurable { serving, commits } => {
                for commit in commits {
                    self.commit(*serving, commit);
                }
            }
            StoreRequest::Release { serving, save } => self.op(Kind::Release, &Op::serving(*serving, save)),
            StoreRequest::RebindSession { serving, save } => {
                self.op(Kind::Rebind, &Op::serving(*serving, save));
            }
            // Everything else only reads and is a `ReadBatch`'s, or asks nothing of the database.
            _ => {}
        }
    }

    fn commit(&mut self, serving: Serving, commit: &'a DurableCommit) {
        let part = self.changes.next();
        for change in &commit.changes {
            self.changes.change(change);
        }
        let op = Op {
            part,
            count: self.changes.since(part),
            ..Op::serving(serving, &commit.save)
        };
        self.op(Kind::Commit, &op);
    }

    fn seed(&mut self, region: u32, seed: u64, holdings: &'a [Holding]) {
        let part = self.changes.next();
        for holding in holdings {
            self.changes.seed(holding);
        }
        let op = Op {
            region: Some(region),
            number: Some(seed.cast_signed()),
            part,
            count: count(holdings.len()),
            ..Op::default()
        };
        self.op(Kind::Seed, &op);
    }

    fn close(&mut self, serving: Serving, ground: &[(u64, RegionNumber)]) {
        let part = self.changes.next();
        for (holding, to) in ground {
            self.changes.pass(*holding, *to);
        }
        let op = Op {
            serving: Some(serving),
            part,
            count: count(ground.len()),
            ..Op::default()
        };
        self.op(Kind::CloseRegion, &op);
    }

    fn ground(&mut self, serving: Serving, version: StateVersion, changes: &'a [GroundChange]) {
        let part = self.changes.next();
        for change in changes {
            self.changes.ground(change);
        }
        let op = Op {
            serving: Some(serving),
            version: Some(version.0),
            part,
            count: count(changes.len()),
            ..Op::default()
        };
        self.op(Kind::Ground, &op);
    }

    /// First the ground, for who it is that serves there; then each guest.
    fn forget(&mut self, serving: Serving, idle_ms: u64, guests: &[ForgottenGuest]) {
        let ground = Op {
            serving: Some(serving),
            number: Some(limited(idle_ms)),
            ..Op::default()
        };
        self.op(Kind::ForgetGuest, &ground);
        for guest in guests {
            let op = Op {
                user: Some(guest.user),
                serving: Some(serving),
                owner_epoch: Some(guest.owner_epoch),
                number: Some(limited(idle_ms)),
                place: Some((guest.x, guest.y)),
                ..Op::default()
            };
            self.op(Kind::ForgetGuest, &op);
        }
    }

    fn op(&mut self, kind: Kind, op: &Op<'a>) {
        let number = |value: Option<u64>| value.map(u64::cast_signed);
        let node = |node: Option<NodeNumber>| node.map(|node| i32::from(node.0));
        let body = op.body;
        let binding = op.binding.or(body.map(|body| body.binding));
        let region = op.serving.map(|serving| serving.region.0).or(op.region);
        self.kinds.push(kind as i16);
        self.users.push(op.user.map(|user| limited(user.0)));
        self.nodes.push(node(op.node));
        self.targets
            .push(node(op.serving.map(|serving| serving.node).or(op.node)));
        self.regions.push(region.map(i64::from));
        self.region_epochs
            .push(number(op.serving.map(|serving| serving.region_epoch.0)));
        self.owner_epochs
            .push(number(op.owner_epoch.map(|epoch| epoch.0)));
        self.attempts.push(number(op.attempt));
        self.versions.push(number(op.version));
        self.entities.push(number(op.entity.map(|entity| entity.0)));
        self.home_cells.push(body.map(|body| i64::from(body.home_cell.0)));
        self.session_generations
            .push(number(binding.map(|binding| binding.session_generation.0)));
        self.attach_nos
            .push(binding.map(|binding| i64::from(binding.attach_no.0)));
        self.proxies.push(node(binding.and_then(|binding| binding.proxy)));
        self.last_inputs.push(number(body.map(|body| body.last_input.0)));
        self.last_commands
            .push(number(body.map(|body| body.last_command.0)));
        self.chain_hashes
            .push(body.map(|body| body.chain_hash.as_slice()));
        self.states
            .push(op.state.or(body.map(|body| body.state.as_ref())));
        self.numbers.push(op.number);
        self.xs.push(op.place.map(|(x, _)| f64::from(x)));
        self.ys.push(op.place.map(|(_, y)| f64::from(y)));
        self.parts.push(op.part);
        self.counts.push(op.count);
    }

    /// As `write_batch` has them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&self.is_soft, Type::BOOL),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.users, Type::INT8_ARRAY),
            (&self.nodes, Type::INT4_ARRAY),
            (&self.targets, Type::INT4_ARRAY),
            (&self.regions, Type::INT8_ARRAY),
            (&self.region_epochs, Type::INT8_ARRAY),
            (&self.owner_epochs, Type::INT8_ARRAY),
            (&self.attempts, Type::INT8_ARRAY),
            (&self.versions, Type::INT8_ARRAY),
            (&self.entities, Type::INT8_ARRAY),
            (&self.home_cells, Type::INT8_ARRAY),
            (&self.session_generations, Type::INT8_ARRAY),
            (&self.attach_nos, Type::INT8_ARRAY),
            (&self.proxies, Type::INT4_ARRAY),
            (&self.last_inputs, Type::INT8_ARRAY),
            (&self.last_commands, Type::INT8_ARRAY),
            (&self.chain_hashes, Type::BYTEA_ARRAY),
            (&self.states, Type::BYTEA_ARRAY),
            (&self.numbers, Type::INT8_ARRAY),
            (&self.xs, Type::FLOAT8_ARRAY),
            (&self.ys, Type::FLOAT8_ARRAY),
            (&self.parts, Type::INT4_ARRAY),
            (&self.counts, Type::INT4_ARRAY),
        ];
        parameters.extend(self.changes.parameters());
        parameters
    }
}
