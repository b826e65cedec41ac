//! What one subscriber has of each cell, and what it gets in a tick within its room: own states, what it missed, what is
//! new, and at last the cells it has never had. What does not fit is not made; its turn comes, as one delta from what
//! the subscriber has.

use std::collections::BTreeSet;

use protocol::ids::UserId;

use super::batches::{Batches, cost};
use super::overflow::Overflow;
use crate::region::cells::{CaughtUp, Cells, Changed};
use crate::region::entity::Entities;

/// The part of a tick's room that repays for a first keyframe that took more than there was, whatever else needs room:
/// one in so many. Without it, nobody would come to see a new cell over a lane that is always full.
const REPAID_SHARE: usize = 8;
/// A missed cell that finds no room for so many ticks with any is longer than the room, or than what own states leave of
/// it. It starts over as a first keyframe: that takes more bytes, but is the only way for it to be shown at all.
const BLOCKED_TICKS_MAX: u32 = 8;

/// What the subscriber has of one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Has {
    /// It has not asked for it.
    #[default]
    Unwanted,
    /// It waits for its first keyframe.
    Nothing,
    /// The state of the last tick.
    Newest,
    /// The state `base`; it misses what came in the tick `since` and later.
    Missed { base: u32, since: u64 },
}

/// Which players get their own states first: those from where the last tick stopped, then those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::region) enum Turn {
    FromStart,
    BeforeStart,
}

#[derive(Debug, Default)]
pub(super) struct Subscription {
    has: Vec<Has>,
    wanted: usize,
    /// Cells that wait for their first keyframe, and the one whose turn it is.
    first: BTreeSet<u32>,
    next_first: u32,
    /// Cells of which something was missed, longest ago first.
    missed: BTreeSet<(u64, u32)>,
    blocked_ticks: u32,
    /// What a first keyframe took beyond its room, bytes.
    debt: usize,
    /// Bytes of this tick: given, and not used yet.
    room: usize,
    left: usize,
    /// Whether there are players behind this lane.
    has_players: bool,
    start: Option<UserId>,
    stopped_at: Option<UserId>,
    overflow: Overflow,
}

impl Subscription {
    pub(super) fn new(cells: usize, room: usize) -> Self {
        Self {
            has: vec![Has::Unwanted; cells],
            room,
            left: room,
            ..Self::default()
        }
    }

    /// It wants the whole cell, whatever it had of it.
    pub(super) fn subscribe(&mut self, cell: u32) {
        if self.set(cell, Has::Nothing) == Some(Has::Unwanted) {
            self.wanted += 1;
        }
    }

    pub(super) fn unsubscribe(&mut self, cell: u32) {
        if self
            .set(cell, Has::Unwanted)
            .is_some_and(|had| had != Has::Unwanted)
        {
            self.wanted -= 1;
        }
    }

    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Cells that wait for a tick with room.
    pub(super) fn waiting(&self) -> usize {
        self.first.len() + self.missed.len()
    }

    /// Whether it has to hear of the tick at all.
    pub(super) fn listens(&self) -> bool {
        self.wanted > 0 || self.has_players
    }

    /// A new tick, with so much room.
    pub(super) fn open(&mut self, room: usize) {
        (self.room, self.left) = (room, room);
        self.has_players = false;
    }

    /// Whether its own states do not start with the first player.
    pub(super) fn starts_later(&self) -> bool {
        self.start.is_some()
    }

    /// Whether this player is to get its own state in this turn, should there be room.
    pub(super) fn is_turn_of(&mut self, user: UserId, turn: Turn) -> bool {
        self.has_players = true;
        let from_start = self.start.is_none_or(|start| start <= user);
        self.stopped_at.is_none() && from_start == (turn == Turn::FromStart)
    }

    /// Whether there is room for a player's own state. The first one without ends it for this tick, and starts the next. The
    /// first of a tick goes if there is any room at all: who waits for more than a tick ever has would keep all others waiting.
    pub(super) fn takes_own_state(&mut self, user: UserId, bytes: usize) -> bool {
        let is_first = self.left == self.room && self.room > 0;
        let fits = bytes <= self.left || is_first;
        if fits {
            self.overflow.overdrawn += u64::from(bytes > self.left);
            self.left = self.left.saturating_sub(bytes);
        } else {
            self.stopped_at = Some(user);
            self.overflow.own_left_out += 1;
        }
        fits
    }

