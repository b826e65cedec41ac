//! Shows that a node's process is there, and has the node remember outside of the database how far it was: on a thread and a
//! connection of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use protocol::Shown;
use protocol::ids::{NodeNumber, WorldId};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Type};

use super::fault::Failure;
use super::link::Link;
use crate::StoreError;
use crate::mark::StoreMark;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// How often it is shown that the node is there.
const SHOW: Duration = Duration::from_secs(1);

/// The thread. Dropping it makes a last round, if the database lets it.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a round needs.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) link: Link,
    pub(super) node: NodeNumber,
    pub(super) data: PathBuf,
    pub(super) world: WorldId,
}

impl Keeper {
    /// Makes a first round and goes on.
    pub(super) fn start(mut rounds: Rounds) -> Result<Self, StoreError> {
        rounds.make()?;
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("store keeper".to_owned())
            .spawn(move || {
                let mut last = Instant::now();
                while stopped.recv_timeout(SHOW) == Err(RecvTimeoutError::Timeout) {
                    let shown = rounds.show();
                    if last.elapsed() >= ROUND && shown.is_ok() {
                        last = Instant::now();
                        told(rounds.make());
                    }
                }
                told(rounds.make());
                rounds.link.close();
            });
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn told(made: Result<(), StoreError>) {
    if let Err(error) = made {
        tracing::warn!(%error, "it was not noted how far the store is");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of the store had panicked");
        }
    }
}

impl Rounds {
    /// Shows that the node is there; false when another process does.
    pub(super) fn show(&mut self) -> Result<bool, StoreError> {
        const SHOW: &str =
            "SELECT held, l.generation FROM regionmesh.hold_node($1) AS held, regionmesh.look($1) AS l";
        let row = self.ask(SHOW)?;
        let generation = u16::try_from(column::<i32>(&row, 1)?);
        self.link
            .saw(generation.map_err(|_| StoreError::Corrupt("store generation".to_owned()))?);
        column(&row, 0)
    }

    /// How far the world is, as this node was last told.
    pub(super) fn look(&mut self) -> Result<StoreMark, StoreError> {
        let row = self.ask("SELECT generation, progress, at_ms FROM regionmesh.look($1)")?;
        self.mark(&row)
    }

    /// Counts, and remembers.
    fn make(&mut self) -> Result<(), StoreError> {
        let row = self.ask("SELECT generation, progress, at_ms FROM regionmesh.keep($1)")?;
        let written = self.mark(&row)?.write(&self.data);
        written.map_err(|error| StoreError::Unavailable(format!("{}: {error}", shown(&self.data))))
    }

    fn mark(&self, row: &Row) -> Result<StoreMark, StoreError> {
        let damaged = |_| StoreError::Corrupt("store generation".to_owned());
        Ok(StoreMark {
            world: self.world,
            generation: u16::try_from(column::<i32>(row, 0)?).map_err(damaged)?,
            progress: column::<i64>(row, 1)?.cast_unsigned(),
            at_ms: column::<i64>(row, 2)?.cast_unsigned(),
        })
    }

    /// Asks something about this node.
    fn ask(&mut self, statement: &str) -> Result<Row, StoreError> {
        let node = i32::from(self.node.0);
        one(self.link.call(statement, &[(&node, Type::INT4)]))
    }
}

fn shown(path: &Path) -> String {
    Shown(path.display()).to_string()
}

/// The one row of an answer.
pub(super) fn one(called: Result<Vec<Row>, Failure>) -> Result<Row, StoreError> {
    let mut rows = called.map_err(Failure::of_read)?;
    rows.pop()
        .ok_or_else(|| StoreError::Corrupt("an answer is missing".to_owned()))
}

/// One column of it.
pub(super) fn column<T: FromSqlOwned>(row: &Row, at: usize) -> Result<T, StoreError> {
    row.try_get(at)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}
