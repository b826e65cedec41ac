//! What the admin endpoint shows: snapshots that others put there, so that asking never waits for anybody.

use super::checks::memory_check;
use super::readiness::{Check, Readiness, ReadyReport};
use crate::life::{Owners, Shutdown, Standing};
use crate::telemetry::{LiveMetrics, LogControl, Metrics};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

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
    /// What the node cannot do without: watched from here.
    pub owners: Owners,
    /// Drains the process.
    pub shutdown: Shutdown,
    /// Changes the log level.
    pub log: LogControl,
    /// Renders what is counted; none in processes without a recorder.
    pub metrics: Option<Metrics>,
    /// Renders what is asked for at each scrape.
    pub live: LiveMetrics,
}

impl AdminState {
    /// The whole status: what every node tells, and what this role published.
    #[must_use]
    pub fn status(&self) -> Value {
        let (usage, report) = (crate::telemetry::usage(), self.report());
        let mut status = json!({
            "name": self.name,
            "role": self.role,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_ms": crate::clock::now_ms(),
            "ready": report.is_ready(),
            "not_ready": report.missing(),
            "noted": report.noted(),
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

    /// Whether the node takes work, check by check.
    #[must_use]
    pub fn report(&self) -> ReadyReport {
        whole_report(&self.readiness, &self.owners, &self.shutdown)
    }

    /// Why the process is as good as dead, although it answers; empty while it lives.
    #[must_use]
    pub fn not_alive(&self) -> Vec<String> {
        let lost = self.owners.fatal().map(|fatal| fatal.to_string());
        let stuck = self
            .owners
            .standings()
            .into_iter()
            .filter_map(|(thread, standing)| {
                matches!(standing, Standing::Lost(_)).then(|| format!("{thread} is stuck"))
            });
        lost.into_iter().chain(stuck).collect()
    }
}

/// The node's own checks, and those of every process.
pub(crate) fn whole_report(readiness: &Readiness, owners: &Owners, shutdown: &Shutdown) -> ReadyReport {
    let mut report = readiness.report();
    report.add("memory", memory_check());
    if let Some(fatal) = owners.fatal() {
        report.add("lost", Check::missing(fatal.to_string()));
    }
    for (thread, standing) in owners.standings() {
        report.add(thread, thread_check(standing));
    }
    if shutdown.is_draining() {
        report.add("draining", Check::missing(""));
    }
    report
}

fn thread_check(standing: Standing) -> Check {
    match standing {
        Standing::Well => Check::well("comes round"),
        Standing::Slow(looks) => Check::noted(format!("in the same iteration for {looks} looks")),
        Standing::Stalled(looks) | Standing::Lost(looks) => {
            Check::missing(format!("stalled: in the same iteration for {looks} looks"))
        }
    }
}

/// An answer to a census that is on its way, or why there is none.
pub type CensusAnswer = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// Answers the query of a `/census` address.
type Census = Box<dyn Fn(String) -> CensusAnswer + Send + Sync>;

/// What was done, or why it was not, once that is known.
pub type ChangeAnswer = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Does what the query of a `/give` address asks.
type Give = Box<dyn Fn(String) -> ChangeAnswer + Send + Sync>;

/// Passes on what the body of a `/rules` address says to whom its query names.
type Operate = Box<dyn Fn(String, Vec<u8>) -> ChangeAnswer + Send + Sync>;

/// Reads settings anew.
type Reload = Box<dyn Fn() -> ChangeAnswer + Send + Sync>;

/// Takes a signed topology up.
type Push = Box<dyn Fn(Vec<u8>) -> ChangeAnswer + Send + Sync>;

/// The role's part of `/status`: the owner of the state publishes a JSON object, readers take the latest. And of
/// `/census`, which alone is worked out when it is asked for.
#[derive(Clone)]
pub struct StatusBoard(Arc<Board>);

struct Board {
    status: ArcSwap<Value>,
    census: OnceLock<Census>,
    give: OnceLock<Give>,
    push: OnceLock<Push>,
    operate: OnceLock<Operate>,
    reload: OnceLock<Reload>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self(Arc::new(Board {
            status: ArcSwap::from_pointee(json!({})),
            census: OnceLock::new(),
            give: OnceLock::new(),
            push: OnceLock::new(),
            operate: OnceLock::new(),
            reload: OnceLock::new(),
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

    /// From now on `/give` is done by `give`, which is given the query. The first one stays.
    pub fn answer_give(&self, give: impl Fn(String) -> ChangeAnswer + Send + Sync + 'static) {
        let _ = self.0.give.set(Box::new(give));
    }

    /// From now on what is posted to `/topology` is taken up by `push`. The first one stays.
    pub fn answer_push(&self, push: impl Fn(Vec<u8>) -> ChangeAnswer + Send + Sync + 'static) {
        let _ = self.0.push.set(Box::new(push));
    }

    /// From now on what is posted to `/rules` is passed on by `operate`, with the query. The first one stays.
    pub fn answer_operator(&self, operate: impl Fn(String, Vec<u8>) -> ChangeAnswer + Send + Sync + 'static) {
        let _ = self.0.operate.set(Box::new(operate));
    }

    /// From now on `/reload` is done by `reload`. The first one stays.
    pub fn answer_reload(&self, reload: impl Fn() -> ChangeAnswer + Send + Sync + 'static) {
        let _ = self.0.reload.set(Box::new(reload));
    }

    /// Asks for settings to be read anew; `None` where none are.
    pub(super) fn reload(&self) -> Option<ChangeAnswer> {
        self.0.reload.get().map(|reload| reload())
    }

    /// Asks for something to be passed on to rules; `None` where there are none.
    pub(super) fn operate(&self, query: String, body: Vec<u8>) -> Option<ChangeAnswer> {
        self.0.operate.get().map(|operate| operate(query, body))
    }

    /// Asks for a topology to be taken up; `None` where none is.
    pub(super) fn push(&self, bundle: Vec<u8>) -> Option<ChangeAnswer> {
        self.0.push.get().map(|push| push(bundle))
    }

    /// Asks for a region to be given away; `None` where none is.
    pub(super) fn give(&self, query: String) -> Option<ChangeAnswer> {
        self.0.give.get().map(|give| give(query))
    }

    /// Asks for a census; `None` where none is kept.
    pub(super) fn census(&self, query: String) -> Option<CensusAnswer> {
        self.0.census.get().map(|answer| answer(query))
    }
}
