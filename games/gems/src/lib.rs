//! The demo game: walk, say, emote, collect gems and give them to somebody nearby, among wandering creatures. Small
//! enough to be read as an example of [`GameLogic`](::game::GameLogic), complete enough to be measured with.
//!
//! [`DemoGame`] is what a program is given, [`DemoRules`] are the rules, [`BOTS`] is what bots do. All else is the bytes that clients
//! and servers of the game exchange.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod bot;
mod chat;
mod creatures;
mod game;
mod ground;
mod rules;
mod wire;

pub use crate::game::{DemoGame, DemoSettings};
pub use bot::BOTS;
pub use rules::DemoRules;
pub use wire::{
    Command, Event, HEARING, Input, KIND_CREATURE, KIND_GEM, KIND_PLAYER, NotOfThisGame, OWN_STATE_BYTES,
    OwnState, REACH, Refusal, ReportOutcome, SAY_BYTES_MAX, SPEED_MAX, encode_gem, encode_player, parse_gem,
    parse_player,
};
