//! Which tables and functions a database has, and bringing them up to date: only on purpose, never by a node that starts.

use protocol::ids::{NodeNumber, WorldId};
use tokio_postgres::{Client, Row};

use super::statements::failed;
use super::{PostgresCause, fault, grants};
use crate::StoreError;

/// What brought a database to where it is, in order. Only ever added to. What a node of the former version asks may mean something else
/// after a step, or be refused: all nodes are ended first.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_ground.sql"),
    include_str!("../../migrations/postgres/0002_batches.sql"),
    include_str!("../../migrations/postgres/0003_writes.sql"),
    include_str!("../../migrations/postgres/0004_nodes.sql"),
    include_str!("../../migrations/postgres/0005_timeline.sql"),
    include_str!("../../migrations/postgres/0006_lease.sql"),
    include_str!("../../migrations/postgres/0007_grants.sql"),
    include_str!("../../migrations/postgres/0008_topology.sql"),
    include_str!("../../migrations/postgres/0009_valuables.sql"),
    include_str!("../../migrations/postgres/0010_offers.sql"),
    include_str!("../../migrations/postgres/0011_takes.sql"),
    include_str!("../../migrations/postgres/0012_candidates.sql"),
    include_str!("../../migrations/postgres/0013_creatures.sql"),
    include_str!("../../migrations/postgres/0014_service.sql"),
    include_str!("../../migrations/postgres/0015_game_state.sql"),
    include_str!("../../migrations/postgres/0016_sanction.sql"),
    include_str!("../../migrations/postgres/0017_ends.sql"),
    include_str!("../../migrations/postgres/0018_sanction_reads.sql"),
    include_str!("../../migrations/postgres/0019_account.sql"),
    include_str!("../../migrations/postgres/0020_device.sql"),
    include_str!("../../migrations/postgres/0021_guest_without_login.sql"),
    include_str!("../../migrations/postgres/0022_mute.sql"),
    include_str!("../../migrations/postgres/0023_report.sql"),
    include_str!("../../migrations/postgres/0024_identity.sql"),
    include_str!("../../migrations/postgres/0025_verifier.sql"),
    include_str!("../../migrations/postgres/0026_ban_before_login.sql"),
];

/// Whoever migrates holds this lock of the database: "RMSH" twice.
const MIGRATING: i64 = 0x524d_5348_524d_5348;
/// Whoever works on it holds one of these locks, see `hold_node`.
const NODES: &str = "SELECT l.objid::int4 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()
    AND l.locktype = 'advisory' AND l.classid = 1380799304 AND l.objsubid = 2 AND l.granted ORDER BY 1";
/// 2⁶⁴ divided by the golden ratio: spreads the bits of a number.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) world: WorldId,
    pub(super) generation: u16,
    /// Which of all copies of a world this is: a standby that was promoted is the same one, a dump that was restored is not.
    pub(super) copy: u64,
    /// The history that the database is in, and whether the store was in another one before.
    pub(super) timeline: i64,
    pub(super) is_promoted: bool,
    /// Its settings of the same names.
    pub(super) synchronous_commit: String,
    pub(super) synchronous_standby_names: String,
}

/// Tables and functions of this program.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Asks a database which store it is; refuses one of another version.
pub(super) async fn hello(client: &Client) -> Result<Hello, StoreError> {
    const HELLO: &str = "SELECT schema, world_id, generation, system, database, timeline, noted, commits, standbys FROM regionmesh.hello()";
    let asked = client.query_typed_one(HELLO, &[]).await;
    let row = asked.map_err(|error| fault::of_connecting(&error))?;
    let damaged = |what: &str| StoreError::Corrupt(what.to_owned());
    let value = |at: usize| {
        row.try_get::<_, i64>(at)
            .map_err(|error| damaged(&error.to_string()))
    };
    let number = |at: usize| {
        row.try_get::<_, i32>(at)
            .map_err(|error| damaged(&error.to_string()))
    };
    let text = |at: usize| {
        row.try_get::<_, String>(at)
            .map_err(|error| damaged(&error.to_string()))
    };
    let world: &[u8] = row.try_get(1).map_err(|error| damaged(&error.to_string()))?;
    is_known(i64::from(number(0)?))?;
    Ok(Hello {
        world: WorldId(
            world
                .try_into()
                .map_err(|_| damaged("the id of the world is missing"))?,
        ),
        generation: u16::try_from(number(2)?).map_err(|_| damaged("store generation"))?,
        copy: value(3)?.cast_unsigned().wrapping_mul(SPREAD) ^ value(4)?.cast_unsigned(),
        timeline: value(5)?,
        is_promoted: value(5)? != value(6)?,
        synchronous_commit: text(7)?,
        synchronous_standby_names: text(8)?,
    })
}