    pub(super) fn end_own_states(&mut self) {
        self.start = self.stopped_at.take();
    }

    /// What came into play since this was asked last.
    pub(super) fn take_overflow(&mut self) -> Overflow {
        std::mem::take(&mut self.overflow)
    }

    /// What it gets of the cells.
    pub(super) fn publish(&mut self, tick: u64, cells: &mut Cells, entities: &Entities, said: &mut Batches) {
        self.overflow.skipped += u64::from(self.room == 0);
        let caught_up = self.catch_up(cells, entities, said);
        self.pass_on(tick, cells.changed(), said);
        for cell in caught_up {
            self.set(cell, Has::Newest);
        }
        self.introduce(cells, entities, said);
    }

    /// What was missed, longest ago first; the cells that were sent.
    fn catch_up(&mut self, cells: &mut Cells, entities: &Entities, said: &mut Batches) -> Vec<u32> {
        let mut sent = Vec::new();
        for &(_, cell) in &self.missed {
            if self.left == 0 {
                break;
            }
            let Some(Has::Missed { base, .. }) = self.has.get(cell as usize).copied() else {
                continue;
            };
            // The first that does not fit keeps its turn: shorter ones behind it would take its room for ever.
            let caught_up = cells.catch_up(cell, base, entities);
            let Some(left) = self.left.checked_sub(cost(caught_up.bytes())) else {
                break;
            };
            self.left = left;
            match &caught_up {
                CaughtUp::Merged(_) => self.overflow.merged += 1,
                CaughtUp::Whole(_) => self.overflow.whole += 1,
            }
            said.push(caught_up.into_bytes());
            sent.push(cell);
        }
        let blocked = sent.is_empty() && !self.missed.is_empty() && self.room > 0;
        self.blocked_ticks = if blocked { self.blocked_ticks + 1 } else { 0 };
        if self.blocked_ticks >= BLOCKED_TICKS_MAX
            && let Some(&(_, cell)) = self.missed.first()
        {
            self.blocked_ticks = 0;
            self.overflow.started_over += 1;
            self.set(cell, Has::Nothing);
        }
        sent
    }

    /// What is new since the last tick, to who has everything before.
    fn pass_on(&mut self, tick: u64, changed: &[Changed], said: &mut Batches) {
        for changed in changed {
            if self.has.get(changed.cell as usize) != Some(&Has::Newest) {
                continue;
            }
            if let Some(left) = self.left.checked_sub(cost(&changed.delta)) {
                self.left = left;
                said.push(changed.delta.clone());
            } else {
                self.overflow.missed += 1;
                let base = changed.seq.saturating_sub(1);
                self.set(changed.cell, Has::Missed { base, since: tick });
            }
        }
    }

    /// First keyframes, cell after cell, on from where the last tick stopped. The last one may take more than there is, and
    /// then all others wait until that is repaid.
    fn introduce(&mut self, cells: &mut Cells, entities: &Entities, said: &mut Batches) {
        let repaid = self.debt.min(self.left.max(self.room / REPAID_SHARE));
        self.debt -= repaid;
        self.left = self.left.saturating_sub(repaid);
        while self.debt == 0 && self.room > 0 {
            let after = self.first.range(self.next_first..).next();
            let Some(&cell) = after.or_else(|| self.first.first()) else {
                return;
            };
            self.next_first = cell + 1;
            let bytes = cells.keyframe(cell, entities);
            self.debt = cost(&bytes).saturating_sub(self.left);
            self.overflow.overdrawn += u64::from(self.debt > 0);
            self.left = self.left.saturating_sub(cost(&bytes));
            said.push(bytes);
            self.set(cell, Has::Newest);
        }
    }

