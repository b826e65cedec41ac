//! One element of every array that a function of the database takes.

use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, SessionGeneration, UserId};

use super::parameter::limited;
use crate::row::{Binding, PlayerBody, PlayerRow, PlayerSave, Serving};

/// One element of every array.
#[derive(Debug, Default)]
pub(super) struct Op<'a> {
    pub(super) user: Option<UserId>,
    /// Who has the player, or asks.
    pub(super) node: Option<NodeNumber>,
    /// Who serves, or is to.
    pub(super) serving: Option<Serving>,
    pub(super) region: Option<u32>,
    pub(super) owner_epoch: Option<OwnerEpoch>,
    pub(super) attempt: Option<u64>,
    pub(super) version: Option<u64>,
    pub(super) entity: Option<EntityId>,
    pub(super) binding: Option<Binding>,
    pub(super) body: Option<&'a PlayerBody>,
    /// Of a game, where there is no body.
    pub(super) state: Option<&'a [u8]>,
    pub(super) number: Option<i64>,
    pub(super) place: Option<(f32, f32)>,
    pub(super) part: i32,
    pub(super) count: i32,
}

impl<'a> Op<'a> {
    pub(super) fn of(user: UserId) -> Self {
        Self {
            user: Some(user),
            ..Self::default()
        }
    }

    /// The generation goes where no other field of this op is.
    pub(super) fn session(user: UserId, generation: SessionGeneration) -> Self {
        Self {
            number: Some(limited(generation.0)),
            ..Self::of(user)
        }
    }

    pub(super) fn taking(user: UserId, serving: Serving, expected: OwnerEpoch) -> Self {
        Self {
            serving: Some(serving),
            owner_epoch: Some(expected),
            ..Self::of(user)
        }
    }

    pub(super) fn saving(owner: NodeNumber, save: &'a PlayerSave) -> Self {
        Self {
            node: Some(owner),
            owner_epoch: Some(save.owner_epoch),
            version: Some(save.version.0),
            body: Some(&save.body),
            ..Self::of(save.user)
        }
    }

    pub(super) fn serving(serving: Serving, save: &'a PlayerSave) -> Self {
        Self {
            serving: Some(serving),
            ..Self::saving(serving.node, save)
        }
    }

    pub(super) fn of_row(row: &'a PlayerRow) -> Self {
        Self {
            serving: row.owner.map(|node| Serving {
                node,
                region: row.region,
                region_epoch: row.region_epoch,
            }),
            region: Some(row.region.0),
            attempt: Some(row.attempt.0),
            version: Some(row.version.0),
            entity: Some(row.entity),
            body: Some(&row.body),
            ..Self::of(row.user)
        }
    }
}
