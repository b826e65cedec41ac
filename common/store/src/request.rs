//! What can be asked of a store. Every condition that ownership rests on is part of a request.

use bytes::Bytes;
use protocol::ids::{
    AttemptId, EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, SessionGeneration, StateVersion,
    TopologyVersion, UserId,
};

use crate::account::AccountRequest;
use crate::creature::{CreatureChange, CreaturesWanted};
use crate::holding::{GroundChange, Holding, HoldingChange};
use crate::limits::HOLDING_PAYLOAD_BYTES_MAX;
use crate::row::{Binding, Lease, PlayerRow, PlayerSave, RegionHolder, Serving, StateOf};

/// One request. "Owned by `node` at an epoch" means that the row names exactly that node and that epoch; "owned under a service" that it
/// names its node, region and region epoch too, and that the service is the current one.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// A process of `node` starts, and gets the node's lease. Answer: [`Started`](crate::StoreReply::Started), a number never given
    /// before.
    StartNode {
        /// The node.
        node: NodeNumber,
    },
    /// Whether writes are taken: writes something that changes nothing, and need not be on disk at once. Answer:
    /// [`Probed`](crate::StoreReply::Probed).
    Probe,
    /// Answer: [`StoreGeneration`](crate::StoreReply::StoreGeneration).
    StoreGeneration,
    /// An operator has restored a backup: all epochs from now on are above all that were ever issued.
    RaiseStoreGeneration,
    /// `node` starts to serve `region` after the service that it has read of, and after no other: so a request that takes
    /// effect late takes no region from anybody, not even from the process that sent it. Answer:
    /// [`Serving`](crate::StoreReply::Serving), and who served before is fenced from every activation; or
    /// [`Service`](crate::StoreReply::Service), the newest one, and nothing was changed.
    ServeRegion {
        /// The region.
        region: RegionNumber,
        /// The node.
        node: NodeNumber,
        /// The epoch of the newest service; `None` when there was none.
        after: Option<RegionEpoch>,
    },
    /// Who serves a region, and at which epoch. Answer: [`Service`](crate::StoreReply::Service).
    ReadService {
        /// The region.
        region: RegionNumber,
    },
    /// Who serves a region, and whether its node has been started since. Answer:
    /// [`Holder`](crate::StoreReply::Holder).
    ReadHolder {
        /// The region.
        region: RegionNumber,
    },
    /// Shows that the lease's process is there. Answer: [`LeaseRenewed`](crate::StoreReply::LeaseRenewed) or
    /// [`LeaseEnded`](crate::StoreReply::LeaseEnded).
    RenewLease {
        /// Whose.
        lease: Lease,
    },
    /// `taker` serves a region from now on whose holder is dead, as it has seen: the service and the holder's lease must be as they
    /// were read, the lease not renewed since. That lease is ended, and every player of the region whom the holder owned is
    /// the taker's, one epoch on, so that a holder that wakes up writes nothing. Answer: [`Serving`](crate::StoreReply::Serving);
    /// [`Holder`](crate::StoreReply::Holder), as it is now, and nothing was changed; or
    /// [`LeaseEnded`](crate::StoreReply::LeaseEnded): the taker's own, and nothing was changed.
    TakeOver {
        /// Who takes; its lease must not have ended.
        taker: Lease,
        /// The holder as it was read.
        holder: RegionHolder,
    },
    /// Whoever serves a region has written everything down and passes the region on, with every player whom it owns there, one epoch on.
    /// Answer: [`Serving`](crate::StoreReply::Serving), the service of `to`; [`Service`](crate::StoreReply::Service), the newest
    /// one, and nothing was changed; or [`LeaseEnded`](crate::StoreReply::LeaseEnded): that of `to`, and nothing was changed.
    GiveRegion {
        /// The service that ends.
        from: Serving,
        /// Who gets the region; its lease must not have ended.
        to: NodeNumber,
    },
    /// A node has this topology in force, and is about to serve its regions. Answer:
    /// [`NewestTopology`](crate::StoreReply::NewestTopology). Whoever asks has noted its own first; so what was read of the store
    /// before an answer that is no higher than one's own is of no newer topology.
    NoteTopology {
        /// Its version.
        version: TopologyVersion,
    },
    /// The regions in which a player has an owner, something lies or a creature is. Answer: [`Regions`](crate::StoreReply::Regions).
    RegionsInUse,
    /// A region is no more: whoever took its service over has all players there owned by nobody, and what is named of what lies
    /// there lie in other regions. Answer: [`RegionClosed`](crate::StoreReply::RegionClosed) or [`NotServing`](crate::StoreReply::NotServing).
    CloseRegion {
        /// Who serves it.
        serving: Serving,
        /// Which of what lies there goes where, by the holding's id, at most
        /// [`GROUND_PASSED_MAX`](crate::limits::GROUND_PASSED_MAX); its place stays.
        ground: Vec<(u64, RegionNumber)>,
    },
    /// Answer: [`Player`](crate::StoreReply::Player).
    LoadPlayer {
        /// Whose row.
        user: UserId,
    },
    /// Owner and epoch only. Answer: [`Owner`](crate::StoreReply::Owner).
    ReadOwner {
        /// Whose row.
        user: UserId,
    },
    /// The first activation of a player that has no row. `row.owner`, `region` and `region_epoch` must be a current
    /// service; the store sets `owner_epoch` to the first one of its generation. Answer:
    /// [`Inserted`](crate::StoreReply::Inserted), [`Exists`](crate::StoreReply::Exists) or
    /// [`NotServing`](crate::StoreReply::NotServing).
    InsertPlayer {
        /// The row to be.
        row: PlayerRow,
    },
    /// A server takes a player for itself: login, restart, takeover. Applies if `serving` is current, the row is at
    /// `expected`, stands in that region or is owned by nobody, and is not bound to a newer session. Whom nobody owns is taken
    /// for the session of its newest login only, and while that lasts. The epoch grows; a higher session generation starts
    /// input and command numbers at 0. Answer: [`Activated`](crate::StoreReply::Activated),
    /// [`Refused`](crate::StoreReply::Refused) or [`SessionOver`](crate::StoreReply::SessionOver), and nothing was changed.
    Activate {
        /// Whose row.
        user: UserId,
        /// Who takes it.
        serving: Serving,
        /// The epoch it was read at.
        expected: OwnerEpoch,
        /// The session it is taken for.
        binding: Binding,
    },
    /// The commit of a handover: every player of the group goes to the target, or none. Each must be owned under `from`
    /// at its epoch, of the store's generation, at no higher version; both must be current services. The epochs grow
    /// by one. Answer: [`Passed`](crate::StoreReply::Passed) or [`Refused`](crate::StoreReply::Refused).
    PassPlayers {
        /// Who gives: the service under which it owns them.
        from: Serving,
        /// Who gets, as it prepared.
        to: Serving,
        /// The attempt.
        attempt: AttemptId,
        /// State of each at the freeze.
        passengers: Vec<PlayerSave>,
    },
    /// Doubt resolved for the source: burns the epoch that a lost handover CAS could still give away, so that it can
    /// never apply. The row must be owned by `serving.node` at `expected`; its epoch grows by two. Answer:
    /// [`Activated`](crate::StoreReply::Activated) or [`Refused`](crate::StoreReply::Refused).
    Reclaim {
        /// Whose row.
        user: UserId,
        /// Who takes it back.
        serving: Serving,
        /// The epoch it was frozen at.
        expected: OwnerEpoch,
    },
    /// Somebody has soft saves to write. Answer: [`SoftTurn`](crate::StoreReply::SoftTurn), when nothing urgent waits; only
    /// then is it captured what is to be saved, so that no player waits in line.
    SoftTurn,
    /// Soft saves, each with its own outcome. A batch of nothing else is on disk only with the next one that is not. Answer:
    /// [`Saved`](crate::StoreReply::Saved).
    SavePlayers {
        /// The writer.
        owner: NodeNumber,
        /// What to write.
        saves: Vec<PlayerSave>,
    },
    /// Durable commands, each with its own outcome: the player's row and its holdings change together or not at all.
    /// Sending one again changes nothing and is answered as the first time. Answer:
    /// [`Committed`](crate::StoreReply::Committed).
    CommitDurable {
        /// The service under which the writer owns them.
        serving: Serving,
        /// What to write.
        commits: Vec<DurableCommit>,
    },
    /// What lies on a region's ground changes by the region's own doing, all of it or nothing. Applies if `serving` is current, and no
    /// version at least as high was written under it. Sending it again changes nothing and is answered as the first time. Answer:
    /// [`GroundCommitted`](crate::StoreReply::GroundCommitted).
    CommitGround {
        /// Who serves the region.
        serving: Serving,
        /// The server raises it before each of these requests; from 1 in each service.
        version: StateVersion,
        /// At most [`HOLDING_CHANGES_MAX`](crate::limits::HOLDING_CHANGES_MAX).
        changes: Vec<GroundChange>,
    },
    /// Creatures of a region change, each for itself. Applies if `serving` is current, and no version at least as high was written
    /// under it: so a request that takes effect late brings nobody back. Sending it again changes nothing and is answered as the
    /// first time, until the next one is sent. Answer: [`CreaturesWritten`](crate::StoreReply::CreaturesWritten).
    WriteCreatures {
        /// Who serves the region.
        serving: Serving,
        /// The server raises it before each of these requests; from 1 in each service.
        version: StateVersion,
        /// At most [`CREATURE_CHANGES_MAX`](crate::limits::CREATURE_CHANGES_MAX), of as many creatures.
        changes: Vec<CreatureChange>,
    },
    /// Creatures of a region, by id. Answer: [`Creatures`](crate::StoreReply::Creatures), at most
    /// [`CREATURES_READ_MAX`](crate::limits::CREATURES_READ_MAX).
    ReadCreatures {
        /// Where.
        region: RegionNumber,
        /// Which.
        wanted: CreaturesWanted,
        /// Only ids above this one; `None` from the start.
        after: Option<EntityId>,
    },
    /// What a game keeps of a region or of the world. Answer: [`GameState`](crate::StoreReply::GameState).
    ReadGameState {
        /// Whose.
        of: StateOf,
        /// Only when it is newer than this; 0: whatever there is.
        after: u64,
    },
    /// A game keeps other bytes from now on. Applies if `serving` is current, and no version at least as high was written under it.
    /// Sending it again changes nothing and is answered as the first time. Answer:
    /// [`GameStateSaved`](crate::StoreReply::GameStateSaved).
    SaveGameState {
        /// Who serves the region that writes.
        serving: Serving,
        /// Whose state: its own, or the world's.
        of: StateOf,
        /// The server raises it before each of these requests; from 1 in each service.
        version: StateVersion,
        /// At most [`GAME_STATE_BYTES_MAX`](crate::limits::GAME_STATE_BYTES_MAX).
        state: Bytes,
    },
    /// What a user has offered in trades that are overdue by the store's clock is the user's again. An activation does the same.
    /// Answer: [`TradesCancelled`](crate::StoreReply::TradesCancelled).
    CancelOverdue {
        /// Whose offers.
        user: UserId,
    },
    /// A portion of the users with offers that were overdue so long ago, by the store's clock, that whoever has such a user should have
    /// looked after them: mostly users whom nobody has. Answer: [`Offerers`](crate::StoreReply::Offerers).
    OverdueOffers {
        /// Milliseconds.
        since_ms: u64,
    },
    /// Logout: the last save, and the owner becomes nobody. Answer: [`Released`](crate::StoreReply::Released) or
    /// [`Refused`](crate::StoreReply::Refused) (with nobody as owner at the same epoch: it had been released).
    Release {
        /// The service under which the player is owned.
        serving: Serving,
        /// The last state; its version may equal the row's.
        save: PlayerSave,
    },
    /// A player's session moves to another proxy, or ends there. A save that must not bind an older session than the
    /// row's. Answer: [`Rebound`](crate::StoreReply::Rebound) or [`Refused`](crate::StoreReply::Refused).
    RebindSession {
        /// The service under which the player is owned.
        serving: Serving,
        /// The state with the new binding.
        save: PlayerSave,
    },
    /// A user id for a guest, never given before. Answer: [`Guest`](crate::StoreReply::Guest).
    NextGuest,
    /// A login: the user's session generation grows, and lasts [`SESSION_MS`](crate::limits::SESSION_MS). The auth role alone asks
    /// this. Answer: [`Session`](crate::StoreReply::Session).
    RaiseSession {
        /// Who logs in.
        user: UserId,
    },
    /// A ticket is renewed: the session lasts [`SESSION_MS`](crate::limits::SESSION_MS) from now on, also when that of before is
    /// over. One that a logout or a newer login has ended stays so. Answer:
    /// [`SessionExtended`](crate::StoreReply::SessionExtended) or [`SessionOver`](crate::StoreReply::SessionOver).
    ExtendSession {
        /// Whose.
        user: UserId,
        /// Which login.
        generation: SessionGeneration,
    },
    /// A logout: the session is over, whatever its ticket says. Answer: [`SessionOver`](crate::StoreReply::SessionOver), also
    /// when a newer login had ended it, which goes on.
    EndSession {
        /// Whose.
        user: UserId,
        /// Which login.
        generation: SessionGeneration,
    },
    /// Answer: [`Session`](crate::StoreReply::Session), 0 if there never was a login.
    ReadSession {
        /// Whose.
        user: UserId,
    },
    /// Something about users as such. Answer: [`Account`](crate::StoreReply::Account).
    Account(AccountRequest),
    /// Creates a region's first holdings, once; whoever is to hold one of them has a row. One that exists already, from a former map
    /// of the world, stays as it is. Answer: [`Seeded`](crate::StoreReply::Seeded).
    SeedHoldings {
        /// Whose.
        region: RegionNumber,
        /// The world's seed, kept as the mark that it was done.
        seed: u64,
        /// All of them.
        holdings: Vec<Holding>,
    },
    /// Answer: [`Holdings`](crate::StoreReply::Holdings), by id.
    HoldingsOnGround {
        /// Where.
        region: RegionNumber,
    },
    /// Answer: [`Belongings`](crate::StoreReply::Belongings).
    HoldingsOf {
        /// Whose.
        user: UserId,
    },
    /// A page of everything, by id, for a census. Answer: [`Holdings`](crate::StoreReply::Holdings), at most
    /// [`CENSUS_ROWS_MAX`](crate::limits::CENSUS_ROWS_MAX).
    AllHoldings {
        /// Only ids above this one; `None` from the start.
        after: Option<u64>,
    },
    /// Where all holdings are and how many were ever made and destroyed, as they were at one moment. Answer:
    /// [`HoldingCounts`](crate::StoreReply::HoldingCounts), by kind.
    CountHoldings,
    /// What was applied for whom, for a census. Answer: [`Chains`](crate::StoreReply::Chains); users without a row are
    /// left out.
    ReadChains {
        /// At most [`CENSUS_ROWS_MAX`](crate::limits::CENSUS_ROWS_MAX).
        users: Vec<UserId>,
    },
    /// A portion of the guests that nobody owns, or whose owner's service has ended, or whose last login ended longer ago than
    /// this, and that were last written longer ago than this, by the store's clock. Answer:
    /// [`StaleGuests`](crate::StoreReply::StaleGuests), ascending, at most [`BATCH_ROWS_MAX`](crate::limits::BATCH_ROWS_MAX).
    StaleGuests {
        /// Milliseconds.
        idle_ms: u64,
        /// Only users above this one; `None` from the start.
        after: Option<UserId>,
    },
    /// Guests have left for good: what they hold lies on the ground of a region that is served, and their rows and sessions are
    /// gone. Each must still be stale, at its epoch. Answer: [`Forgotten`](crate::StoreReply::Forgotten), or
    /// [`NotServing`](crate::StoreReply::NotServing) when the service is not current.
    ForgetGuests {
        /// Where their holdings go.
        serving: Serving,
        /// Milliseconds, as they were asked for.
        idle_ms: u64,
        /// At most [`BATCH_ROWS_MAX`](crate::limits::BATCH_ROWS_MAX). Those beyond
        /// [`FORGOTTEN_HOLDINGS_MAX`](crate::limits::FORGOTTEN_HOLDINGS_MAX) holdings stay.
        guests: Vec<ForgottenGuest>,
    },
    /// A portion of the sessions of guests that have no row: those older than this are forgotten. Answer:
    /// [`SessionsForgotten`](crate::StoreReply::SessionsForgotten).
    ForgetSessions {
        /// Milliseconds.
        idle_ms: u64,
        /// Only users above this one; `None` from the start.
        after: Option<UserId>,
    },
}

