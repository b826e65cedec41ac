//! What tools and the proxy say to each other, as values with names. Numbers of 64 bits are text, since many languages would
//! round them; bytes of the game are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{ClientEvent, SnapshotNews, World, WorldShape};
use protocol::Code;
use protocol::ids::{CommandNumber, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// What a tool says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Word {
    /// Comes as a guest of this name.
    Join { name: String },
    /// What the player does from now on.
    Input {
        #[serde(deserialize_with = "bytes")]
        input: Vec<u8>,
    },
    /// Something to be applied once.
    Command {
        class: Class,
        #[serde(deserialize_with = "bytes")]
        body: Vec<u8>,
    },
    /// Leaves the world.
    Logout,
}

/// What becomes of a command in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    Soft,
    Durable,
}

fn bytes<'de, D: Deserializer<'de>>(text: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(text)?;
    let decoded = STANDARD.decode(text);
    decoded.map_err(|error| serde::de::Error::custom(format!("bytes are written in base64: {error}")))
}

/// Reads a word in JSON.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn of_json(text: &[u8]) -> Result<Word, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Reads a word.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn of_value(value: Value) -> Result<Word, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// The tool is in.
pub(super) fn welcome(user: UserId) -> Value {
    json!({"type": "welcome", "user": user.0.to_string()})
}

/// The world that it is in.
pub(super) fn world(shape: &WorldShape) -> Value {
    let grid = &shape.grid;
    json!({
        "type": "world",
        "width": grid.columns * grid.cell_size,
        "height": grid.rows * grid.cell_size,
        "cell_size": grid.cell_size,
        "view_rings": shape.view_rings,
        "tick_hz": shape.tick_hz,
    })
}

/// A command has this number, by which it is acknowledged.
pub(super) fn command(number: CommandNumber) -> Value {
    json!({"type": "command", "number": number.0.to_string()})
}

/// The player itself, and everybody in view.
pub(super) fn snapshot(news: &SnapshotNews, world: &World) -> Value {
    let entities = world.entities().map(|entity| {
        json!({
            "id": entity.id.0.to_string(),
            "kind": entity.kind,
            "x": entity.at.x,
            "y": entity.at.y,
            "heading": entity.heading,
            "speed": entity.speed,
            "state": STANDARD.encode(&entity.state[..]),
        })
    });
    json!({
        "type": "snapshot",
        "tick": news.tick.to_string(),
        "input_ack": news.input_ack.to_string(),
        "own": STANDARD.encode(&news.own),
        "entities": entities.collect::<Vec<_>>(),
    })
}

/// Something that happened; `None` for what tools have no use for.
pub(super) fn event(event: &ClientEvent) -> Option<Value> {
    match event {
        ClientEvent::Playing {
            entity,
            owner_epoch,
            region,
            node,
        } => Some(json!({
            "type": "playing",
            "entity": entity.0.to_string(),
            "owner_epoch": owner_epoch.0.to_string(),
            "region": region.0,
            "node": node.0,
        })),
        ClientEvent::CommandAcked(number) => {
            Some(json!({"type": "command_ack", "number": number.0.to_string()}))
        }
        ClientEvent::Event(number, body) => Some(json!({
            "type": "event",
            "number": number.0.to_string(),
            "body": STANDARD.encode(body),
        })),
        ClientEvent::News { region, to_all, body } => Some(json!({
            "type": "news",
            "region": region.0,
            "to_all": to_all,
            "body": STANDARD.encode(body),
        })),
        ClientEvent::Notice(code, text) => {
            Some(json!({"type": "notice", "code": code.number(), "text": text}))
        }
        ClientEvent::Snapshot(_) | ClientEvent::Transport(_) | ClientEvent::Resumed { .. } => None,
    }
}

/// The last word.
pub(super) fn closed(code: Code, text: &str) -> Value {
    json!({"type": "close", "code": code.number(), "text": text})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_by_their_names_and_nothing_else_is_a_word() {
        let read = |text: &str| of_json(text.as_bytes());
        let join = Word::Join {
            name: "Ada".to_owned(),
        };
        assert_eq!(read(r#"{"type": "join", "name": "Ada"}"#), Ok(join));
        let input = Word::Input { input: vec![64, 255] };
        assert_eq!(read(r#"{"type": "input", "input": "QP8="}"#), Ok(input));
        let command = Word::Command {
            class: Class::Durable,
            body: vec![1],
        };
        let text = r#"{"type": "command", "class": "durable", "body": "AQ=="}"#;
        assert_eq!(read(text), Ok(command));
        assert_eq!(read(r#"{"type": "logout"}"#), Ok(Word::Logout));
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"type": "fly"}"#,
            r#"{"type": "join"}"#,
            r#"{"type": "join", "name": 7}"#,
            r#"{"type": "join", "name": "x", "more": 1}"#,
            r#"{"type": "input", "input": "!"}"#,
            r#"{"type": "command", "class": "hard", "body": ""}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_that_others_would_round_are_text() {
        assert_eq!(welcome(UserId(u64::MAX))["user"], u64::MAX.to_string());
        let acked = ClientEvent::CommandAcked(CommandNumber(9_007_199_254_740_993));
        assert_eq!(event(&acked).unwrap()["number"], "9007199254740993");
    }
}
