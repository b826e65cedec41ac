//! The store as this process has it: opened as a member of the cluster, with its threads, and closed when all is written.

use std::io;
use std::sync::Arc;

use node::admin::store_watch;
use node::data_dir::DataDir;
use node::life::{Failure, Owners};
use protocol::ids::NodeNumber;
use store::{
    LeaseStore, Membership, NodeStore, Store, StoreError, StoreHandle, StoreIdentity, StoreReply,
    StoreRequest, StoreResult, StoreSettings, StoreThreads,
};

use super::settings::GameServerSettings;

/// The store and the threads in front of it.
pub(super) struct OpenStore {
    pub(super) handle: StoreHandle,
    threads: StoreThreads,
    leases: Option<LeaseThreads>,
    store: Arc<NodeStore>,
}

impl OpenStore {
    pub(super) async fn open(
        settings: &GameServerSettings,
        owners: &Owners,
        dir: &DataDir,
    ) -> Result<Self, Failure> {
        let (path, data, accept) = (settings.store_path(), dir.path().to_owned(), settings.accept());
        let (cluster, node) = (dir.cluster.cluster_id, dir.number);
        let opening = move || {
            let data = data.as_path();
            NodeStore::open_as(
                &path,
                &Membership {
                    cluster,
                    node,
                    data,
                    accept,
                },
            )
        };
        let opened = tokio::task::spawn_blocking(opening)
            .await
            .map_err(Failure::failed)?;
        let opened = Arc::new(opened.map_err(|error| {
            if error.may_pass() {
                Failure::unreachable(error)
            } else {
                Failure::bad_input(error)
            }
        })?);
        let queue_bytes_max = settings.store.queue_bytes_max;
        let store: Arc<dyn Store> = opened.clone();
        let started =
            StoreHandle::spawn_watched(&store, StoreSettings { queue_bytes_max }, store_watch(owners));
        let (handle, threads) = started.map_err(Failure::failed)?;
        let leases = opened.lease_store().map_err(Failure::failed)?;
        let leases = leases.map(LeaseThreads::start).transpose();
        Ok(Self {
            handle,
            threads,
            leases: leases.map_err(Failure::failed)?,
            store: opened,
        })
    }

    /// Whether servers stand by for each other on this store.
    pub(super) fn has_standbys(&self) -> bool {
        self.leases.is_some()
    }

    /// Where the lease of this process is kept, if servers stand by for each other: for requests, and for questions about processes.
    pub(super) fn leases(&self) -> Option<(StoreHandle, Arc<dyn LeaseStore>)> {
        let leases = self.leases.as_ref()?;
        Some((leases.own.clone(), Arc::clone(&leases.store)))
    }

    /// The store itself, for questions about processes: it has to be gone when the store is closed.
    pub(super) fn processes(&self) -> Arc<NodeStore> {
        Arc::clone(&self.store)
    }

    pub(super) fn identity(&self) -> StoreIdentity {
        self.store.identity()
    }

    /// Whether a process of this node works on the store. One that cannot be asked for is taken to.
    pub(super) async fn has(&self, node: NodeNumber) -> bool {
        let store = Arc::clone(&self.store);
        let asked = tokio::task::spawn_blocking(move || store.has(node)).await;
        let asked = asked.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
        asked.unwrap_or_else(|error| {
            tracing::warn!(%node, %error, "it is not known whether this node runs");
            true
        })
    }

    pub(super) async fn ask(&self, request: StoreRequest) -> Result<StoreReply, Failure> {
        started(self.handle.ask(request).await)
    }

    /// Resolves when a thread of the store has panicked, to its name.
    pub(super) async fn broken(&self) -> &'static str {
        self.threads.broken().await
    }

    /// Waits until everything sent has been answered; all other handles must be gone.
    pub(super) async fn close(self) {
        let Self {
            handle,
            threads,
            leases,
            store,
        } = self;
        drop(handle);
        let closing = move || {
            threads.join();
            if let Some(leases) = leases {
                leases.join();
            }
            if let Some(store) = Arc::into_inner(store) {
                store.close();
            }
        };
        if tokio::task::spawn_blocking(closing).await.is_err() {
            tracing::error!("the store was not closed cleanly");
        }
    }
}

/// The store as the keeper of the lease asks it, on threads of their own.
struct LeaseThreads {
    own: StoreHandle,
    threads: StoreThreads,
    store: Arc<dyn LeaseStore>,
}

impl LeaseThreads {
    fn start(store: Arc<dyn LeaseStore>) -> io::Result<Self> {
        let asked: Arc<dyn Store> = store.clone();
        let (own, threads) = StoreHandle::spawn(&asked, StoreSettings::default())?;
        Ok(Self { own, threads, store })
    }

    /// Waits until everything asked has been answered; all other handles must be gone. Blocks.
    fn join(self) {
        drop(self.own);
        self.threads.join();
    }
}

/// What the store says to a node that starts.
pub(super) fn started(answer: StoreResult) -> Result<StoreReply, Failure> {
    answer.map_err(|error| Failure::unreachable(format!("the store does not let this node start: {error}")))
}

/// The store has answered another question.
pub(super) fn unexpected(reply: &StoreReply) -> Failure {
    Failure::failed(format!("the store gave an answer to another question: {reply:?}"))
}
