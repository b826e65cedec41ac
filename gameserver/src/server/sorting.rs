//! Messages of one frame, sorted by the region that gets them; the order within each stays as it was.

use protocol::ids::RegionNumber;

use crate::region::RegionInput;

/// What one region gets.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) region: RegionNumber,
    pub(super) inputs: Vec<RegionInput>,
    /// What they take while they wait.
    pub(super) bytes: usize,
}

/// The shares of all regions; a server has a handful.
#[derive(Debug, Default)]
pub(super) struct Sorted(Vec<Share>);

impl Sorted {
    /// Adds a message of about `bytes` on the wire.
    pub(super) fn push(&mut self, region: RegionNumber, input: RegionInput, bytes: usize) {
        let bytes = bytes + size_of::<RegionInput>();
        if let Some(share) = self.0.iter_mut().find(|share| share.region == region) {
            share.inputs.push(input);
            share.bytes += bytes;
            return;
        }
        self.0.push(Share {
            region,
            inputs: vec![input],
            bytes,
        });
    }

    /// The shares.
    pub(super) fn into_shares(self) -> Vec<Share> {
        self.0
    }
}
