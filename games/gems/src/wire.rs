//! What clients and servers of the game say to each other: inputs, commands, events, own state and entity states.

use bytes::{BufMut as _, Bytes};

use game::wire::{Reader, Truncated};
use game::{EntityId, Position, RegionNumber, UserId};

/// Speed at full tilt, units per second.
pub const SPEED_MAX: f32 = 6.0;
/// What one says, and why one reports somebody, bytes of UTF-8.
pub const SAY_BYTES_MAX: usize = 200;
/// How near a gem must lie to be collected, and somebody must stand to be given one, units.
pub const REACH: f32 = 8.0;
/// How far words carry, units.
pub const HEARING: f32 = 32.0;
/// Entity kind of a player.
pub const KIND_PLAYER: u8 = 1;
/// Entity kind of a wandering creature.
pub const KIND_CREATURE: u8 = 2;
/// Entity kind of a gem on the ground; its state bytes are its holding id, u64.
pub const KIND_GEM: u8 = 3;
/// Length of an own state, bytes.
pub const OWN_STATE_BYTES: usize = 24;

const SAY: u8 = 0x01;
const EMOTE: u8 = 0x02;
const REPORT: u8 = 0x03;
const COLLECT: u8 = 0x11;
const GIVE: u8 = 0x12;
const SAID: u8 = 0x01;
const EMOTED: u8 = 0x02;
const REPORTED: u8 = 0x03;
const COLLECTED: u8 = 0x11;
const GIVEN: u8 = 0x12;
const RECEIVED: u8 = 0x13;
const REFUSED: u8 = 0x1f;

/// Why bytes are none of this game's. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOfThisGame {
    /// The bytes end too early.
    #[error("the bytes end before the layout does")]
    Truncated(#[from] Truncated),
    /// Bytes are left over.
    #[error("bytes are left over after the layout")]
    Trailing,
    /// No such command or event.
    #[error("{0:#04x} names no command or event")]
    UnknownKind(u8),
    /// Said too much, or no UTF-8.
    #[error("the text is no UTF-8 or longer than {SAY_BYTES_MAX} bytes")]
    Text,
}

/// One input: where to walk, and how fast. `heading u8 | speed u8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// 1/256 turn, from east over south.
    pub heading: u8,
    /// 0: stand; 255: [`SPEED_MAX`].
    pub speed: u8,
}

impl Input {
    /// The two bytes.
    #[must_use]
    pub fn encode(self) -> [u8; 2] {
        [self.heading, self.speed]
    }

    /// Reads an input; later versions may append.
    ///
    /// # Errors
    /// `Truncated` when there are fewer than two bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotOfThisGame> {
        let mut reader = Reader::new(bytes);
        Ok(Self {
            heading: reader.u8()?,
            speed: reader.u8()?,
        })
    }

    /// Units walked per second, east and south.
    #[must_use]
    pub fn velocity(self) -> (f32, f32) {
        let angle = f32::from(self.heading) * (std::f32::consts::TAU / 256.0);
        let speed = f32::from(self.speed) * (SPEED_MAX / 255.0);
        (angle.cos() * speed, angle.sin() * speed)
    }

    /// The input that walks from `from` towards `to` at full speed.
    #[must_use]
    pub fn towards(from: Position, to: Position) -> Self {
        let turn = (to.y - from.y).atan2(to.x - from.x) / std::f32::consts::TAU;
        Self {
            heading: ((turn * 256.0).round() as i32).rem_euclid(256) as u8,
            speed: u8::MAX,
        }
    }
}

/// What a player asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Soft: say something to those nearby.
    Say(String),
    /// Soft: show an emotion.
    Emote(u8),
    /// Soft: report somebody, who is near or was heard lately, to those who run the world.
    Report {
        /// Whom.
        user: UserId,
        /// In the reporter's words.
        why: String,
    },
    /// Durable: pick a gem up.
    Collect {
        /// Holding id.
        thing: u64,
    },
    /// Durable: give a gem to somebody nearby.
    Give {
        /// Holding id.
        thing: u64,
        /// Who gets it.
        to: UserId,
    },
}

