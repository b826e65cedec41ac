//! A player as a handover carries it and as a row keeps it.

use bytes::Bytes;

use super::command::CheckedEvent;
use super::error::CheckError;
use super::field;
use super::session::SessionIdentity;
use crate::geometry::Position;
use crate::ids::{CommandNumber, EntityId, EventNumber, InputNumber, NodeNumber, UserId};
use crate::limits::{
    EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX, GAME_ID_BYTES_MAX, GAME_STATE_BYTES_MAX, HOLDINGS_TOLD_MAX,
    NAME_BYTES_MAX, PLAYER_TIMERS_MAX,
};
use crate::message::handover::{self, PlayerState};
use crate::visibility::Visibility;

/// A player's state, within all limits.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedPlayer {
    /// Who.
    pub user: UserId,
    /// Its entity, for good.
    pub entity: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// What others call it.
    pub name: String,
    /// Where it stands; finite.
    pub at: Position,
    /// 1/65536 of a turn.
    pub heading: u16,
    /// Units per second; finite, not negative.
    pub speed: f32,
    /// The session it serves.
    pub session: SessionIdentity,
    /// The proxy it is bound to; `None`: linkdead.
    pub proxy: Option<NodeNumber>,
    /// The client's session key.
    pub client_pub: [u8; 32],
    /// Newest input applied.
    pub last_input: InputNumber,
    /// Newest command applied.
    pub last_command: CommandNumber,
    /// Chain hash over the applied commands.
    pub chain_hash: [u8; 32],
    /// Newest event issued.
    pub last_event: EventNumber,
    /// Events to be repeated until acknowledged, numbers ascending.
    pub events: Vec<CheckedEvent>,
    /// The game's own soft state.
    pub game: Bytes,
    /// Holdings that the client was told of.
    pub told_holdings: Vec<u64>,
    /// Where the rules want it, as long as it is not there; finite.
    pub destination: Option<Position>,
    /// Another one whenever it was put somewhere else than it walked to.
    pub discontinuity: u64,
    /// What the rules want to happen to it.
    pub timers: Vec<PlayerTimer>,
    /// The game whose rules wrote its soft state, and their version; empty: nobody has said so.
    pub edition: (String, u32),
    /// A command at which rules have hung; 0: none.
    pub refused_command: CommandNumber,
    /// Who sees it.
    pub visibility: Visibility,
}

/// Something that is to happen to a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlayerTimer {
    /// In so many ticks.
    pub ticks: u64,
    /// The game's own number for it.
    pub token: u64,
}

impl TryFrom<PlayerState> for CheckedPlayer {
    type Error = CheckError;

    fn try_from(state: PlayerState) -> Result<Self, CheckError> {
        field::at_most("name", state.name.as_bytes(), NAME_BYTES_MAX)?;
        field::at_most("game", &state.game, GAME_STATE_BYTES_MAX)?;
        field::count("told_holdings", state.told_holdings.len(), HOLDINGS_TOLD_MAX)?;
        field::at_most("game_id", state.game_id.as_bytes(), GAME_ID_BYTES_MAX)?;
        field::count("timers", state.timers.len(), PLAYER_TIMERS_MAX)?;
        let destination = state.destination.map(|to| check_position(to.x, to.y));
        let timers = state
            .timers
            .into_iter()
            .map(|handover::Timer { ticks, token }| PlayerTimer { ticks, token });
        let proxy = (state.proxy != 0).then(|| field::node_number("proxy", state.proxy));
        Ok(Self {
            user: UserId(state.user),
            entity: EntityId(field::counted("entity", state.entity)?),
            kind: u16::try_from(state.kind).map_err(|_| CheckError::OutOfRange("kind"))?,
            at: check_position(state.x, state.y)?,
            heading: u16::try_from(state.heading).map_err(|_| CheckError::OutOfRange("heading"))?,
            speed: check_speed(state.speed)?,
            session: SessionIdentity::check(state.session.as_ref())?,
            proxy: proxy.transpose()?,
            client_pub: field::array("client_pub", &state.client_pub)?,
            last_input: InputNumber(state.last_input),
            last_command: CommandNumber(state.last_command),
            chain_hash: field::array("chain_hash", &state.chain_hash)?,
            last_event: EventNumber(state.last_event),
            events: check_events(state.events, state.last_event)?,
            name: state.name,
            game: state.game,
            told_holdings: state.told_holdings,
            destination: destination.transpose()?,
            discontinuity: state.discontinuity,
            timers: timers.collect(),
            edition: (state.game_id, state.game_version),
            refused_command: CommandNumber(state.refused_command),
            visibility: field::visibility(state.visibility, state.only_user)?,
        })
    }
}

impl From<CheckedPlayer> for PlayerState {
    fn from(player: CheckedPlayer) -> Self {
        let events = player.events.into_iter().map(|event| handover::PendingEvent {
            number: event.number.0,
            body: event.body,
        });
        let timers = player
            .timers
            .into_iter()
            .map(|PlayerTimer { ticks, token }| handover::Timer { ticks, token });
        let (visibility, only_user) = player.visibility.numbers();
        Self {
            user: player.user.0,
            entity: player.entity.0,
            kind: u32::from(player.kind),
            name: player.name,
            x: player.at.x,
            y: player.at.y,
            heading: u32::from(player.heading),
            speed: player.speed,
            session: Some(player.session.into()),
            proxy: player.proxy.map_or(0, |proxy| u32::from(proxy.0)),
            client_pub: Bytes::copy_from_slice(&player.client_pub),
            last_input: player.last_input.0,
            last_command: player.last_command.0,
            chain_hash: Bytes::copy_from_slice(&player.chain_hash),
            last_event: player.last_event.0,
            events: events.collect(),
            game: player.game,
            told_holdings: player.told_holdings,
            destination: player
                .destination
                .map(|Position { x, y }| handover::Destination { x, y }),
            discontinuity: player.discontinuity,
            timers: timers.collect(),
            game_id: player.edition.0,
            game_version: player.edition.1,
            refused_command: player.refused_command.0,
            visibility,
            only_user,
        }
    }
}

fn check_position(x: f32, y: f32) -> Result<Position, CheckError> {
    let finite = x.is_finite() && y.is_finite();
    finite
        .then_some(Position { x, y })
        .ok_or(CheckError::OutOfRange("x, y"))
}

fn check_speed(speed: f32) -> Result<f32, CheckError> {
    let sane = speed.is_finite() && speed >= 0.0;
    sane.then_some(speed).ok_or(CheckError::OutOfRange("speed"))
}

fn check_events(
    events: Vec<handover::PendingEvent>,
    last_event: u64,
) -> Result<Vec<CheckedEvent>, CheckError> {
    field::count("events", events.len(), EVENTS_PENDING_MAX)?;
    let bytes = events
        .iter()
        .fold(0_usize, |sum, event| sum.saturating_add(event.body.len()));
    if bytes > EVENTS_PENDING_BYTES_MAX {
        return Err(CheckError::TooLong {
            field: "events",
            bytes,
            max: EVENTS_PENDING_BYTES_MAX,
        });
    }
    let ascend = events.is_sorted_by(|one, next| one.number < next.number);
    if !ascend || events.last().is_some_and(|newest| newest.number > last_event) {
        return Err(CheckError::OutOfRange("events"));
    }
    let events = events.into_iter();
    events
        .map(|event| CheckedEvent::check(event.number, event.body))
        .collect()
}