/// A guest to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForgottenGuest {
    /// Who.
    pub user: UserId,
    /// The epoch at which it was found stale.
    pub owner_epoch: OwnerEpoch,
    /// Where its holdings go, world units.
    pub x: f32,
    /// World units.
    pub y: f32,
}

/// A player's durable commands of one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct DurableCommit {
    /// The player after the commands, with their events.
    pub save: PlayerSave,
    /// What they do to holdings, in order.
    pub changes: Vec<HoldingChange>,
}

impl DurableCommit {
    /// Rows that its changes may change.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.changes.iter().map(HoldingChange::rows).sum()
    }
}

/// How a request is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClass {
    /// Changes no row.
    Read,
    /// Somebody waits for it: ownership, sessions, durable commands.
    Urgent,
    /// Loses at most a second of movement: need not be on disk at once.
    Soft,
    /// Wants to hear when nothing else waits.
    Turn,
}

impl StoreRequest {
    /// How the request is queued.
    #[must_use]
    pub fn class(&self) -> RequestClass {
        match self {
            Self::StoreGeneration
            | Self::ReadService { .. }
            | Self::ReadHolder { .. }
            | Self::RegionsInUse
            | Self::StaleGuests { .. }
            | Self::OverdueOffers { .. }
            | Self::LoadPlayer { .. }
            | Self::ReadOwner { .. }
            | Self::ReadSession { .. }
            | Self::HoldingsOnGround { .. }
            | Self::HoldingsOf { .. }
            | Self::AllHoldings { .. }
            | Self::CountHoldings
            | Self::ReadCreatures { .. }
            | Self::ReadGameState { .. }
            | Self::ReadChains { .. } => RequestClass::Read,
            Self::Account(request) if request.is_read() => RequestClass::Read,
            Self::SoftTurn => RequestClass::Turn,
            Self::SavePlayers { .. }
            | Self::ForgetGuests { .. }
            | Self::ForgetSessions { .. }
            | Self::ExtendSession { .. }
            | Self::EndSession { .. } => RequestClass::Soft,
            Self::WriteCreatures { changes, .. } if changes.iter().all(CreatureChange::is_soft) => {
                RequestClass::Soft
            }
            _ => RequestClass::Urgent,
        }
    }

