//! Inputs: the newest with up to two before it, so that a lost datagram loses none.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::ids::{InputNumber, OwnerEpoch, UserId};
use crate::limits::{INPUT_BYTES_MAX, INPUTS_REPEATED_MAX};
use crate::message::{client, player};

/// Consecutive inputs; none in a mere acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRun {
    newest: InputNumber,
    newest_first: Vec<Bytes>,
}

impl InputRun {
    /// Takes the inputs out of a message, newest first, the first of them numbered `number`.
    ///
    /// # Errors
    /// `TooMany` above [`INPUTS_REPEATED_MAX`], `TooLong` above [`INPUT_BYTES_MAX`] each, `OutOfRange` when the numbers
    /// would go below 1.
    pub fn check(number: u64, newest_first: Vec<Bytes>) -> Result<Self, CheckError> {
        field::count("inputs", newest_first.len(), INPUTS_REPEATED_MAX)?;
        for input in &newest_first {
            field::at_most("inputs", input, INPUT_BYTES_MAX)?;
        }
        if number < newest_first.len() as u64 {
            return Err(CheckError::OutOfRange("number"));
        }
        Ok(Self {
            newest: InputNumber(number),
            newest_first,
        })
    }

    /// Number of the newest; whatever was written when there are none.
    #[must_use]
    pub const fn newest(&self) -> InputNumber {
        self.newest
    }

    /// Whether this is an acknowledgement only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest_first.is_empty()
    }

    /// The inputs after `applied`, oldest first: what is left to apply.
    pub fn after(&self, applied: InputNumber) -> impl Iterator<Item = (InputNumber, &Bytes)> {
        let numbered = (0_u64..).zip(&self.newest_first);
        let numbered = numbered.map(|(back, input)| (InputNumber(self.newest.0.saturating_sub(back)), input));
        let mut newer: Vec<_> = numbered.filter(|(number, _)| *number > applied).collect();
        newer.reverse();
        newer.into_iter()
    }

    /// The message a proxy sends on.
    #[must_use]
    pub fn to_wire(&self, user: UserId, owner_epoch: OwnerEpoch) -> player::Inputs {
        player::Inputs {
            user: user.0,
            owner_epoch: owner_epoch.0,
            number: self.newest.0,
            inputs: self.newest_first.clone(),
        }
    }
}

impl TryFrom<player::Inputs> for InputRun {
    type Error = CheckError;

    fn try_from(message: player::Inputs) -> Result<Self, CheckError> {
        Self::check(message.number, message.inputs)
    }
}

/// Which snapshots a client has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotAck {
    /// The newest; 0 before the first.
    pub latest: u32,
    /// Bit n: the one `n + 1` before the newest.
    pub mask: u32,
}

impl SnapshotAck {
    /// Whether a snapshot was received; `None` when it is too old, or too new, to say.
    #[must_use]
    pub fn received(self, number: u32) -> Option<bool> {
        match self.latest.checked_sub(number)? {
            0 => Some(true),
            back => {
                let bit = 1_u32.checked_shl(back.saturating_sub(1))?;
                Some(self.mask & bit != 0)
            }
        }
    }
}

/// What a client says about ten times a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedInput {
    /// The inputs.
    pub run: InputRun,
    /// What it received.
    pub ack: SnapshotAck,
    /// The client's clock, milliseconds; comes back in the snapshot.
    pub sent_at_ms: u32,
}

impl TryFrom<client::Input> for CheckedInput {
    type Error = CheckError;

    fn try_from(message: client::Input) -> Result<Self, CheckError> {
        Ok(Self {
            run: InputRun::check(message.number, message.inputs)?,
            ack: SnapshotAck {
                latest: message.snapshot_ack,
                mask: message.snapshot_mask,
            },
            sent_at_ms: message.sent_at_ms,
        })
    }
}
