//! Limits of what changes creatures.

use std::collections::BTreeSet;

use protocol::ids::{OwnerEpoch, StateVersion};

use super::{holds, number};
use crate::StoreError;
use crate::creature::CreatureChange;
use crate::limits::{CREATURE_BODY_BYTES_MAX, CREATURE_CHANGES_MAX};
use crate::row::Serving;

pub(super) fn changes(
    serving: Serving,
    version: StateVersion,
    changes: &[CreatureChange],
) -> Result<(), StoreError> {
    holds(
        changes.len() <= CREATURE_CHANGES_MAX,
        "more than 64 creatures in one request",
    )?;
    number(serving.region_epoch.0, "region epoch")?;
    number(version.0, "version")?;
    let creatures: BTreeSet<_> = changes.iter().map(CreatureChange::creature).collect();
    holds(
        creatures.len() == changes.len(),
        "a creature changes twice in one request",
    )?;
    changes.iter().try_for_each(|change| {
        holds(
            change
                .body()
                .is_none_or(|body| body.len() <= CREATURE_BODY_BYTES_MAX),
            "a creature is larger than 2 KiB",
        )?;
        match change {
            CreatureChange::Bear { creature, .. } => holds(
                creature.node() == serving.node,
                "a creature that another node has numbered",
            ),
            CreatureChange::Pass { epoch, to, .. } => {
                epoch.next()?;
                number(to.region_epoch.0, "region epoch")?;
                of_row(*epoch)
            }
            CreatureChange::Save { epoch, .. } | CreatureChange::End { epoch, .. } => of_row(*epoch),
        }
    })
}

fn of_row(epoch: OwnerEpoch) -> Result<(), StoreError> {
    number(epoch.0, "epoch of a creature")
}
