//! Who serves which region, and where those went who were handed over lately.

use protocol::ids::{NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber};
use store::Serving;

/// Another region, as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) node: NodeNumber,
    pub(super) epoch: RegionEpoch,
}

impl From<Serving> for Served {
    fn from(serving: Serving) -> Self {
        Self {
            node: serving.node,
            epoch: serving.region_epoch,
        }
    }
}

/// Who was handed over lately, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub {
    pub(super) at: Served,
    pub(super) region: RegionNumber,
    pub(super) owner_epoch: OwnerEpoch,
    pub(super) until_ms: u64,
}
