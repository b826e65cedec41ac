//! A join: the proofs have the right size here; the owner verifies what they prove.

use super::error::CheckError;
use super::field;
use crate::ids::{AttachNo, CommandNumber, EventNumber, UserId};
use crate::limits::NAME_BYTES_MAX;
use crate::message::player::Join;
use crate::ticket::TICKET_BYTES;

/// "This user is at me now", with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedJoin {
    /// Who.
    pub user: UserId,
    /// The ticket, unverified.
    pub ticket: [u8; TICKET_BYTES],
    /// The client's signature over this attachment, unverified.
    pub attach: [u8; 64],
    /// Number of the attachment.
    pub attach_no: AttachNo,
    /// Last command that the client has seen confirmed.
    pub acked_command: CommandNumber,
    /// Last event that the client has received.
    pub acked_event: EventNumber,
    /// The name of a new player.
    pub name: String,
}

impl TryFrom<Join> for CheckedJoin {
    type Error = CheckError;

    fn try_from(message: Join) -> Result<Self, CheckError> {
        field::at_most("name", message.name.as_bytes(), NAME_BYTES_MAX)?;
        Ok(Self {
            user: UserId(message.user),
            ticket: field::array("ticket", &message.ticket)?,
            attach: field::array("attach", &message.attach)?,
            attach_no: AttachNo(message.attach_no),
            acked_command: CommandNumber(message.acked_command),
            acked_event: EventNumber(message.acked_event),
            name: message.name,
        })
    }
}
