//! What the admin endpoint shows: snapshots that others put there, so that asking never waits for anybody.

use crate::life::Shutdown;
use crate::telemetry::{LogControl, Metrics};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Everything the endpoint needs.
#[derive(Clone, Debug)]
pub struct AdminState {
    /// The node's name.
    pub name: String,
    /// What the process is: `gameserver`, `proxy`.
    pub role: &'static str,
    /// Whether the node takes work.
    pub readiness: Readiness,
    /// The role's own part of `/status`.
    pub status: StatusBoard,
    /// Drains the process.
    pub shutdown: Shutdown,
    /// Changes the log level.
    pub log: LogControl,
    /// Renders the metrics; none in processes without a recorder.
    pub metrics: Option<Metrics>,
}

impl AdminState {
    /// The whole status: what every node tells, and what this role published.
    #[must_use]
    pub fn status(&self) -> Value {
        let usage = crate::telemetry::usage();
        let mut status = json!({
            "name": self.name,
            "role": self.role,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_ms": crate::clock::now_ms(),
            "ready": self.not_ready().is_empty(),
            "not_ready": self.not_ready(),
            "draining": self.shutdown.is_draining(),
            "cpu_s": usage.cpu_s,
            "rss_bytes": usage.rss_bytes,
            "open_fds": usage.open_fds,
        });
        if let (Some(all), Some(own)) = (status.as_object_mut(), self.status.read().as_object()) {
            all.extend(own.clone());
        }
        status
    }

    /// Why the node takes no work; empty when it does.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.readiness.reasons();
        if self.shutdown.is_draining() {
            reasons.push("draining".to_owned());
        }
        reasons
    }
}

/// Why a node is not ready: reasons under names, so that whoever set one clears it. Starts with `starting`.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(BTreeMap::from([(
            "starting",
            String::new(),
        )]))))
    }
}

impl Readiness {
    /// Not ready because of `name`; `detail` says more and replaces what was said before.
    pub fn block(&self, name: &'static str, detail: impl Into<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, detail.into());
    }

    /// No longer because of `name`.
    pub fn clear(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The node has started.
    pub fn started(&self) {
        self.clear("starting");
    }

    /// All reasons, as sentences.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |(name, detail): (&&'static str, &String)| match detail.is_empty() {
            true => (*name).to_owned(),
            false => format!("{name}: {detail}"),
        };
        reasons.iter().map(said).collect()
    }
}

/// An answer to a census that is on its way, or why there is none.
pub type CensusAnswer = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// Answers the query of a `/census` address.
type Census = Box<dyn Fn(String) -> CensusAnswer + Send + Sync>;

/// The role's part of `/status`: the owner of the state publishes a JSON object, readers take the latest. And of
/// `/census`, which alone is worked out when it is asked for.
#[derive(Clone)]
pub struct StatusBoard(Arc<Board>);

struct Board {
    status: ArcSwap<Value>,
    census: OnceLock<Census>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self(Arc::new(Board {
            status: ArcSwap::from_pointee(json!({})),
            census: OnceLock::new(),
        }))
    }
}

impl fmt::Debug for StatusBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatusBoard").field(&self.read()).finish()
    }
}

impl StatusBoard {
    /// Replaces the snapshot.
    pub fn publish(&self, status: Value) {
        self.0.status.store(Arc::new(status));
    }

    /// The latest snapshot.
    #[must_use]
    pub fn read(&self) -> Arc<Value> {
        self.0.status.load_full()
    }

    /// From now on `/census` is answered by `answer`, which is given the query. The first one stays.
    pub fn answer_census(&self, answer: impl Fn(String) -> CensusAnswer + Send + Sync + 'static) {
        let _ = self.0.census.set(Box::new(answer));
    }

    /// Asks for a census; `None` where none is kept.
    pub(super) fn census(&self, query: String) -> Option<CensusAnswer> {
        self.0.census.get().map(|answer| answer(query))
    }
}