    /// Rows that the request may write, for closing a batch. At least 1.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::SavePlayers { saves, .. } => saves.len().max(1),
            Self::PassPlayers { passengers, .. } => passengers.len().max(1),
            Self::ForgetGuests { guests, .. } => guests.len().max(1),
            Self::CommitDurable { commits, .. } => commits
                .iter()
                .map(|commit| commit.rows().saturating_add(1))
                .sum::<usize>()
                .max(1),
            Self::CommitGround { changes, .. } => changes.len().saturating_add(1),
            Self::WriteCreatures { changes, .. } => changes.len().max(1),
            _ => 1,
        }
    }

    /// Memory that the request takes while it waits, about, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let saves = match self {
            Self::SavePlayers { saves, .. }
            | Self::PassPlayers {
                passengers: saves, ..
            } => save_bytes(saves),
            Self::CommitDurable { commits, .. } => save_bytes(commits.iter().map(|commit| &commit.save)),
            Self::Release { save, .. } | Self::RebindSession { save, .. } => save_bytes([save]),
            Self::InsertPlayer { row } => row.body.state.len(),
            Self::SeedHoldings { holdings, .. } => {
                let payloads: usize = holdings.iter().map(|holding| holding.payload.len()).sum();
                size_of_val(holdings.as_slice()) + payloads
            }
            Self::CloseRegion { ground, .. } => size_of_val(ground.as_slice()),
            Self::SaveGameState { state, .. } => state.len(),
            Self::Account(request) => request.bytes(),
            Self::ReadChains { users } => size_of_val(users.as_slice()),
            Self::ForgetGuests { guests, .. } => size_of_val(guests.as_slice()),
            _ => 0,
        };
        let changes = match self {
            Self::CommitDurable { commits, .. } => {
                let changes = commits.iter().flat_map(|commit| &commit.changes);
                changes.map(HoldingChange::bytes).sum()
            }
            Self::CommitGround { changes, .. } => {
                changes.len() * (size_of::<GroundChange>() + HOLDING_PAYLOAD_BYTES_MAX)
            }
            Self::WriteCreatures { changes, .. } => changes.len() * CreatureChange::bytes(),
            _ => 0,
        };
        size_of::<Self>() + saves + changes
    }
}

fn save_bytes<'a>(saves: impl IntoIterator<Item = &'a PlayerSave>) -> usize {
    saves
        .into_iter()
        .map(|save| size_of::<PlayerSave>() + save.body.state.len())
        .sum()
}
