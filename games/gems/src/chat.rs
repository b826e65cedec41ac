//! What players say and who hears it; the last of it is kept for as long as they stay, for whoever reports somebody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use game::{Ctx, EntityId, EntityView, Place, Position, Reliability, UserId};

use crate::wire::{Event, HEARING, KIND_PLAYER, parse_player};

/// Lines that are kept for each player.
const LINES_MAX: usize = 16;

/// A line that somebody has heard.
#[derive(Clone, Debug)]
struct Line {
    by: UserId,
    text: Arc<str>,
}

/// What the players of a region have heard lately.
#[derive(Debug, Default)]
pub(crate) struct Chat(BTreeMap<UserId, VecDeque<Line>>);

impl Chat {
    /// Lets those near hear it, on whichever side of a border.
    pub(crate) fn say(&mut self, ctx: &mut dyn Ctx, speaker: EntityId, at: Position, event: &Event) {
        let body = event.encode();
        let line = line(ctx, event);
        let mut near = Vec::new();
        ctx.nearby(at, HEARING, &mut |entity| {
            if let Some(user) = player(&entity) {
                near.push((user, entity.id, entity.place));
            }
        });
        for (user, entity, place) in near {
            match place {
                Place::Here => {
                    self.keep(user, line.clone());
                    ctx.tell(user, body.clone(), Reliability::Soft);
                }
                Place::Ghost(_) => ctx.effect(speaker, entity, body.clone()),
            }
        }
    }

    /// Somebody beyond the border was heard.
    pub(crate) fn hear(&mut self, ctx: &mut dyn Ctx, user: UserId, event: &Event, body: &[u8]) {
        self.keep(user, line(ctx, event));
        ctx.tell(user, Bytes::copy_from_slice(body), Reliability::Soft);
    }

    /// What this one has heard lately, line by line.
    pub(crate) fn lines_of(&self, user: UserId) -> String {
        let lines = self.0.get(&user).into_iter().flatten();
        let lines: Vec<&str> = lines.map(|line| &*line.text).collect();
        lines.join("\n")
    }

    /// Whether it has lately heard that one.
    pub(crate) fn has_heard(&self, user: UserId, by: UserId) -> bool {
        let mut lines = self.0.get(&user).into_iter().flatten();
        lines.any(|line| line.by == by)
    }

    /// It is not here any more.
    pub(crate) fn forget(&mut self, user: UserId) {
        self.0.remove(&user);
    }

    fn keep(&mut self, user: UserId, line: Option<Line>) {
        let Some(line) = line else { return };
        let lines = self.0.entry(user).or_default();
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// As an operator reads it; of whom one does not see here, nobody knows who it is.
fn line(ctx: &dyn Ctx, event: &Event) -> Option<Line> {
    let Event::Said { entity, text } = event else {
        return None;
    };
    let speaker = ctx.entity(*entity)?;
    let (by, name) = parse_player(speaker.state).ok()?;
    let is_player = speaker.kind == u16::from(KIND_PLAYER);
    is_player.then(|| Line {
        by,
        text: format!("{name} (user {by}): {text}").into(),
    })
}

/// The user behind an entity.
pub(crate) fn player(entity: &EntityView<'_>) -> Option<UserId> {
    let is_player = entity.kind == u16::from(KIND_PLAYER);
    let user = is_player.then(|| parse_player(entity.state).ok())?;
    user.map(|(user, _)| user)
}