/// A database that was promoted begins a generation, whoever notices first; gives the one that is current then.
pub(super) async fn follow(client: &Client) -> Result<u16, StoreError> {
    let followed = client.query_typed_one("SELECT regionmesh.follow_timeline()", &[]);
    let generation: i32 = followed.await.map_err(failed)?.try_get(0).map_err(failed)?;
    u16::try_from(generation).map_err(|_| StoreError::Corrupt("store generation".to_owned()))
}

fn is_known(found: i64) -> Result<(), StoreError> {
    let known = KNOWN;
    match found {
        _ if found > known => Err(StoreError::NewerSchema { found, known }),
        _ if found < known => Err(StoreError::Unavailable(format!(
            "the database has schema version {found}, and this program needs {known}: bring it up to date with `regionmesh store migrate --store ADDRESS`"
        ))),
        _ => Ok(()),
    }
}

/// Brings the tables and functions of a database up to date; says from which version to which.
pub(super) async fn migrate(client: &Client) -> Result<(i64, i64), PostgresCause> {
    begin(client).await?;
    let found = found(client).await?;
    Ok(finish(client, found).await?)
}

/// Begins a transaction that may change tables; one at a time does.
pub(super) async fn begin(client: &Client) -> Result<(), StoreError> {
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATING})");
    client.batch_execute(&begin).await.map_err(failed)?;
    grants::become_owner(client).await.map(drop)
}

/// The version of what is there; refuses an older one on which nodes work.
pub(super) async fn found(client: &Client) -> Result<i64, PostgresCause> {
    let found = version(client).await.map_err(failed)?;
    if (1..KNOWN).contains(&found) {
        let nodes = nodes(client).await?;
        if !nodes.is_empty() {
            return Err(PostgresCause::InUse { nodes });
        }
    }
    Ok(found)
}

/// Which nodes work on the store just now.
pub(super) async fn nodes(client: &Client) -> Result<Vec<NodeNumber>, StoreError> {
    let rows = client.query_typed(NODES, &[]).await.map_err(failed)?;
    let number = |row: &Row| row.try_get::<_, i32>(0).map_err(failed);
    let numbers: Vec<i32> = rows.iter().map(number).collect::<Result<_, _>>()?;
    let nodes = numbers.into_iter().filter_map(|node| u16::try_from(node).ok());
    Ok(nodes.map(NodeNumber).collect())
}

/// Brings up to date what was found, in a transaction that has begun, and ends that.
pub(super) async fn finish(client: &Client, found: i64) -> Result<(i64, i64), StoreError> {
    advance(client, found, KNOWN).await?;
    commit(client).await?;
    Ok((found, KNOWN))
}

/// Ends such a transaction.
pub(super) async fn commit(client: &Client) -> Result<(), StoreError> {
    if grants::become_owner(client).await? {
        grants::apply(client).await?;
    }
    client.batch_execute("COMMIT").await.map_err(failed)
}

/// Brings tables and functions from one version to another.
pub(super) async fn advance(client: &Client, found: i64, to: i64) -> Result<(), StoreError> {
    let [from, until] = [found, to].map(usize::try_from);
    let missing = from
        .ok()
        .zip(until.ok())
        .and_then(|(from, until)| MIGRATIONS.get(from..until));
    let Some(missing) = missing else {
        let known = KNOWN;
        return Err(StoreError::NewerSchema { found, known });
    };
    for step in missing {
        client.batch_execute(step).await.map_err(failed)?;
    }
    let note = format!("UPDATE regionmesh.cluster SET schema = {to} WHERE schema <> {to}");
    client.batch_execute(&note).await.map_err(failed)
}

/// How many migrations a database has seen.
pub(super) async fn version(client: &Client) -> Result<i64, tokio_postgres::Error> {
    const IS_THERE: &str = "SELECT to_regclass('regionmesh.cluster') IS NOT NULL";
    if !client
        .query_typed_one(IS_THERE, &[])
        .await?
        .try_get::<_, bool>(0)?
    {
        return Ok(0);
    }
    let schema = client.query_typed_one("SELECT schema FROM regionmesh.cluster", &[]);
    schema.await?.try_get::<_, i32>(0).map(i64::from)
}
