//! Generations, regions, sessions and guests: everything that only ever counts up.

use protocol::ids::{
    Incarnation, NodeNumber, RegionEpoch, RegionNumber, SessionGeneration, TopologyVersion, UserId,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::Failure;
use super::moment::Moment;
use super::open;
use super::statement::query;
use crate::limits::{SESSION_MS, STORE_GENERATION_MAX};
use crate::{LiveLease, RegionHolder, Serving, StoreError, StoreReply, rules};

pub(super) fn generation(connection: &Connection) -> rusqlite::Result<u16> {
    query(connection, "SELECT generation FROM cluster").one(|row| row.small("store generation"))
}

/// The generation, the rounds of keepers and when the last one was, Unix milliseconds.
pub(super) fn progress(connection: &Connection) -> rusqlite::Result<(u16, u64, u64)> {
    const PROGRESS: &str = "SELECT generation, progress, progress_ms FROM cluster";
    query(connection, PROGRESS).one(|row| Ok((row.small("store generation")?, row.number()?, row.number()?)))
}

/// How far the world was at the node's last round.
pub(super) fn progress_of(connection: &Connection, node: NodeNumber) -> rusqlite::Result<u64> {
    const OF_NODE: &str =
        "SELECT coalesce((SELECT progress FROM node_mark WHERE node = ?1), marks_since) FROM cluster";
    query(connection, OF_NODE).bind(node.0).one(|row| row.number())
}

/// Counts a round of a node's keeper, in one transaction: the generation, and how far the world is now.
pub(super) fn count_round(
    connection: &Connection,
    node: NodeNumber,
    now_ms: i64,
) -> rusqlite::Result<(u16, u64)> {
    const COUNT: &str = "UPDATE cluster SET progress = progress + 1, progress_ms = ?1
        RETURNING generation, progress";
    const REMEMBER: &str = "INSERT INTO node_mark (node, progress) VALUES (?1, ?2)
        ON CONFLICT (node) DO UPDATE SET progress = excluded.progress";
    let round = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let (generation, progress) = query(&round, COUNT)
        .bind(now_ms)
        .one(|row| Ok((row.small("store generation")?, row.number()?)))?;
    query(&round, REMEMBER).bind(node.0).number(progress).run()?;
    round.commit()?;
    Ok((generation, progress))
}

/// Writes the file's mark again, which takes room in the log as any write does. (An update that leaves a row as it is
/// writes nothing.)
pub(super) fn probe(connection: &Connection) -> Result<StoreReply, Failure> {
    query(connection, &open::mark()).run()?;
    Ok(StoreReply::Probed)
}

pub(super) fn raise_generation(connection: &Connection) -> Result<StoreReply, Failure> {
    if generation(connection)? >= STORE_GENERATION_MAX {
        return Err(Failure::Request(StoreError::Invalid(
            "the store generations are used up",
        )));
    }
    query(connection, "UPDATE node_start SET start = start + ?1")
        .number(rules::STARTS_SKIPPED)
        .run()?;
    query(
        connection,
        "UPDATE cluster SET generation = generation + 1, next_guest = next_guest + ?1",
    )
    .number(rules::GUESTS_SKIPPED)
    .run()?;
    Ok(StoreReply::StoreGeneration(generation(connection)?))
}

pub(super) fn note_topology(
    connection: &Connection,
    version: TopologyVersion,
) -> Result<StoreReply, Failure> {
    const NOTE: &str = "UPDATE cluster SET topology = max(topology, ?1) RETURNING topology";
    let newest = query(connection, NOTE)
        .number(version.0)
        .one(|row| row.number())?;
    Ok(StoreReply::NewestTopology(TopologyVersion(newest)))
}

pub(super) fn serve_region(
    connection: &Connection,
    region: RegionNumber,
    node: NodeNumber,
    after: Option<RegionEpoch>,
    generation: u16,
) -> Result<StoreReply, Failure> {
    let newest = service(connection, region)?;
    let current = newest.map(|service| service.region_epoch);
    if current != after {
        return Ok(StoreReply::Service(newest));
    }
    let epoch = rules::region_epoch_after(current, generation)?;
    const SERVE: &str = "INSERT INTO region (region, node, epoch, since_start)
        VALUES (?1, ?2, ?3, coalesce((SELECT start FROM node_start WHERE node = ?2), 0))
        ON CONFLICT (region) DO UPDATE
        SET node = excluded.node, epoch = excluded.epoch, since_start = excluded.since_start
        WHERE excluded.epoch > region.epoch";
    query(connection, SERVE)
        .bind(region.0)
        .bind(node.0)
        .number(epoch.0)
        .run()?;
    Ok(StoreReply::Serving(epoch))
}

pub(super) fn is_serving(connection: &Connection, serving: Serving) -> rusqlite::Result<bool> {
    Ok(service(connection, serving.region)? == Some(serving))
}

pub(super) fn region_epoch(
    connection: &Connection,
    region: RegionNumber,
) -> rusqlite::Result<Option<RegionEpoch>> {
    let service = service(connection, region)?;
    Ok(service.map(|service| service.region_epoch))
}

pub(super) fn read_service(connection: &Connection, region: RegionNumber) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Service(service(connection, region)?))
}

pub(super) fn service(connection: &Connection, region: RegionNumber) -> rusqlite::Result<Option<Serving>> {
    query(connection, "SELECT node, epoch FROM region WHERE region = ?1")
        .bind(region.0)
        .row(|row| {
            Ok(Serving {
                node: NodeNumber(row.small("node number")?),
                region,
                region_epoch: RegionEpoch(row.number()?),
            })
        })
}