    /// Changes what it has of a cell; what it had, `None` when there is no such cell.
    fn set(&mut self, cell: u32, now: Has) -> Option<Has> {
        let has = self.has.get_mut(cell as usize)?;
        let had = std::mem::replace(has, now);
        match had {
            Has::Nothing => {
                self.first.remove(&cell);
            }
            Has::Missed { since, .. } => {
                self.missed.remove(&(since, cell));
            }
            Has::Unwanted | Has::Newest => {}
        }
        match now {
            Has::Nothing => {
                self.first.insert(cell);
            }
            Has::Missed { since, .. } => {
                self.missed.insert((since, cell));
            }
            Has::Unwanted | Has::Newest => {}
        }
        Some(had)
    }
}

#[cfg(test)]
mod tests {
    use protocol::cell::{DecodedCell, Motion, StateBytes, UpdateKind};
    use protocol::geometry::{CellGrid, Position, Rect};
    use protocol::ids::{EntityId, OwnerEpoch};

    use super::*;
    use crate::region::entity::{Change, Entity, EntityKey};

    /// Room for the delta of a cell with one entity, and for no other.
    const ROOM: usize = 100;
    const LONG: u32 = 0;

    /// Four cells in a row, forty entities in the first and one in each other, and one who wants all of them.
    struct Scene {
        cells: Cells,
        entities: Entities,
        here: Vec<(u32, EntityKey)>,
        subscription: Subscription,
        tick: u64,
    }

    impl Scene {
        fn new() -> Self {
            let grid = CellGrid::new([128, 32], 32).unwrap();
            let rect = Rect {
                min: [0, 0],
                max: [128, 32],
            };
            let mut scene = Self {
                cells: Cells::new(grid, rect, 0),
                entities: Entities::default(),
                here: Vec::new(),
                subscription: Subscription::new(12, 0),
                tick: 0,
            };
            for cell in 0..4 {
                for number in 0..if cell == LONG { 40 } else { 1 } {
                    scene.enter(cell, number);
                }
                scene.subscription.subscribe(cell);
            }
            scene
        }

        fn enter(&mut self, cell: u32, number: u64) {
            let entity = Entity {
                id: EntityId(u64::from(cell) * 100 + number + 1),
                kind: 1,
                owner_epoch: OwnerEpoch(1),
                at: Position {
                    x: cell as f32 * 32.0 + 16.0,
                    y: 16.0,
                },
                heading: 0,
                speed: 0.0,
                state: StateBytes::default(),
                user: None,
                visibility: protocol::visibility::Visibility::Near,
                jumped: false,
                cell: 0,
                slot: 0,
                sent: Motion::default(),
                change: Change::default(),
                inputs: crate::region::waiting_inputs::WaitingInputs::default(),
            };
            let key = self.cells.enter(entity, &mut self.entities).unwrap();
            self.here.push((cell, key));
        }

        /// Everybody in a cell takes a step, to and fro.
        fn everybody_moves(&mut self, cell: u32) {
            let step = if self.tick.is_multiple_of(2) { 1.0 } else { -1.0 };
            for (_, key) in self.here.iter().filter(|(of, _)| *of == cell) {
                let at = self.entities.get(*key).unwrap().at;
                let to = Position { x: at.x + step, ..at };
                self.cells.walk(*key, to, &mut self.entities);
            }
        }

        /// One tick with so much room, some of it taken by own states; the cells that are said.
        fn tick(&mut self, room: usize, own_bytes: usize) -> Vec<(u32, UpdateKind)> {
            self.tick += 1;
            self.cells.encode(&mut self.entities);
            self.subscription.open(room);
            assert!(self.subscription.takes_own_state(UserId(1), own_bytes));
            self.subscription.end_own_states();
            let mut batches = Batches::default();
            self.subscription
                .publish(self.tick, &mut self.cells, &self.entities, &mut batches);
            let (mut said, grid) = (Vec::new(), *self.cells.grid());
            batches.take(|cells| {
                said.extend(cells.into_iter().map(|bytes| {
                    let update = DecodedCell::parse(&bytes, &grid).unwrap();
                    (update.cell.0, update.kind)
                }));
            });
            said
        }
    }

