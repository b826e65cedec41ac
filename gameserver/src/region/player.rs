//! A player: a user in this region, with everything that has to survive a crossing, a resume or a crash.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message as _;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, InputNumber, LiveLane, OwnerEpoch, SessionGeneration,
    SessionId, StateVersion, UserId,
};
use protocol::limits::{EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX, HOLDINGS_TOLD_MAX};
use protocol::message::handover::{PendingEvent, PlayerState};
use protocol::message::player::SessionKey;
use store::{Binding, HoldingChange, PlayerBody, PlayerRow, PlayerSave};

use super::entity::{Entity, EntityKey};
use crate::join_check::VerifiedJoin;
use crate::logic::CommandKind;

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

/// A command that waits for the next tick.
#[derive(Clone, Debug)]
pub(super) struct QueuedCommand {
    pub(super) number: u64,
    pub(super) kind: CommandKind,
    pub(super) body: Bytes,
}

/// The one write of a player that is under way.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// Soft state.
    Save,
    /// Durable commands, kept to be repeated.
    Commit(Box<store::request::DurableCommit>),
    /// Logout.
    Release,
}

/// Numbers that wait for a commit: what the write under way covers, and what comes after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    writing: Option<u64>,
    next: Option<u64>,
}

impl Held {
    fn hold(&mut self, number: u64) {
        self.next.get_or_insert(number);
    }

    fn begin(&mut self) {
        self.writing = self.next.take();
    }

    fn release(&mut self) {
        self.writing = None;
    }

    /// The last number that need not wait.
    fn limit(&self, last: u64) -> u64 {
        self.writing
            .or(self.next)
            .map_or(last, |first| first.saturating_sub(1))
    }
}

#[derive(Clone, Debug)]
struct Outgoing {
    number: u64,
    body: Bytes,
    durable: bool,
}

/// Events whose numbers a crash may have taken along: more than anybody is told between two saves of its row.
const FORGOTTEN_MAX: u64 = 1 << 20;

/// Events to the client, kept until they are acknowledged. Durable ones go out once the store has them, and survive with
/// the row; soft ones are this owner's alone, and when there is no room the oldest of them give way.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    last: u64,
    sent: u64,
    bytes: usize,
    waiting: VecDeque<Outgoing>,
    held: Held,
}

impl Events {
    /// Whether there is no room for another durable event.
    pub(super) fn is_full(&self) -> bool {
        let durable = self.waiting.iter().filter(|event| event.durable);
        let (count, bytes) = durable.fold((0, 0), |(count, bytes), event| {
            (count + 1, bytes + event.body.len())
        });
        count >= EVENTS_PENDING_MAX || bytes >= EVENTS_PENDING_BYTES_MAX
    }

    /// Whether there are events that no commit under way covers.
    pub(super) fn awaits_commit(&self) -> bool {
        self.held.next.is_some()
    }

    /// The last number that was given to an event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The row is older than the last words of whoever had the player before: their numbers are not used again, or the
    /// client would take a new event for one that it has.
    pub(super) fn skip_forgotten(&mut self) {
        self.last = self.last.saturating_add(FORGOTTEN_MAX);
    }

    /// Whether the event was taken. A durable one is sent once what is captured after now is in the store.
    pub(super) fn push(&mut self, body: Bytes, durable: bool) -> bool {
        while self.waiting.len() >= EVENTS_PENDING_MAX || self.bytes + body.len() > EVENTS_PENDING_BYTES_MAX {
            let Some(soft) = self.waiting.iter().position(|event| !event.durable) else {
                return false;
            };
            self.bytes -= self.waiting.remove(soft).map_or(0, |event| event.body.len());
        }
        self.last += 1;
        self.bytes += body.len();
        if durable {
            self.held.hold(self.last);
        }
        self.waiting.push_back(Outgoing {
            number: self.last,
            body,
            durable,
        });
        true
    }

