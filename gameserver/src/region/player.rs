//! A player: a user in this region, with everything that has to survive a crossing, a resume or a crash.

mod commands;
mod events;
mod held;
mod own_timers;
mod purse;
mod teleport;
mod wary;
mod writes;

use bytes::Bytes;
use game::Edition;
use prost::Message as _;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, InputNumber, LiveLane, OwnerEpoch, SessionGeneration,
    SessionId, Tick, UserId,
};
use protocol::limits::HOLDINGS_TOLD_MAX;
use protocol::message::checked::{CheckedPlayer, SessionIdentity};
use protocol::message::handover::PlayerState;
use protocol::message::player::SessionKey;
use store::request::DurableCommit;
use store::{Binding, PlayerBody, PlayerRow, PlayerSave};

use super::entity::{Entity, EntityKey};
use super::input::Now;
use crate::join_check::VerifiedJoin;
#[cfg(test)]
pub(super) use commands::chain;
pub(super) use commands::{Commands, QueuedCommand, Received};
pub(super) use events::Events;
pub(super) use own_timers::OwnTimers;
pub(super) use purse::{Kept, Purse};
pub(super) use teleport::Teleport;
pub(super) use wary::Wary;
pub(super) use writes::{Done, Writes};

/// As of when, and by whom, a player's state is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    pub(super) tick: Tick,
    pub(super) edition: Edition,
}

/// What a player may do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Simulated.
    Active,
    /// In a handover, or in doubt after one.
    Frozen(AttemptId),
    /// A durable commit has no answer: nothing changes until it has.
    Unanswered,
    /// On the way out of the world.
    Leaving,
}

/// The session that a player serves, and the lane that may speak for it. The row knows the proxy alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) session_generation: SessionGeneration,
    pub(super) attach_no: AttachNo,
    /// `None` while link-dead.
    pub(super) lane: Option<LiveLane>,
}

impl Bound {
    /// What decides which of two is the newer one.
    pub(super) fn order(&self) -> (SessionGeneration, AttachNo) {
        (self.session_generation, self.attach_no)
    }

    /// As the row has it.
    pub(super) fn row(&self) -> Binding {
        Binding {
            session_generation: self.session_generation,
            attach_no: self.attach_no,
            proxy: self.lane.map(LiveLane::node),
        }
    }
}

/// One player.
#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) user: UserId,
    pub(super) key: EntityKey,
    pub(super) entity: EntityId,
    pub(super) epoch: OwnerEpoch,
    pub(super) name: String,
    pub(super) session: SessionId,
    pub(super) bound: Bound,
    pub(super) client_pub: [u8; 32],
    pub(super) linkdead_since_ms: Option<u64>,
    pub(super) last_input: u64,
    pub(super) commands: Commands,
    /// One at which rules have hung before: it is refused. 0: none.
    pub(super) refused_command: u64,
    pub(super) events: Events,
    pub(super) writes: Writes,
    pub(super) game: Bytes,
    pub(super) holdings: Purse,
    pub(super) phase: Phase,
    pub(super) logout: bool,
    /// A join that came while frozen.
    pub(super) waiting_join: Option<(LiveLane, VerifiedJoin)>,
    /// No handover before this time.
    pub(super) cross_after_ms: u64,
    /// The proxy has spoken at this epoch. Before that it may drop what this region says as somebody else's word.
    pub(super) proxy_trusts: bool,
    /// Was near the border since its holdings were read: somebody beyond it may have given something.
    pub(super) was_at_rim: bool,
    /// The newest time that its holdings were read again; answers to earlier ones may come later, and say less.
    pub(super) newest_read: u64,
    pub(super) wary: Wary,
    /// When an open offer of its may be over, milliseconds; `None` when none is open.
    pub(super) offer_due_ms: Option<u64>,
    /// Was near the border at any time since it came to this region.
    pub(super) knows_rim: bool,
    /// Those who cross together with this player.
    pub(super) companions: Vec<UserId>,
    /// Where the rules want it, as long as it is not there.
    pub(super) teleport: Option<Teleport>,
    /// Another one whenever it was put somewhere else than it walked to.
    pub(super) discontinuity: u64,
    /// What the rules want to happen to it.
    pub(super) timers: OwnTimers,
}

impl Player {
    /// The player that a row describes, its entity being `key`; `lane` is where its proxy is reached for it.
    pub(super) fn restore(
        row: &PlayerRow,
        state: CheckedPlayer,
        (key, lane): (EntityKey, Option<LiveLane>),
        holdings: Purse,
        (tick, now): (Tick, Now),
    ) -> Self {
        let former = state.session.generation < row.body.binding.session_generation;
        let events = if former {
            Events::default()
        } else {
            Events::restore(state.last_event, state.events)
        };
        Self {
            user: row.user,
            key,
            entity: row.entity,
            epoch: row.owner_epoch,
            name: state.name,
            session: state.session.id,
            bound: Bound {
                session_generation: row.body.binding.session_generation,
                attach_no: row.body.binding.attach_no,
                lane,
            },
            client_pub: state.client_pub,
            linkdead_since_ms: None,
            last_input: row.body.last_input.0,
            refused_command: if former { 0 } else { state.refused_command.0 },
            commands: Commands::restore(row.body.last_command.0, row.body.chain_hash),
            events,
            writes: Writes::new(row.version),
            game: state.game,
            holdings,
            phase: Phase::Active,
            logout: false,
            waiting_join: None,
            cross_after_ms: 0,
            proxy_trusts: false,
            was_at_rim: false,
            newest_read: 0,
            wary: Wary::default(),
            offer_due_ms: None,
            knows_rim: false,
            companions: Vec::new(),
            teleport: state.destination.map(|to| Teleport::new(to, now.mono_ms)),
            discontinuity: state.discontinuity,
            timers: OwnTimers::restore(&state.timers, tick.0),
        }
    }

