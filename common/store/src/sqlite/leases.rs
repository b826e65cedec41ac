//! Starts of nodes and their leases, and what passes a region with its players from one node to another.

use protocol::ids::{EntityId, Incarnation, NodeNumber, OwnerEpoch, RegionEpoch, UserId};
use rusqlite::Connection;

use super::cluster;
use super::fault::Failure;
use super::moment::Moment;
use super::statement::query;
use crate::row::{Lease, LiveLease, RegionHolder, Serving};
use crate::{StoreError, StoreReply, rules};

pub(super) fn start(connection: &Connection, node: NodeNumber) -> Result<StoreReply, Failure> {
    const NEXT: &str = "INSERT INTO node_start (node, start) VALUES (?1, 1)
        ON CONFLICT (node) DO UPDATE SET start = start + 1 WHERE start < ?2 RETURNING start";
    let row = query(connection, NEXT)
        .bind(node.0)
        .number(EntityId::START_MAX)
        .row(|row| row.number())?;
    let used_up = StoreError::Invalid("a node has used up its starts: give it a new number");
    let start = row.ok_or(Failure::Request(used_up))?;
    const BEGIN: &str = "INSERT INTO node_lease (node, incarnation, beat, is_ended) VALUES (?1, ?2, 0, 0)
        ON CONFLICT (node) DO UPDATE SET incarnation = excluded.incarnation, beat = 0, is_ended = 0";
    query(connection, BEGIN).bind(node.0).number(start).run()?;
    Ok(StoreReply::Started(Incarnation(start)))
}

fn live(connection: &Connection, node: NodeNumber) -> rusqlite::Result<Option<LiveLease>> {
    const LIVE: &str = "SELECT incarnation, beat FROM node_lease WHERE node = ?1 AND is_ended = 0";
    query(connection, LIVE).bind(node.0).row(|row| {
        Ok(LiveLease {
            incarnation: Incarnation(row.number()?),
            beat: row.number()?,
        })
    })
}

fn is_live(connection: &Connection, lease: Lease) -> rusqlite::Result<bool> {
    let live = live(connection, lease.node)?;
    Ok(live.is_some_and(|live| live.incarnation == lease.incarnation))
}

fn ended(connection: &Connection, node: NodeNumber) -> Result<StoreReply, Failure> {
    const NEWEST: &str = "SELECT incarnation FROM node_lease WHERE node = ?1";
    let newest = query(connection, NEWEST).bind(node.0).row(|row| row.number())?;
    Ok(StoreReply::LeaseEnded(newest.map(Incarnation)))
}

pub(super) fn renew(connection: &Connection, lease: Lease) -> Result<StoreReply, Failure> {
    const RENEW: &str = "UPDATE node_lease SET beat = beat + 1
        WHERE node = ?1 AND incarnation = ?2 AND is_ended = 0 RETURNING beat";
    let beat = query(connection, RENEW)
        .bind(lease.node.0)
        .number(lease.incarnation.0)
        .row(|row| row.number())?;
    match beat {
        Some(beat) => Ok(StoreReply::LeaseRenewed(beat)),
        None => ended(connection, lease.node),
    }
}

pub(super) fn take_over(
    connection: &Connection,
    taker: Lease,
    holder: &RegionHolder,
    at: Moment,
) -> Result<StoreReply, Failure> {
    if !is_live(connection, taker)? {
        return ended(connection, taker.node);
    }
    let now = cluster::holder(connection, holder.service.region)?;
    let same = |now: &RegionHolder| {
        let served = (now.service, now.since) == (holder.service, holder.since);
        served && now.live().is_none_or(|live| holder.live() == Some(live))
    };
    if !now.is_some_and(|now| same(&now)) {
        return Ok(StoreReply::Holder(now));
    }
    let epoch = pass(connection, holder.service, taker, at)?;
    const END: &str = "UPDATE node_lease SET is_ended = 1 WHERE node = ?1 AND incarnation = ?2";
    query(connection, END)
        .bind(holder.service.node.0)
        .number(holder.since.0)
        .run()?;
    Ok(StoreReply::Serving(epoch))
}

pub(super) fn give(
    connection: &Connection,
    from: Serving,
    to: NodeNumber,
    at: Moment,
) -> Result<StoreReply, Failure> {
    let newest = cluster::service(connection, from.region)?;
    if newest != Some(from) {
        return Ok(StoreReply::Service(newest));
    }
    let Some(LiveLease { incarnation, .. }) = live(connection, to)? else {
        return ended(connection, to);
    };
    let to = Lease {
        node: to,
        incarnation,
    };
    Ok(StoreReply::Serving(pass(connection, from, to, at)?))
}

fn pass(connection: &Connection, from: Serving, to: Lease, at: Moment) -> Result<RegionEpoch, Failure> {
    let exhausted = |error: protocol::ids::EpochExhausted| Failure::Request(error.into());
    let epoch = rules::region_epoch_after(Some(from.region_epoch), at.generation).map_err(exhausted)?;
    const OWNED: &str = "SELECT user, owner_epoch FROM player WHERE owner = ?1 AND region = ?2";
    let owned = query(connection, OWNED)
        .bind(from.node.0)
        .bind(from.region.0)
        .rows(|row| Ok((UserId(row.number()?), OwnerEpoch(row.number()?))))?;
    const OWN: &str =
        "UPDATE player SET owner = ?2, owner_epoch = ?3, region_epoch = ?4, attempt = 0 WHERE user = ?1";
    for (user, owner_epoch) in owned {
        let next = rules::owner_epoch_after(owner_epoch, at.generation, 1).map_err(exhausted)?;
        query(connection, OWN)
            .number(user.0)
            .bind(to.node.0)
            .number(next.0)
            .number(epoch.0)
            .run()?;
    }
    const SERVE: &str = "UPDATE region SET node = ?2, epoch = ?3, since_start = ?4 WHERE region = ?1";
    query(connection, SERVE)
        .bind(from.region.0)
        .bind(to.node.0)
        .number(epoch.0)
        .number(to.incarnation.0)
        .run()?;
    Ok(epoch)
}