    /// Calls `send` with each event that may go out and has not yet.
    pub(super) fn send(&mut self, mut send: impl FnMut(u64, Bytes)) {
        let limit = self.held.limit(self.last);
        for event in &self.waiting {
            if event.number > self.sent && event.number <= limit {
                send(event.number, event.body.clone());
            }
        }
        self.sent = self.sent.max(limit);
    }

    /// The client has them up to here.
    pub(super) fn acknowledge(&mut self, number: u64) {
        self.last = self.last.max(number);
        self.sent = self.sent.max(number);
        self.forget(|event| event.number <= number);
    }

    /// Sends again what is not acknowledged.
    pub(super) fn repeat(&mut self) {
        self.sent = 0;
    }

    fn forget(&mut self, gone: impl Fn(&Outgoing) -> bool) {
        self.waiting.retain(|event| !gone(event));
        self.bytes = self.waiting.iter().map(|event| event.body.len()).sum();
    }

    fn durable(&self) -> Vec<PendingEvent> {
        let durable = self.waiting.iter().filter(|event| event.durable);
        durable
            .map(|event| PendingEvent {
                number: event.number,
                body: event.body.clone(),
            })
            .collect()
    }

    fn restore(last: u64, events: Vec<PendingEvent>) -> Self {
        let mut restored = Self {
            last,
            ..Self::default()
        };
        for event in events.into_iter().take(EVENTS_PENDING_MAX) {
            restored.last = restored.last.max(event.number);
            restored.bytes += event.body.len();
            restored.waiting.push_back(Outgoing {
                number: event.number,
                body: event.body,
                durable: true,
            });
        }
        restored
    }
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
    pub(super) version: StateVersion,
    pub(super) name: String,
    pub(super) session: SessionId,
    pub(super) bound: Bound,
    pub(super) client_pub: [u8; 32],
    pub(super) linkdead_since_ms: Option<u64>,
    pub(super) last_input: u64,
    pub(super) commands: VecDeque<QueuedCommand>,
    pub(super) last_command: u64,
    pub(super) told_command: u64,
    pub(super) command_held: Held,
    pub(super) chain_hash: [u8; 32],
    pub(super) events: Events,
    pub(super) game: Bytes,
    pub(super) holdings: Vec<u64>,
    /// Changes of holdings since the last capture.
    pub(super) changes: Vec<HoldingChange>,
    /// A durable command was applied since the last capture.
    pub(super) durable_applied: bool,
    pub(super) dirty_since_ms: Option<u64>,
    pub(super) write: Option<Write>,
    pub(super) write_again_ms: Option<u64>,
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
    /// Was near the border at any time since it came to this region.
    pub(super) knows_rim: bool,
    /// Grows when a commit begins and when it is done.
    pub(super) commit_steps: u64,
    /// Those who cross together with this player.
    pub(super) companions: Vec<UserId>,
}

impl Player {
    /// The player that a row describes, its entity being `key`; `lane` is where its proxy is reached for it.
    pub(super) fn restore(
        row: &PlayerRow,
        state: &PlayerState,
        (key, lane): (EntityKey, Option<LiveLane>),
        holdings: Vec<u64>,
    ) -> Self {
        let session = state.session.clone().unwrap_or_default();
        let former = session.session_generation < row.body.binding.session_generation.0;
        let events = if former {
            Events::default()
        } else {
            Events::restore(state.last_event, state.events.clone())
        };
        Self {
            user: row.user,
            key,
            entity: row.entity,
            epoch: row.owner_epoch,
            version: row.version,
            name: state.name.clone(),
            session: SessionId(session.session_id.as_ref().try_into().unwrap_or_default()),
            bound: Bound {
                session_generation: row.body.binding.session_generation,
                attach_no: row.body.binding.attach_no,
                lane,
            },
            client_pub: state.client_pub.as_ref().try_into().unwrap_or_default(),
            linkdead_since_ms: None,
            last_input: row.body.last_input.0,
            commands: VecDeque::new(),
            last_command: row.body.last_command.0,
            told_command: row.body.last_command.0,
            command_held: Held::default(),
            chain_hash: row.body.chain_hash,
            events,
            game: state.game.clone(),
            holdings,
            changes: Vec::new(),
            durable_applied: false,
            dirty_since_ms: None,
            write: None,
            write_again_ms: None,
            phase: Phase::Active,
            logout: false,
            waiting_join: None,
            cross_after_ms: 0,
            proxy_trusts: false,
            was_at_rim: false,
            knows_rim: false,
            commit_steps: 0,
            companions: Vec::new(),
        }
    }

