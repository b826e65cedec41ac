//! What a store answers. A refusal is an answer, not an error: it shows the row as it is.

use protocol::ids::{
    CommandNumber, Incarnation, RegionEpoch, RegionNumber, SessionGeneration, TopologyVersion, UserId,
};

use crate::account::AccountReply;
use crate::creature::{CreatureOutcome, CreatureRow};
use crate::holding::{Belongings, Holding};
use crate::row::{GameState, OwnerRecord, PlayerRow, RegionHolder, Serving, StaleGuest};

/// The answer to one request; each says which.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreReply {
    /// To `StartNode`: this process start, 22 bits.
    Started(Incarnation),
    /// To `Probe`: written.
    Probed,
    /// To `StoreGeneration` and `RaiseStoreGeneration`: the high 16 bits of epochs issued now.
    StoreGeneration(u16),
    /// To `ServeRegion`, `TakeOver` and `GiveRegion`.
    Serving(RegionEpoch),
    /// To `ReadService`, and to a `ServeRegion` or `GiveRegion` that comes too late: the newest service, whoever began it; `None` when the region was never served.
    Service(Option<Serving>),
    /// To `ReadHolder`, and to a `TakeOver` that comes too late; `None` when the region was never served.
    Holder(Option<RegionHolder>),
    /// To `RenewLease`: how often the lease was renewed by now.
    LeaseRenewed(u64),
    /// To `RenewLease`, `TakeOver` and `GiveRegion`: that lease has ended, and this is the start to which the node's newest one
    /// belongs. `None`: the node has none, since it never had one or a backup was restored.
    LeaseEnded(Option<Incarnation>),
    /// To `NoteTopology`: the highest version that was ever noted.
    NewestTopology(TopologyVersion),
    /// To `RegionsInUse`, ascending.
    Regions(Vec<RegionNumber>),
    /// To `CloseRegion`.
    RegionClosed {
        /// Players who had an owner.
        players: usize,
        /// Holdings that lie in another region now.
        holdings: usize,
    },
    /// To `LoadPlayer`.
    Player(Option<PlayerRow>),
    /// To `ReadOwner`.
    Owner(Option<OwnerRecord>),
    /// To `InsertPlayer`: the row with the epoch that the store gave it.
    Inserted(PlayerRow),
    /// To `InsertPlayer`: somebody was there before.
    Exists(PlayerRow),
    /// To `InsertPlayer`, `ForgetGuests` and `CloseRegion`: the row's owner, or who asks, does not serve the region now; this is the epoch of who does.
    NotServing(Option<RegionEpoch>),
    /// To `Activate` and `Reclaim`: the row as it is now.
    Activated(PlayerRow),
    /// To `PassPlayers`: committed.
    Passed,
    /// To `Release`.
    Released,
    /// To `RebindSession`.
    Rebound,
    /// To every conditional change: nothing was changed, and these are the rows concerned that exist. It may be the
    /// answer to the repetition of a success.
    Refused(Vec<PlayerRow>),
    /// To `SoftTurn`: nothing urgent waits.
    SoftTurn,
    /// To `SavePlayers`, one each, in order.
    Saved(Vec<SaveOutcome>),
    /// To `CommitDurable`, one each, in order.
    Committed(Vec<CommitOutcome>),
    /// To `CommitGround`; fenced when the service is not current.
    GroundCommitted(CommitOutcome),
    /// To `WriteCreatures`.
    CreaturesWritten(CreatureOutcome),
    /// To `ReadCreatures`, ascending by id.
    Creatures(Vec<CreatureRow>),
    /// To `ReadGameState`: `None` when it is not newer, or was never written.
    GameState(Option<GameState>),
    /// To `SaveGameState`; fenced when the service is not current.
    GameStateSaved(SaveOutcome),
    /// To `CancelOverdue`: how many trades there were.
    TradesCancelled(usize),
    /// To `OverdueOffers`, ascending; at most [`BATCH_ROWS_MAX`](crate::limits::BATCH_ROWS_MAX).
    Offerers(Vec<UserId>),
    /// To `NextGuest`.
    Guest(UserId),
    /// To `RaiseSession` and `ReadSession`.
    Session(SessionGeneration),
    /// To `Account`.
    Account(AccountReply),
    /// To `ExtendSession`.
    SessionExtended,
    /// To `ExtendSession` and `EndSession`, and to an `Activate` of a player whom nobody owns.
    SessionOver,
    /// To `SeedHoldings`: the seed that the region was made with, by this request or an earlier one.
    Seeded(u64),
    /// To the reads of holdings that lie somewhere, and of all, ascending by id.
    Holdings(Vec<Holding>),
    /// To `HoldingsOf`.
    Belongings(Belongings),
    /// To `CountHoldings`, ascending by kind.
    HoldingCounts(Vec<HoldingCount>),
    /// To `ReadChains`, in the order asked.
    Chains(Vec<Chain>),
    /// To `StaleGuests`.
    StaleGuests {
        /// Who.
        guests: Vec<StaleGuest>,
        /// What to ask for next: users above this one; `None` when all were looked at.
        next: Option<UserId>,
    },
    /// To `ForgetGuests`.
    Forgotten {
        /// How many are gone.
        guests: u64,
        /// What lies on the ground of the region now, ascending by id.
        holdings: Vec<Holding>,
    },
    /// To `ForgetSessions`.
    SessionsForgotten {
        /// How many.
        sessions: u64,
        /// What to ask for next: users above this one; `None` when all were looked at.
        next: Option<UserId>,
    },
}

/// What became of one soft save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOutcome {
    /// Written.
    Applied,
    /// The row has another owner or epoch: the writer does not own the player any more.
    Fenced,
    /// The row has this version or a higher one by the same owner at the same epoch.
    Older,
}

/// What became of one durable commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The row and its holdings are as asked, by this request or by an earlier copy of it.
    Applied,
    /// The row has another owner or epoch: the writer does not own the player any more, or does not serve the region on whose ground
    /// something lies or is to lie.
    FencedByEpoch,
    /// The row has a version at least as high, of other content: the owner did not wait for its own write.
    Older,
    /// This holding is not where a change takes it from.
    HolderMismatch(u64),
    /// The user to get this holding has no row; of an offer, the user it is open to, and this is the trade.
    NoReceiver(u64),
    /// This trade is not open, or not between these two, or it is overdue; of an offer: too many of the player's are open.
    TradeClosed(u64),
}

/// How many holdings of one kind there are, and how many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldingCount {
    /// As the game numbers its kinds.
    pub kind: u32,
    /// Held by users.
    pub held: u64,
    /// Lying somewhere.
    pub on_ground: u64,
    /// Offered in trades.
    pub in_trades: u64,
    /// Those with which the world began, as far as its regions were seeded.
    pub seeded: u64,
    /// Ever made since.
    pub minted: u64,
    /// Ever destroyed.
    pub burned: u64,
}

impl HoldingCount {
    /// Of a kind of which there never was any.
    #[must_use]
    pub fn none(kind: u32) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Whether everything that was made and not destroyed is in one place.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let there = [self.held, self.on_ground, self.in_trades, self.burned];
        let made = [self.seeded, self.minted];
        there.iter().sum::<u64>() == made.iter().sum()
    }
}

/// What was applied for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Who.
    pub user: UserId,
    /// Last command applied in the row's session generation.
    pub last_command: CommandNumber,
    /// Hash chain over all commands applied.
    pub chain_hash: [u8; 32],
}
