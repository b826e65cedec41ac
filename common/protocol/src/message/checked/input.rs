//! Inputs: the newest with up to two before it, so that a lost datagram loses none.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::ids::InputNumber;
use crate::limits::{INPUT_BYTES_MAX, INPUTS_REPEATED_MAX, SNAPSHOT_PACE_MS_MAX};
use crate::message::client;

/// Consecutive inputs, newest first; none in a mere acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputRun {
    /// Number of the newest; whatever was written when there are none.
    pub newest: InputNumber,
    /// The game's own bytes of each.
    pub newest_first: Vec<Bytes>,
}

impl InputRun {
    /// Takes the inputs out of a message, newest first, the first of them numbered `number`.
    ///
    /// # Errors
    /// `TooMany` above [`INPUTS_REPEATED_MAX`], `TooLong` above [`INPUT_BYTES_MAX`] each, `Missing` without a number,
    /// `OutOfRange` for a number beyond any session.
    pub fn check(number: u64, newest_first: Vec<Bytes>) -> Result<Self, CheckError> {
        field::count("inputs", newest_first.len(), INPUTS_REPEATED_MAX)?;
        for input in &newest_first {
            field::at_most("inputs", input, INPUT_BYTES_MAX)?;
        }
        if !newest_first.is_empty() {
            field::counted("number", number)?;
        }
        Ok(Self {
            newest: InputNumber(field::number("number", number)?),
            newest_first,
        })
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
    /// Snapshots come no oftener than this, milliseconds.
    pub pace_ms: u32,
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
            pace_ms: message.pace_ms.min(SNAPSHOT_PACE_MS_MAX),
        })
    }
}