impl Command {
    /// Whether the command touches holdings.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        matches!(self, Self::Collect { .. } | Self::Give { .. })
    }

    /// Kind byte, then its fields.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(17);
        match self {
            Self::Say(text) => {
                out.push(SAY);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Emote(emote) => out.extend_from_slice(&[EMOTE, *emote]),
            Self::Report { user, why } => {
                out.push(REPORT);
                out.put_u64_le(user.0);
                out.extend_from_slice(why.as_bytes());
            }
            Self::Collect { thing: gem } => {
                out.push(COLLECT);
                out.put_u64_le(*gem);
            }
            Self::Give { thing: gem, to } => {
                out.push(GIVE);
                out.put_u64_le(*gem);
                out.put_u64_le(to.0);
            }
        }
        out.into()
    }

    /// Reads a command.
    ///
    /// # Errors
    /// `NotOfThisGame` for anything that [`encode`](Self::encode) does not make.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotOfThisGame> {
        let mut reader = Reader::new(bytes);
        let command = match reader.u8()? {
            SAY => return text(reader.rest()).map(Self::Say),
            EMOTE => Self::Emote(reader.u8()?),
            REPORT => {
                let user = UserId(reader.u64()?);
                return text(reader.rest()).map(|why| Self::Report { user, why });
            }
            COLLECT => Self::Collect { thing: reader.u64()? },
            GIVE => Self::Give {
                thing: reader.u64()?,
                to: UserId(reader.u64()?),
            },
            kind => return Err(NotOfThisGame::UnknownKind(kind)),
        };
        finished(reader, command)
    }
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are no command.
    Malformed,
    /// No such gem here, or not the player's.
    NoSuchGem,
    /// Gem or receiver is out of reach.
    TooFar,
    /// Somebody else was faster.
    Taken,
    /// The store could not be asked.
    Unavailable,
    /// An operator has forbidden the player to say anything.
    Muted {
        /// Unix milliseconds; 2⁶³ − 1: until it is lifted.
        until_ms: u64,
    },
}

impl Refusal {
    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Malformed => out.push(1),
            Self::NoSuchGem => out.push(2),
            Self::TooFar => out.push(3),
            Self::Taken => out.push(4),
            Self::Unavailable => out.push(5),
            Self::Muted { until_ms } => {
                out.push(6);
                out.put_u64_le(until_ms);
            }
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, NotOfThisGame> {
        Ok(match reader.u8()? {
            1 => Self::Malformed,
            2 => Self::NoSuchGem,
            3 => Self::TooFar,
            4 => Self::Taken,
            5 => Self::Unavailable,
            6 => Self::Muted {
                until_ms: reader.u64()?,
            },
            number => return Err(NotOfThisGame::UnknownKind(number)),
        })
    }
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReportOutcome {
    /// Those who run the world read it.
    Kept = 0,
    /// Of this player, or of all, there are too many.
    TooMany = 1,
    /// The store could not be asked.
    Failed = 2,
}

impl ReportOutcome {
    fn parse(number: u8) -> Result<Self, NotOfThisGame> {
        let all = [Self::Kept, Self::TooMany, Self::Failed];
        let found = all.into_iter().find(|outcome| *outcome as u8 == number);
        found.ok_or(NotOfThisGame::UnknownKind(number))
    }
}

/// What a player is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody nearby said something.
    Said {
        /// Who.
        entity: EntityId,
        /// What.
        text: String,
    },
    /// Somebody nearby shows an emotion.
    Emoted {
        /// Who.
        entity: EntityId,
        /// Which.
        emote: u8,
    },
    /// What came of a report.
    Reported {
        /// Of whom.
        user: UserId,
        /// Whether it was kept, or why not.
        outcome: ReportOutcome,
    },
    /// The gem is yours, durably.
    Collected {
        /// Holding id.
        thing: u64,
    },
    /// The gem is no longer yours.
    Given {
        /// Holding id.
        thing: u64,
        /// Who has it.
        to: UserId,
    },
    /// Somebody gave you a gem.
    Received {
        /// Holding id.
        thing: u64,
    },
    /// A command changed nothing.
    Refused {
        /// The command's number.
        command: u64,
        /// Why.
        reason: Refusal,
    },
}

impl Event {
    /// Kind byte, then its fields.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(17);
        match self {
            Self::Said { entity, text } => {
                out.push(SAID);
                out.put_u64_le(entity.0);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Emoted { entity, emote } => {
                out.push(EMOTED);
                out.put_u64_le(entity.0);
                out.push(*emote);
            }
            Self::Reported { user, outcome } => {
                out.push(REPORTED);
                out.put_u64_le(user.0);
                out.push(*outcome as u8);
            }
            Self::Collected { thing: gem } => put_gem(&mut out, COLLECTED, *gem, None),
            Self::Given { thing: gem, to } => put_gem(&mut out, GIVEN, *gem, Some(*to)),
            Self::Received { thing: gem } => put_gem(&mut out, RECEIVED, *gem, None),
            Self::Refused { command, reason } => {
                out.push(REFUSED);
                out.put_u64_le(*command);
                reason.encode(&mut out);
            }
        }
        out.into()
    }