    /// Takes over what a join says of the session, and nothing of who the player is: that is the row's to say. A new login
    /// starts all numbers again.
    pub(super) fn bind(&mut self, lane: LiveLane, join: &VerifiedJoin) {
        if join.session_generation > self.bound.session_generation {
            self.last_input = 0;
            self.last_command = 0;
            self.told_command = 0;
            self.command_held = Held::default();
            self.commands.clear();
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
        // A row that lags behind a crash must not open a gap before what the client saw acknowledged.
        self.last_command = self.last_command.max(join.acked_command.0);
        self.told_command = self.told_command.max(join.acked_command.0);
        self.events.acknowledge(join.acked_event.0);
        self.events.repeat();
    }

    pub(super) fn session_key(&self) -> SessionKey {
        session_key(self.session, self.bound.session_generation, self.bound.attach_no)
    }

    /// The last command that may be acknowledged.
    pub(super) fn command_ack(&self) -> u64 {
        self.command_held.limit(self.last_command)
    }

    pub(super) fn hold_command(&mut self, number: u64) {
        self.command_held.hold(number);
        self.durable_applied = true;
    }

    /// A commit of everything so far is being captured.
    pub(super) fn begin_commit(&mut self) {
        self.commit_steps += 1;
        self.command_held.begin();
        self.events.held.begin();
        self.durable_applied = false;
    }

    /// What was captured is durable.
    pub(super) fn finish_commit(&mut self) {
        self.commit_steps += 1;
        self.command_held.release();
        self.events.held.release();
    }

    /// Whether a commit that is not answered gives the holding away.
    pub(super) fn gives_away(&self, id: u64) -> bool {
        let gives =
            |change: &HoldingChange| matches!(change, HoldingChange::Give { holding, .. } if *holding == id);
        let written = match &self.write {
            Some(Write::Commit(commit)) => commit.changes.as_slice(),
            _ => &[],
        };
        written.iter().chain(&self.changes).any(gives)
    }

    /// Whether nothing of this player is, or has to be, on its way to the store as a durable commit.
    pub(super) fn is_settled(&self) -> bool {
        self.write.is_none() && !self.durable_applied
    }

    pub(super) fn state(&self, entity: &Entity) -> PlayerState {
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
            last_command: self.last_command,
            chain_hash: Bytes::copy_from_slice(&self.chain_hash),
            last_event: self.events.last,
            events: self.events.durable(),
            game: self.game.clone(),
            told_holdings: self.holdings.iter().copied().take(HOLDINGS_TOLD_MAX).collect(),
        }
    }

    /// The next version of the player, to be written.
    pub(super) fn capture(&mut self, entity: &Entity, home_cell: CellIndex) -> PlayerSave {
        self.version = StateVersion(self.version.0.saturating_add(1));
        self.dirty_since_ms = None;
        PlayerSave {
            user: self.user,
            owner_epoch: self.epoch,
            version: self.version,
            body: PlayerBody {
                home_cell,
                binding: self.bound.row(),
                last_input: InputNumber(self.last_input),
                last_command: CommandNumber(self.last_command),
                chain_hash: self.chain_hash,
                state: self.state(entity).encode_to_vec().into(),
            },
        }
    }
}

/// A session as messages name it.
pub(super) fn session_key(
    session: SessionId,
    generation: SessionGeneration,
    attach_no: AttachNo,
) -> SessionKey {
    SessionKey {
        session_id: Bytes::copy_from_slice(&session.0),
        session_generation: generation.0,
        attach_no: attach_no.0,
    }
}

#[cfg(test)]
mod tests;
