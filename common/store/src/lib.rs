//! The single commit point: who owns which player, who holds what, and which epoch is the current one.
//!
//! The contract is a closed pair of enums, [`StoreRequest`] and [`StoreReply`], that know no database. Every rule of
//! ownership that must survive crashes is a condition inside one of the requests; what implements them ([`sqlite`],
//! [`simulated`], and with the feature `postgres` a database for several hosts) passes one conformance suite. Store work never runs on a tick: a [`StorePort`] takes requests and gives
//! answers without waiting, and threads of the store's own carry them out in batches.

pub mod account;
mod answer;
pub mod batch;
pub mod claims;
pub mod creature;
pub mod error;
pub mod handle;
pub mod holding;
mod in_place;
mod lane;
mod lease_store;
pub mod limits;
pub mod mark;
mod node_store;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod probe;
mod reached;
pub mod reply;
pub mod report;
pub mod request;
pub mod row;
mod rules;
pub mod sanction;
pub mod simulated;
pub mod sqlite;
mod threads;

pub use account::{Account, AccountKey, AccountReply, AccountRequest, Identity, NewAccount, Verifier};
pub use answer::StoreAnswer;
pub use claims::{Announced, ServiceClaims, Verdict};
pub use creature::{CreatureChange, CreatureOutcome, CreatureRow, CreaturesWanted};
pub use error::StoreError;
pub use handle::{StoreHandle, StorePort, StoreQueue, StoreSettings};
pub use holding::{Belongings, GroundChange, Holder, Holding, HoldingChange, Offer, TradeId};
pub use lane::{StorePulse, StoreTurn};
pub use lease_store::LeaseStore;
pub use node_store::{NodeStore, NodeStoreError, is_database};
pub use reached::{Reached, ReachedError};
pub use reply::{CommitOutcome, SaveOutcome, StoreReply};
pub use report::{NewReport, Report};
pub use request::StoreRequest;
pub use row::{
    Binding, GameState, Lease, LiveLease, OwnerRecord, PlayerBody, PlayerRow, PlayerSave, RegionHolder,
    Serving, StaleGuest, StateOf,
};
pub use sanction::{Barred, Mutes, NewSanction, Sanction, SanctionKind, Sanctions, Subject};
pub use sqlite::{Accept, Membership};
pub use threads::StoreThreads;

pub use protocol::node_handshake::StoreIdentity;

/// What a request ends in.
pub type StoreResult = Result<StoreReply, StoreError>;

/// A place where batches of requests take effect.
///
/// One call is one batch. The requests of a batch are independent of each other: they may share a transaction, and
/// each has its own outcome, in the order asked. A batch is durable before the call returns; one of nothing but soft
/// requests survives this process at once, and the machine with the next batch that is durable.
///
/// Calls block. A store is called by two threads at once: one only with what changes nothing
/// ([`RequestClass::Read`](request::RequestClass::Read)), one with everything else. Reads may overtake writes that have no
/// answer yet, and see every write that has one.
pub trait Store: Send + Sync {
    /// Carries out `requests` and answers each, in order. Always returns as many results as there were requests.
    ///
    /// [`StoreError::Unknown`] means that a request may or may not have taken effect, now or later.
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult>;

    /// Which store this is: the same for all who share it, and for nobody who works on a copy. Does not block.
    fn identity(&self) -> StoreIdentity {
        StoreIdentity::default()
    }
}
