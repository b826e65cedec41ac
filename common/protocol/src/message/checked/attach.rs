//! An Attach: the proof has the right size here; the owner verifies what it proves.

use super::error::CheckError;
use super::field;
use crate::ids::{AttachNo, CommandNumber, EventNumber};
use crate::message::client::Attach;

/// "I am at this proxy now", with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAttach {
    /// Number of the attachment.
    pub attach_no: AttachNo,
    /// The client's signature over this attachment, unverified.
    pub signature: [u8; 64],
    /// Last command that the client has seen confirmed.
    pub acked_command: CommandNumber,
    /// Last event that the client has received.
    pub acked_event: EventNumber,
}

impl TryFrom<Attach> for CheckedAttach {
    type Error = CheckError;

    fn try_from(message: Attach) -> Result<Self, CheckError> {
        Ok(Self {
            attach_no: AttachNo(message.attach_no),
            signature: field::array("signature", &message.signature)?,
            acked_command: CommandNumber(field::number("acked_command", message.acked_command)?),
            acked_event: EventNumber(field::number("acked_event", message.acked_event)?),
        })
    }
}
