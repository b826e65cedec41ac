//! Commands and events: numbered from 1, in order, each of bounded size.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::ids::{CommandNumber, EventNumber};
use crate::limits::{COMMAND_BYTES_MAX, EVENT_BYTES_MAX};
use crate::message::client;
use crate::message::player::{self, CommandClass};

/// A command, from a client or passed on by its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCommand {
    /// From 1, without gaps.
    pub number: CommandNumber,
    /// Whether it touches holdings.
    pub class: CommandClass,
    /// The game's own bytes.
    pub body: Bytes,
}

impl CheckedCommand {
    fn check(number: u64, class: i32, body: Bytes) -> Result<Self, CheckError> {
        field::at_most("body", &body, COMMAND_BYTES_MAX)?;
        Ok(Self {
            number: CommandNumber(field::counted("number", number)?),
            class: CommandClass::try_from(class).map_err(|_| CheckError::OutOfRange("class"))?,
            body,
        })
    }
}

impl TryFrom<client::Command> for CheckedCommand {
    type Error = CheckError;

    fn try_from(message: client::Command) -> Result<Self, CheckError> {
        Self::check(message.number, message.class, message.body)
    }
}

impl TryFrom<player::Command> for CheckedCommand {
    type Error = CheckError;

    fn try_from(message: player::Command) -> Result<Self, CheckError> {
        Self::check(message.number, message.class, message.body)
    }
}

/// An event, from an owner or passed on to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedEvent {
    /// From 1, without gaps.
    pub number: EventNumber,
    /// The game's own bytes.
    pub body: Bytes,
}

impl CheckedEvent {
    pub(super) fn check(number: u64, body: Bytes) -> Result<Self, CheckError> {
        field::at_most("body", &body, EVENT_BYTES_MAX)?;
        let number = EventNumber(field::counted("number", number)?);
        Ok(Self { number, body })
    }
}

impl TryFrom<client::Event> for CheckedEvent {
    type Error = CheckError;

    fn try_from(message: client::Event) -> Result<Self, CheckError> {
        Self::check(message.number, message.body)
    }
}

impl TryFrom<player::Event> for CheckedEvent {
    type Error = CheckError;

    fn try_from(message: player::Event) -> Result<Self, CheckError> {
        Self::check(message.number, message.body)
    }
}

impl TryFrom<client::EventAck> for EventNumber {
    type Error = CheckError;

    fn try_from(message: client::EventAck) -> Result<Self, CheckError> {
        field::number("number", message.number).map(Self)
    }
}
