//! Limits of what makes, moves and destroys holdings.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::ids::{NodeNumber, RegionNumber, StateVersion, UserId};

use super::{holds, number, place};
use crate::StoreError;
use crate::holding::{GroundChange, Holder, Holding, HoldingChange, Offer, minted_by};
use crate::limits::{
    GROUND_PASSED_MAX, HOLDING_CHANGES_MAX, HOLDING_PAYLOAD_BYTES_MAX, SEED_HOLDINGS_MAX, TRADE_HOLDINGS_MAX,
    TRADE_LASTS_MS_MAX,
};
use crate::row::Serving;

pub(super) fn changes(owner: &NodeNumber, changes: &[HoldingChange]) -> Result<(), StoreError> {
    holds(
        changes.len() <= HOLDING_CHANGES_MAX
            && changes.iter().map(HoldingChange::rows).sum::<usize>() <= 2 * HOLDING_CHANGES_MAX,
        "more than 64 holding changes in one commit",
    )?;
    changes.iter().try_for_each(|change| match change {
        HoldingChange::Take { holding, .. } | HoldingChange::Burn { holding } => number(*holding, "holding"),
        HoldingChange::Give { holding, to } => {
            number(*holding, "holding")?;
            number(to.0, "user")
        }
        HoldingChange::Drop { holding, x, y, .. } => {
            number(*holding, "holding")?;
            place(*x, *y)
        }
        HoldingChange::Mint { holding, payload, .. } => minted(*owner, *holding, payload),
        HoldingChange::Offer(one) => offer(*owner, one),
        HoldingChange::Accept { trade, from } | HoldingChange::Cancel { trade, from } => {
            number(trade.0, "trade")?;
            number(from.0, "user")
        }
    })
}

pub(super) fn ground(
    serving: Serving,
    version: StateVersion,
    changes: &[GroundChange],
) -> Result<(), StoreError> {
    holds(
        changes.len() <= HOLDING_CHANGES_MAX,
        "more than 64 changes of a region's ground in one request",
    )?;
    number(serving.region_epoch.0, "region epoch")?;
    number(version.0, "version")?;
    changes.iter().try_for_each(|change| match change {
        GroundChange::Burn { holding } => number(*holding, "holding"),
        GroundChange::Mint {
            holding,
            payload,
            x,
            y,
            ..
        } => {
            place(*x, *y)?;
            minted(serving.node, *holding, payload)
        }
    })
}

fn minted(node: NodeNumber, id: u64, payload: &Bytes) -> Result<(), StoreError> {
    fits(payload)?;
    holds(
        minted_by(id) == Some(node),
        "an id that another node may have given to something else",
    )
}

fn offer(owner: NodeNumber, offer: &Offer) -> Result<(), StoreError> {
    let sides = [&offer.gives, &offer.wants];
    holds(
        sides.iter().all(|side| side.len() <= TRADE_HOLDINGS_MAX),
        "more than 16 holdings on a side of a trade",
    )?;
    holds(
        offer.lasts_ms <= TRADE_LASTS_MS_MAX,
        "an offer that stands for more than an hour",
    )?;
    number(offer.to.0, "user")?;
    minted(owner, offer.trade.0, &Bytes::new())?;
    sides.into_iter().try_for_each(|side| {
        distinct(side.iter().copied())?;
        side.iter().try_for_each(|holding| number(*holding, "holding"))
    })
}

pub(super) fn seed(holdings: &[Holding]) -> Result<(), StoreError> {
    holds(
        holdings.len() <= SEED_HOLDINGS_MAX,
        "more than 65,536 holdings of a region",
    )?;
    distinct(holdings.iter().map(|holding| holding.id))?;
    holdings.iter().try_for_each(|holding| {
        number(holding.id, "holding")?;
        fits(&holding.payload)?;
        match holding.holder {
            Holder::User(UserId(user)) => number(user, "user"),
            Holder::Ground { x, y, .. } => place(x, y),
            Holder::Trade(_) => holds(false, "a world that begins with trades"),
        }
    })
}

pub(super) fn closed(serving: Serving, ground: &[(u64, RegionNumber)]) -> Result<(), StoreError> {
    holds(
        ground.len() <= GROUND_PASSED_MAX,
        "more than 4,096 holdings that lie in another region from now on",
    )?;
    number(serving.region_epoch.0, "region epoch")?;
    distinct(ground.iter().map(|(id, _)| *id))?;
    ground.iter().try_for_each(|(id, _)| number(*id, "holding"))
}

fn fits(payload: &Bytes) -> Result<(), StoreError> {
    holds(
        payload.len() <= HOLDING_PAYLOAD_BYTES_MAX,
        "a holding with more than 256 bytes of its own",
    )
}

fn distinct(holdings: impl ExactSizeIterator<Item = u64>) -> Result<(), StoreError> {
    let count = holdings.len();
    let ids: BTreeSet<u64> = holdings.collect();
    holds(ids.len() == count, "two holdings with one id")
}
