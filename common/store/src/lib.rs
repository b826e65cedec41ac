//! The single commit point: who owns which player, who holds what, and which epoch is the current one.
//!
//! The contract is a closed pair of enums, [`StoreRequest`] and [`StoreReply`], that know no database. Every rule of
//! ownership that must survive crashes is a condition inside one of the requests; what implements them ([`sqlite`],
//! [`simulated`]) passes one conformance suite. Store work never runs on a tick: [`StoreHandle`] takes requests
//! without waiting and a task batches them.

pub mod batch;
pub mod claims;
pub mod error;
pub mod holding;
pub mod limits;
pub mod reply;
pub mod request;
pub mod row;
mod rules;
pub mod simulated;
pub mod sqlite;
pub mod store_task;

pub use claims::{Announced, ServiceClaims, Verdict};
pub use error::StoreError;
pub use holding::{Holder, Holding, HoldingChange};
pub use reply::{CommitOutcome, SaveOutcome, StoreReply};
pub use request::StoreRequest;
pub use row::{Binding, OwnerRecord, PlayerBody, PlayerRow, PlayerSave, Serving};
pub use store_task::{StoreAnswer, StoreHandle, StoreSettings};

/// What a request ends in.
pub type StoreResult = Result<StoreReply, StoreError>;

/// A place where batches of requests take effect.
///
/// One call is one batch. The requests of a batch are independent of each other: they may share a transaction, and
/// each has its own outcome, in the order asked. A batch is durable before the call returns.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// Carries out `requests` and answers each, in order. Always returns as many results as there were requests.
    ///
    /// [`StoreError::Unknown`] means that a request may or may not have taken effect, now or later.
    async fn execute(&self, requests: Vec<StoreRequest>) -> Vec<StoreResult>;
}