    /// Reads an event.
    ///
    /// # Errors
    /// `NotOfThisGame` for anything that [`encode`](Self::encode) does not make.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotOfThisGame> {
        let mut reader = Reader::new(bytes);
        let event = match reader.u8()? {
            SAID => {
                let entity = EntityId(reader.u64()?);
                return text(reader.rest()).map(|text| Self::Said { entity, text });
            }
            EMOTED => Self::Emoted {
                entity: EntityId(reader.u64()?),
                emote: reader.u8()?,
            },
            REPORTED => Self::Reported {
                user: UserId(reader.u64()?),
                outcome: ReportOutcome::parse(reader.u8()?)?,
            },
            COLLECTED => Self::Collected { thing: reader.u64()? },
            GIVEN => Self::Given {
                thing: reader.u64()?,
                to: UserId(reader.u64()?),
            },
            RECEIVED => Self::Received { thing: reader.u64()? },
            REFUSED => {
                let command = reader.u64()?;
                let reason = Refusal::parse(&mut reader)?;
                Self::Refused { command, reason }
            }
            kind => return Err(NotOfThisGame::UnknownKind(kind)),
        };
        finished(reader, event)
    }
}

fn put_gem(out: &mut Vec<u8>, kind: u8, gem: u64, user: Option<UserId>) {
    out.push(kind);
    out.put_u64_le(gem);
    if let Some(user) = user {
        out.put_u64_le(user.0);
    }
}

fn text(bytes: &[u8]) -> Result<String, NotOfThisGame> {
    if bytes.len() > SAY_BYTES_MAX {
        return Err(NotOfThisGame::Text);
    }
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| NotOfThisGame::Text)
}

fn finished<T>(reader: Reader<'_>, value: T) -> Result<T, NotOfThisGame> {
    if reader.is_empty() {
        Ok(value)
    } else {
        Err(NotOfThisGame::Trailing)
    }
}

/// A player's own exact state: `entity u64 | x f32 | y f32 | heading u8 | speed u8 | region u32 | gems u16`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnState {
    /// The player's entity.
    pub entity: EntityId,
    /// Where it stands.
    pub at: Position,
    /// The walk in force.
    pub walk: Input,
    /// The region that simulates the player.
    pub region: RegionNumber,
    /// Gems held.
    pub things: u16,
}

impl OwnState {
    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.entity.0);
        out.put_f32_le(self.at.x);
        out.put_f32_le(self.at.y);
        out.extend_from_slice(&self.walk.encode());
        out.put_u32_le(self.region.0);
        out.put_u16_le(self.things);
    }

    /// Reads a state; later versions may append.
    ///
    /// # Errors
    /// `Truncated` when there are fewer than [`OWN_STATE_BYTES`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotOfThisGame> {
        let mut reader = Reader::new(bytes);
        Ok(Self {
            entity: EntityId(reader.u64()?),
            at: Position {
                x: f32::from_le_bytes(reader.array()?),
                y: f32::from_le_bytes(reader.array()?),
            },
            walk: Input {
                heading: reader.u8()?,
                speed: reader.u8()?,
            },
            region: RegionNumber(reader.u32()?),
            things: reader.u16()?,
        })
    }
}

/// A player's state bytes: `user u64 | name`.
#[must_use]
pub fn encode_player(user: UserId, name: &str) -> Vec<u8> {
    let mut out = user.0.to_le_bytes().to_vec();
    out.extend(name.bytes().take(game::limits::NAME_BYTES_MAX));
    out
}

/// User and name in a player's state bytes; a name that was cut inside a letter ends before it.
///
/// # Errors
/// `Truncated` when there is no user.
pub fn parse_player(state: &[u8]) -> Result<(UserId, &str), NotOfThisGame> {
    let mut reader = Reader::new(state);
    let user = UserId(reader.u64()?);
    let name = match std::str::from_utf8(reader.rest()) {
        Ok(name) => name,
        Err(error) => {
            let good = reader.bytes(error.valid_up_to())?;
            std::str::from_utf8(good).unwrap_or_default()
        }
    };
    Ok((user, name))
}

/// The holding id in a gem's state bytes.
///
/// # Errors
/// `NotOfThisGame` unless there are exactly eight bytes.
pub fn parse_gem(state: &[u8]) -> Result<u64, NotOfThisGame> {
    let mut reader = Reader::new(state);
    let gem = reader.u64()?;
    finished(reader, gem)
}

/// A gem's state bytes.
#[must_use]
pub fn encode_gem(gem: u64) -> [u8; 8] {
    gem.to_le_bytes()
}

#[cfg(test)]
mod tests;