    #[test]
    fn new_cells_are_shown_one_after_the_other_though_own_states_take_all_the_room() {
        let mut scene = Scene::new();
        assert_eq!(scene.tick(0, 0), [], "nothing is said to who takes nothing");
        let mut shown = Vec::new();
        for _ in 0..200 {
            let said = scene.tick(ROOM, ROOM);
            assert!(
                said.len() <= 1,
                "what one takes is repaid before the next: {said:?}"
            );
            shown.extend(said);
        }
        assert_eq!(shown, [0, 1, 2, 3].map(|cell| (cell, UpdateKind::Keyframe)));
    }

    #[test]
    fn what_does_not_fit_keeps_its_turn_and_what_is_shorter_waits_behind_it() {
        let mut scene = Scene::new();
        assert_eq!(scene.tick(usize::MAX, 0).len(), 4);
        scene.everybody_moves(LONG);
        assert_eq!(scene.tick(0, 0), []);
        for cell in 1..4 {
            scene.everybody_moves(cell);
        }
        for _ in 0..2 * BLOCKED_TICKS_MAX {
            assert_eq!(scene.tick(0, 0), []);
        }
        assert_eq!(scene.tick(ROOM, 0), [], "there is room for all but the first");
        let in_turn = [0, 1, 2, 3].map(|cell| (cell, UpdateKind::Delta));
        scene.everybody_moves(1);
        assert_eq!(
            scene.tick(20 * ROOM, 0),
            in_turn,
            "what is new is in it, and not said twice"
        );
    }

    #[test]
    fn a_missed_cell_that_never_finds_room_starts_over_with_a_keyframe_after_some_ticks() {
        let mut scene = Scene::new();
        scene.tick(usize::MAX, 0);
        let rooms = [
            (20 * ROOM, UpdateKind::Delta),
            (20 * ROOM, UpdateKind::Delta),
            (ROOM, UpdateKind::Keyframe),
        ];
        for (at_last, kind) in rooms {
            for blocked in 0..BLOCKED_TICKS_MAX {
                scene.everybody_moves(LONG);
                assert_eq!(scene.tick(ROOM, 0), [], "missed {blocked} ticks ago");
            }
            scene.everybody_moves(LONG);
            assert_eq!(scene.tick(at_last, 0), [(LONG, kind)]);
        }
        assert_eq!(scene.subscription.waiting(), 0);
    }

    #[test]
    fn an_own_state_that_is_longer_than_the_room_keeps_nobody_waiting_behind_it() {
        let mut subscription = Subscription::new(12, 0);
        let (users, long) = ([1, 2, 3].map(UserId), UserId(2));
        let mut told = BTreeSet::new();
        let tick = |subscription: &mut Subscription, room: usize, told: &mut BTreeSet<UserId>| {
            let starts_later = subscription.starts_later();
            subscription.open(room);
            for turn in [Turn::FromStart, Turn::BeforeStart] {
                for user in users {
                    let bytes = if user == long { 2 * ROOM } else { ROOM / 2 };
                    let may = turn == Turn::FromStart || starts_later;
                    if may && subscription.is_turn_of(user, turn) && subscription.takes_own_state(user, bytes)
                    {
                        told.insert(user);
                    }
                }
            }
            subscription.end_own_states();
        };
        for _ in 0..4 {
            tick(&mut subscription, 0, &mut told);
        }
        assert!(told.is_empty(), "nothing is said to who takes nothing");
        for _ in 0..3 {
            tick(&mut subscription, ROOM, &mut told);
        }
        assert_eq!(told, BTreeSet::from(users));
        assert_eq!(subscription.take_overflow().overdrawn, 1);
    }

    #[test]
    fn a_cell_counts_once_however_often_it_is_wanted() {
        let mut scene = Scene::new();
        scene.subscription.subscribe(1);
        assert_eq!(scene.subscription.wanted(), 4);
        for _ in 0..2 {
            scene.subscription.unsubscribe(1);
            assert_eq!(scene.subscription.wanted(), 3);
        }
    }
}
