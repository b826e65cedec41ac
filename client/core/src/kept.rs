//! A session as bytes, for a client that is loaded anew and goes on as the same player: ticket, key and how far everything was.
//! Whoever has them is the player until the ticket expires, so they belong where nobody else can read.
//!
//! ```text
//! version u8 (1) | ticket 180 | seed 32 | attach_no u32 | input u64 | event u64 | acked u64 | name u8 length, UTF-8
//! | commands that await acknowledgement, numbered from acked + 1: { class u8 | length u16 | body }
//! ```

use bytes::Bytes;
use protocol::identity::ClientKey;
use protocol::ids::AttachNo;
use protocol::limits;
use protocol::message::player::CommandClass;
use protocol::ticket::{RawTicket, TICKET_BYTES};
use protocol::wire::{Reader, Truncated};

use crate::commands::Commands;
use crate::{Core, Reading};

const VERSION: u8 = 1;
/// Inputs that a client may have sent since it was kept.
const INPUTS_AHEAD: u64 = 256;

/// Bytes that are no session that this client knows how to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was kept of a session cannot be read")]
pub struct NotKept;

impl From<Truncated> for NotKept {
    fn from(_: Truncated) -> Self {
        Self
    }
}

/// How far everything was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The newest input.
    pub(crate) input: u64,
    /// The newest event of the game.
    pub(crate) event: u64,
    /// The newest command that was acknowledged, and those after it.
    pub(crate) acked: u64,
    pub(crate) open: Vec<(CommandClass, Bytes)>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) ticket: RawTicket,
    pub(crate) key: ClientKey,
    pub(crate) attach_no: AttachNo,
    pub(crate) name: String,
    pub(crate) progress: Progress,
}

impl Kept {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Progress {
            input,
            event,
            acked,
            open,
        } = &self.progress;
        let mut bytes = vec![VERSION];
        bytes.extend(self.ticket.encode());
        bytes.extend(*self.key.seed());
        bytes.extend(self.attach_no.0.to_le_bytes());
        for number in [input, event, acked] {
            bytes.extend(number.to_le_bytes());
        }
        // Longer than any name that a proxy takes.
        let name = self.name.as_bytes();
        let name = name.get(..usize::from(u8::MAX)).unwrap_or(name);
        bytes.push(name.len() as u8);
        bytes.extend(name);
        for (class, body) in open {
            bytes.push(*class as u8);
            bytes.extend((body.len() as u16).to_le_bytes());
            bytes.extend(body);
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotKept> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(NotKept);
        }
        let ticket = RawTicket::parse(reader.bytes(TICKET_BYTES)?).map_err(|_| NotKept)?;
        let key = ClientKey::from_seed(&reader.array()?);
        let attach_no = AttachNo(reader.u32()?);
        let (input, event, acked) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let name = reader.string()?.ok_or(NotKept)?.to_owned();
        let mut open = Vec::new();
        while !reader.is_empty() {
            let class = CommandClass::try_from(i32::from(reader.u8()?)).map_err(|_| NotKept)?;
            let length = usize::from(reader.u16()?);
            if length > limits::COMMAND_BYTES_MAX || open.len() >= limits::COMMAND_WINDOW {
                return Err(NotKept);
            }
            open.push((class, Bytes::copy_from_slice(reader.bytes(length)?)));
        }
        let progress = Progress {
            input,
            event,
            acked,
            open,
        };
        Ok(Self {
            ticket,
            key,
            attach_no,
            name,
            progress,
        })
    }
}

impl Core {
    /// Goes on where one was that is no more.
    pub(crate) fn going_on(reading: Reading, progress: Progress) -> Self {
        let mut core = Self::new(reading);
        core.input.number = progress.input.saturating_add(INPUTS_AHEAD);
        core.event_number = progress.event;
        core.commands = Commands::going_on(progress.acked, progress.open);
        core
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            input: self.input.number,
            event: self.event_number,
            acked: self.commands.acked().0,
            open: self
                .commands
                .open()
                .map(|command| (command.class(), command.body.clone()))
                .collect(),
        }
    }
}
