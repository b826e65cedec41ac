//! The same statements on one connection, prepared once, in the same transactions: what SQLite itself takes.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{COMMITS, HOLDINGS, LOADS, PASSES, PLAYERS, SAVES, SERVERS, STATE_BYTES, TICK_HZ};

const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE player (user INTEGER PRIMARY KEY, owner INTEGER, owner_epoch INTEGER, version INTEGER, state BLOB);
    CREATE TABLE holding (id INTEGER PRIMARY KEY, user INTEGER);
    CREATE INDEX holding_by_user ON holding (user);";
const INSERT: &str = "INSERT INTO player VALUES (?1, 1, 1, 1, ?2)";
const UPDATE: &str = "UPDATE player SET version = ?1, state = ?2 WHERE user = ?3 AND owner = ?4 AND owner_epoch = ?5 AND version < ?1";
const LOAD: &str = "SELECT * FROM player WHERE user = ?1";
const HELD: &str = "SELECT * FROM holding WHERE user = ?1";

/// A file of its own.
pub(super) struct BareFile {
    connection: Connection,
    version: i64,
    turn: u64,
}

impl BareFile {
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch("BEGIN")?;
        for user in 0..PLAYERS * u64::from(SERVERS) {
            connection.execute(INSERT, params![user as i64, [7_u8; STATE_BYTES]])?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(Self {
            connection,
            version: 1,
            turn: 0,
        })
    }

    /// What so many seconds of play ask for, without a pause.
    pub(super) fn play(&mut self, seconds: u32) -> anyhow::Result<()> {
        for tick in 0..seconds * TICK_HZ {
            for _ in 0..SERVERS {
                self.write(PASSES + COMMITS)?;
                self.read()?;
                if tick.is_multiple_of(TICK_HZ) {
                    self.write(SAVES)?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, rows: u64) -> anyhow::Result<()> {
        self.version += 1;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for _ in 0..rows {
            let user = self.user();
            let state = [7_u8; STATE_BYTES];
            let mut update = self.connection.prepare_cached(UPDATE)?;
            let changed = update.execute(params![self.version, state, user, 1, 1])?;
            anyhow::ensure!(changed == 1, "a row is not written");
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        for index in 0..LOADS + HOLDINGS {
            let user = self.user();
            let text = if index < LOADS { LOAD } else { HELD };
            let mut select = self.connection.prepare_cached(text)?;
            let mut rows = select.query([user])?;
            while rows.next()?.is_some() {}
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn user(&mut self) -> i64 {
        self.turn += 1;
        (self.turn % (PLAYERS * u64::from(SERVERS))) as i64
    }
}
