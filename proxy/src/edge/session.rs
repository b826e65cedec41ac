//! One user at this proxy: who they are, where they stand with their owner, what they have said and seen.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, CommandNumber, EntityId, OwnerEpoch, RegionNumber, SessionGeneration, SessionId, UserId,
};
use protocol::limits;
use protocol::message::checked::{CheckedInput, SessionIdentity};
use protocol::message::player;

use super::commands::CommandLog;
use super::input::Admission;
use super::news::rate_of_user;
use super::path::ClientPath;
use super::rate::Bucket;
use super::route::Route;
use super::sight::Sight;

/// Which transport the client's newest input came by; snapshots follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The client's own proof that it is at this proxy, as the owner will check it.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) signature: Bytes,
    pub(super) acked_command: CommandNumber,
    pub(super) acked_event: u64,
}

/// What the owner said last about its player.
#[derive(Debug, Default)]
pub(super) struct OwnState {
    /// Which owner said it.
    pub(super) owner_epoch: OwnerEpoch,
    pub(super) tick: u64,
    pub(super) input_ack: u64,
    pub(super) bytes: Bytes,
    pub(super) entity: EntityId,
    pub(super) home_cell: Option<CellIndex>,
    pub(super) discontinuity: u64,
    /// Whom this player alone sees, as encoded cells: at most as many, and as long, as an output may have.
    pub(super) only: Vec<Bytes>,
}

/// The newest inputs, kept to be repeated at a change of owner.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) number: u64,
    newest_first: Vec<Bytes>,
    pub(super) sent_at_ms: u32,
    pub(super) received_at_ms: u64,
}

impl Inputs {
    /// Takes a message's inputs; `false` when it brings nothing new.
    pub(super) fn take(&mut self, input: CheckedInput, now_ms: u64) -> bool {
        let run = input.run;
        if run.newest.0 <= self.number || run.newest_first.is_empty() {
            return false;
        }
        self.number = run.newest.0;
        self.newest_first = run.newest_first;
        self.sent_at_ms = input.sent_at_ms;
        self.received_at_ms = now_ms;
        true
    }

    /// The newest inputs for the owner of this epoch; `None` before the first.
    pub(super) fn message(&self, user: UserId, owner_epoch: u64) -> Option<player::Inputs> {
        (!self.newest_first.is_empty()).then(|| player::Inputs {
            user: user.0,
            owner_epoch,
            number: self.number,
            inputs: self.newest_first.clone(),
        })
    }
}

/// A session.
pub(super) struct Session {
    pub(super) user: UserId,
    pub(super) name: String,
    pub(super) id: SessionId,
    pub(super) generation: SessionGeneration,
    pub(super) attach_no: AttachNo,
    pub(super) ticket: Bytes,
    pub(super) region_hint: Option<RegionNumber>,
    pub(super) cid: [u8; 8],
    pub(super) attached: Option<Attached>,
    pub(super) route: Route,
    pub(super) own: OwnState,
    pub(super) inputs: Inputs,
    pub(super) input_rate: Bucket,
    pub(super) commands: CommandLog,
    pub(super) command_rate: Bucket,
    pub(super) news_rate: Bucket,
    pub(super) path: ClientPath,
    pub(super) transport: Transport,
    pub(super) sight: Sight,
    pub(super) composed_at_ms: u64,
    /// Its client wants no snapshot sooner than this after the last one.
    pub(super) pace_ms: u64,
    pub(super) recovering_told: bool,
    /// Its player has been in the world by this proxy.
    pub(super) has_played: bool,
    /// When the owner last said how its player is, or became the owner.
    pub(super) owner_heard_ms: u64,
    /// When it last had its place in the world, looked at each second.
    pub(super) placed_ms: u64,
    /// When the client last said anything, by whatever transport, on the shard's clock of the time in which it ran.
    pub(super) heard_awake_ms: u64,
}

impl Session {
    pub(super) fn new(admission: Admission, byte_rate: u32, now_ms: u64) -> Self {
        Self {
            user: admission.user,
            name: admission.name,
            id: admission.session_id,
            generation: admission.generation,
            attach_no: admission.attach_no,
            ticket: admission.ticket,
            region_hint: admission.region_hint,
            cid: admission.cid,
            attached: None,
            route: Route::new(),
            own: OwnState::default(),
            inputs: Inputs::default(),
            input_rate: Bucket::new(60, 120, now_ms),
            commands: CommandLog::default(),
            // A client repeats a whole window behind its Attach, and may go on at once.
            command_rate: Bucket::new(20, 40 + limits::COMMAND_WINDOW as u32, now_ms),
            news_rate: rate_of_user(now_ms),
            path: ClientPath::new(
                admission.cid,
                admission.datagrams_to_proxy,
                admission.datagrams_to_client,
                now_ms,
            ),
            transport: Transport::Tcp,
            sight: Sight::new(byte_rate, now_ms),
            composed_at_ms: now_ms,
            pace_ms: 0,
            recovering_told: false,
            has_played: false,
            owner_heard_ms: now_ms,
            placed_ms: now_ms,
            heard_awake_ms: 0,
        }
    }

    /// The session as it is named on links.
    pub(super) fn identity(&self) -> SessionIdentity {
        SessionIdentity {
            id: self.id,
            generation: self.generation,
            attach_no: self.attach_no,
        }
    }

    /// The join for a game server, once the client has attached.
    pub(super) fn join(&self) -> Option<player::Join> {
        let attached = self.attached.as_ref()?;
        Some(player::Join {
            user: self.user.0,
            ticket: self.ticket.clone(),
            attach: attached.signature.clone(),
            attach_no: self.attach_no.0,
            acked_command: self.commands.acked().0.max(attached.acked_command.0),
            acked_event: attached.acked_event,
            name: self.name.clone(),
        })
    }
}
