//! What the rules of a region say to users who need not be theirs.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::ids::{RegionEpoch, RegionNumber, UserId};
use crate::limits::NEWS_BYTES_MAX;
use crate::message::player::{Announce, Notify};

/// News of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedNews {
    /// To whom; `None`: to all.
    pub user: Option<UserId>,
    /// Who says so: the region, at the epoch of its service.
    pub from: (RegionNumber, RegionEpoch),
    /// The game's own bytes.
    pub body: Bytes,
}

impl CheckedNews {
    fn check(user: Option<UserId>, region: u32, epoch: u64, body: Bytes) -> Result<Self, CheckError> {
        field::at_most("body", &body, NEWS_BYTES_MAX)?;
        Ok(Self {
            user,
            from: (field::region_number("region", region)?, RegionEpoch(epoch)),
            body,
        })
    }
}

impl TryFrom<Notify> for CheckedNews {
    type Error = CheckError;

    fn try_from(message: Notify) -> Result<Self, CheckError> {
        let user = Some(UserId(message.user));
        Self::check(user, message.region, message.region_epoch, message.body)
    }
}

impl TryFrom<Announce> for CheckedNews {
    type Error = CheckError;

    fn try_from(message: Announce) -> Result<Self, CheckError> {
        Self::check(None, message.region, message.region_epoch, message.body)
    }
}