pub(super) fn holder(
    connection: &Connection,
    region: RegionNumber,
) -> rusqlite::Result<Option<RegionHolder>> {
    const HOLDER: &str =
        "SELECT r.node, r.epoch, r.since_start, coalesce(s.start, 0), l.incarnation, coalesce(l.beat, 0)
        FROM region r LEFT JOIN node_start s ON s.node = r.node
        LEFT JOIN node_lease l ON l.node = r.node AND l.is_ended = 0 WHERE r.region = ?1";
    query(connection, HOLDER).bind(region.0).row(|row| {
        Ok(RegionHolder {
            service: Serving {
                node: NodeNumber(row.small("node number")?),
                region,
                region_epoch: RegionEpoch(row.number()?),
            },
            since: Incarnation(row.number()?),
            newest: Incarnation(row.number()?),
            lease: match row.take::<Option<i64>>()? {
                Some(incarnation) => Some(LiveLease {
                    incarnation: Incarnation(incarnation.cast_unsigned()),
                    beat: row.number()?,
                }),
                None => None,
            },
        })
    })
}

pub(super) fn regions_in_use(connection: &Connection) -> Result<StoreReply, Failure> {
    const IN_USE: &str = "SELECT region FROM player WHERE owner IS NOT NULL
        UNION SELECT region FROM holding WHERE region IS NOT NULL UNION SELECT region FROM creature ORDER BY region";
    let regions = query(connection, IN_USE).rows(|row| row.small("region number").map(RegionNumber))?;
    Ok(StoreReply::Regions(regions))
}

pub(super) fn close_region(
    connection: &Connection,
    serving: Serving,
    ground: &[(u64, RegionNumber)],
) -> Result<StoreReply, Failure> {
    let newest = service(connection, serving.region)?;
    if newest != Some(serving) {
        return Ok(StoreReply::NotServing(newest.map(|newest| newest.region_epoch)));
    }
    const DISOWN: &str = "UPDATE player SET owner = NULL WHERE region = ?1 AND owner IS NOT NULL";
    let players = query(connection, DISOWN).bind(serving.region.0).run()?;
    let mut holdings = 0;
    for (holding, to) in ground {
        holdings += query(
            connection,
            "UPDATE holding SET region = ?1 WHERE id = ?2 AND region = ?3",
        )
        .bind(to.0)
        .number(*holding)
        .bind(serving.region.0)
        .run()?;
    }
    Ok(StoreReply::RegionClosed { players, holdings })
}

pub(super) fn next_guest(connection: &Connection) -> Result<StoreReply, Failure> {
    const NEXT: &str = "UPDATE cluster SET next_guest = next_guest + 1 RETURNING next_guest - 1";
    let guest = query(connection, NEXT).one(|row| row.number())?;
    Ok(StoreReply::Guest(UserId(guest)))
}

pub(super) fn raise_session(
    connection: &Connection,
    user: UserId,
    at: Moment,
) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Session(raise(connection, user, at)?))
}

pub(super) fn read_session(connection: &Connection, user: UserId) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Session(
        session(connection, user)?.unwrap_or_default(),
    ))
}

/// The user's next session generation.
pub(super) fn raise(
    connection: &Connection,
    user: UserId,
    at: Moment,
) -> rusqlite::Result<SessionGeneration> {
    const RAISE: &str = "INSERT INTO session (user, generation, raised_ms, until_ms) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (user) DO UPDATE SET generation = max(session.generation + 1, excluded.generation),
        raised_ms = excluded.raised_ms, until_ms = excluded.until_ms RETURNING generation";
    let raised = query(connection, RAISE)
        .number(user.0)
        .number(rules::session_after(0, at.generation))
        .bind(at.now_ms)
        .bind(session_ends_ms(at))
        .one(|row| row.number())?;
    Ok(SessionGeneration(raised))
}

/// The user's session generation; `None` if there never was a login.
pub(super) fn session(connection: &Connection, user: UserId) -> rusqlite::Result<Option<SessionGeneration>> {
    query(connection, "SELECT generation FROM session WHERE user = ?1")
        .number(user.0)
        .row(|row| row.number().map(SessionGeneration))
}

pub(super) fn extend_session(
    connection: &Connection,
    user: UserId,
    generation: SessionGeneration,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const EXTEND: &str = "UPDATE session SET until_ms = max(until_ms, ?3)
        WHERE user = ?1 AND generation = ?2 AND until_ms IS NOT NULL";
    let extended = query(connection, EXTEND)
        .number(user.0)
        .number(generation.0)
        .bind(session_ends_ms(at))
        .run()?;
    Ok(match extended {
        0 => StoreReply::SessionOver,
        _ => StoreReply::SessionExtended,
    })
}

pub(super) fn end_session(
    connection: &Connection,
    user: UserId,
    generation: SessionGeneration,
) -> Result<StoreReply, Failure> {
    const END: &str = "UPDATE session SET until_ms = NULL WHERE user = ?1 AND generation = ?2";
    query(connection, END).number(user.0).number(generation.0).run()?;
    Ok(StoreReply::SessionOver)
}

fn session_ends_ms(at: Moment) -> i64 {
    at.now_ms.saturating_add_unsigned(SESSION_MS)
}