    /// It is somewhere else than it walked to. What a crash took back of the number is made up for by the epoch.
    pub(super) fn jumped(&mut self) {
        const AT_AN_EPOCH: u32 = 8;
        let first = (self.epoch.0 & 0xffff_ffff_ffff) << AT_AN_EPOCH;
        let before = self.discontinuity;
        self.discontinuity = first.max(before.saturating_add(1));
        // Its lowest bit is the mark by which others see that it did not walk.
        if (self.discontinuity ^ before) & 1 == 0 {
            self.discontinuity = self.discontinuity.saturating_add(1);
        }
    }

    /// The mark of its last jump.
    pub(super) fn jump_mark(&self) -> bool {
        self.discontinuity & 1 == 1
    }

    /// Takes over what a join says of the session, and nothing of who the player is: that is the row's to say, but for the name of an
    /// account; says whether that is another one. A new login starts all numbers again.
    pub(super) fn bind(&mut self, lane: LiveLane, join: &VerifiedJoin) -> bool {
        if join.session_generation > self.bound.session_generation {
            self.last_input = 0;
            self.commands.start_again();
            self.refused_command = 0;
            self.events = Events::default();
        }
        self.bound = Bound {
            session_generation: join.session_generation,
            attach_no: join.attach_no,
            lane: Some(lane),
        };
        self.session = join.session;
        self.client_pub = join.client_pub;
        self.linkdead_since_ms = None;
        // It asks the store first, and drops what this region says until it has heard.
        self.proxy_trusts = false;
        self.commands.seen(join.acked_command.0);
        self.events.acknowledge(join.acked_event.0);
        self.events.repeat();
        let name = join.name_of_account().filter(|name| *name != self.name);
        if let Some(name) = name {
            self.name = name.to_owned();
        }
        name.is_some()
    }

    /// The first of its open offers ends after so long, as the store has said now.
    pub(super) fn await_offers(&mut self, ends_ms: Option<u64>, now_ms: u64) {
        self.offer_due_ms = ends_ms.map(|ends_ms| now_ms.saturating_add(ends_ms));
    }

    /// Whether it has been without a connection for so long.
    pub(super) fn is_dead(&self, grace_ms: u64, now_ms: u64) -> bool {
        let since_ms = self.linkdead_since_ms;
        since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= grace_ms)
    }

    /// The session that it serves.
    pub(super) fn identity(&self) -> SessionIdentity {
        SessionIdentity {
            id: self.session,
            generation: self.bound.session_generation,
            attach_no: self.bound.attach_no,
        }
    }

    /// The same, as messages name it.
    pub(super) fn session_key(&self) -> SessionKey {
        self.identity().into()
    }

    /// Whether the store has everything of the player. What was captured for a logout or a crossing is nobody's until the store
    /// has answered, and between two tries nothing is on its way.
    pub(super) fn is_written(&self) -> bool {
        self.phase == Phase::Active && !self.writes.is_unsaved()
    }

    /// Captures everything so far for a durable commit.
    pub(super) fn begin_commit(
        &mut self,
        entity: &Entity,
        home_cell: CellIndex,
        writing: Writing,
    ) -> DurableCommit {
        self.commands.begin_commit();
        self.events.begin_commit();
        let save = self.capture(entity, home_cell, writing);
        self.writes.begin_commit(save)
    }

    /// What was captured is durable.
    pub(super) fn finish_commit(&mut self) -> Option<Done> {
        let done = self.writes.finish_commit()?;
        self.commands.finish_commit();
        self.events.finish_commit();
        Some(done)
    }

    pub(super) fn state(&self, entity: &Entity, writing: Writing) -> PlayerState {
        let (visibility, only_user) = entity.visibility.numbers();
        PlayerState {
            user: self.user.0,
            entity: self.entity.0,
            kind: u32::from(entity.kind),
            name: self.name.clone(),
            x: entity.at.x,
            y: entity.at.y,
            heading: u32::from(entity.heading) << 8,
            speed: entity.speed,
            session: Some(self.session_key()),
            proxy: self.bound.lane.map_or(0, |lane| u32::from(lane.node().0)),
            client_pub: Bytes::copy_from_slice(&self.client_pub),
            last_input: self.last_input,
            last_command: self.commands.last(),
            chain_hash: Bytes::copy_from_slice(&self.commands.chain_hash()),
            last_event: self.events.last(),
            events: self.events.durable(),
            game: self.game.clone(),
            told_holdings: self.holdings.iter().copied().take(HOLDINGS_TOLD_MAX).collect(),
            destination: self.teleport.map(|teleport| teleport.message()),
            discontinuity: self.discontinuity,
            timers: self.timers.left(writing.tick.0),
            game_id: writing.edition.id.to_owned(),
            game_version: writing.edition.version,
            // What has been applied is refused no more.
            refused_command: match self.refused_command > self.commands.last() {
                true => self.refused_command,
                false => 0,
            },
            visibility,
            only_user,
        }
    }

    /// The next version of the player, to be written.
    pub(super) fn capture(&mut self, entity: &Entity, home_cell: CellIndex, writing: Writing) -> PlayerSave {
        PlayerSave {
            user: self.user,
            owner_epoch: self.epoch,
            version: self.writes.capture(),
            body: PlayerBody {
                home_cell,
                binding: self.bound.row(),
                last_input: InputNumber(self.last_input),
                last_command: CommandNumber(self.commands.last()),
                chain_hash: self.commands.chain_hash(),
                state: self.state(entity, writing).encode_to_vec().into(),
            },
        }
    }
}
