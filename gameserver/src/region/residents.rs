//! Who lives in a region, as the store has it: read before the rules hear of anything; and who has come over a border since, read when
//! somebody says so and now and then.

use std::collections::{BTreeSet, VecDeque};

use prost::Message as _;
use protocol::cell::Motion;
use protocol::ids::{EntityId, NodeNumber};
use protocol::message::checked::{CheckedArrivals, CheckedCreature};
use protocol::message::effect::CreatureState;
use store::limits::CREATURES_READ_MAX;
use store::{CreatureRow, CreaturesWanted, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::creatures::Life;
use super::entity::{Change, Entity};
use super::kept::Kept;
use super::roaming::{INSIDE, SPARE};
use super::state::{Notice, RegionState};
use super::waiting_inputs::WaitingInputs;

/// What became of a row that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Here,
    /// It is here, was here, or nobody can read it.
    Not,
    NoRoom,
}

impl RegionState {
    /// Those who live here, when that is wanted.
    pub(super) fn read_creatures(&mut self) {
        if let Some(round) = self.creature_rows.begin_load() {
            self.ask(Asked::Creatures(round), self.creatures_after(None));
        }
    }

    fn creatures_after(&self, after: Option<EntityId>) -> StoreRequest {
        StoreRequest::ReadCreatures {
            region: self.config.number,
            wanted: CreaturesWanted::All,
            after,
        }
    }

    /// Everybody comes in one step, before the rules hear that the region is served.
    pub(super) fn creatures_answer(&mut self, round: u64, answer: Result<StoreReply, StoreError>) {
        if !self.creature_rows.is_of(round) {
            return;
        }
        let Ok(StoreReply::Creatures(rows)) = answer else {
            let after = self.creature_rows.told_last();
            return self.ask_later(Asked::Creatures(round), self.creatures_after(after));
        };
        let is_last = rows.len() < CREATURES_READ_MAX;
        match self.creature_rows.told(rows, is_last, self.now.mono_ms) {
            Err(after) => self.ask(Asked::Creatures(round), self.creatures_after(after)),
            Ok(rows) => {
                let heard = std::mem::take(&mut self.notices);
                for row in rows {
                    self.take_row_in(row, 0);
                }
                self.tell_first(heard);
            }
        }
    }

    /// Who is here is told before anything else that was to be heard, but for the end of the same creature.
    fn tell_first(&mut self, mut heard: VecDeque<Notice>) {
        let came: BTreeSet<EntityId> = self.notices.iter().filter_map(Notice::creature).collect();
        let of_one = |notice: &Notice| notice.creature().is_some_and(|id| came.contains(&id));
        let before = heard.iter().rposition(of_one).map_or(0, |last| last + 1);
        let after = heard.split_off(before);
        heard.append(&mut self.notices);
        heard.extend(after);
        self.notices = heard;
    }

    /// A neighbour says that creatures have come. What is true of it the store knows.
    pub(super) fn hear_of_arrivals(&mut self, node: NodeNumber, arrivals: CheckedArrivals) {
        let from = arrivals.from;
        if !self.neighbourhood.is_listed(node, from, &mut self.out) {
            return;
        }
        let serving = self.neighbourhood.serving(from);
        if serving.is_none_or(|serving| serving.node != node) {
            return self.count("roam_not_serving");
        }
        let topology = &self.config.topology;
        if !topology.neighbours(self.config.number).contains(&from) {
            return self.count("roam_not_neighbour");
        }
        if arrivals.to_epoch != self.config.epoch {
            return self.count("arrivals_late");
        }
        self.creature_rows.nudge(self.now.mono_ms);
        self.look_at_arrivals();
    }

    /// Now and then, and when somebody is said to have come: who has. Not in a drain: whoever serves the region next reads everybody.
    pub(super) fn look_at_arrivals(&mut self) {
        if self.draining {
            return;
        }
        let Some((everybody, after, round)) = self.creature_rows.begin_look(self.now.mono_ms) else {
            return;
        };
        let request = StoreRequest::ReadCreatures {
            region: self.config.number,
            wanted: match everybody {
                true => CreaturesWanted::All,
                false => CreaturesWanted::Arriving,
            },
            after,
        };
        self.ask(Asked::Arrivals(round), request);
    }

    pub(super) fn arrivals_answer(&mut self, round: u64, answer: Result<StoreReply, StoreError>) {
        if !self.creature_rows.is_of(round) {
            return;
        }
        let now_ms = self.now.mono_ms;
        let Ok(StoreReply::Creatures(rows)) = answer else {
            return self.creature_rows.end_look(None, true, now_ms);
        };
        let last = rows.last().map(|row| row.creature);
        let after = last.filter(|_| rows.len() == CREATURES_READ_MAX);
        self.creature_rows.end_look(after, false, now_ms);
        // Rules that are called no more let nobody out again.
        if self.stands_still {
            return;
        }
        for row in rows {
            if !self.creature_rows.has_gone(row.creature) {
                self.take_row_in(row, SPARE);
            }
        }
    }

    fn take_row_in(&mut self, row: CreatureRow, spare: usize) {
        match self.row_comes(row, spare) {
            Came::Here | Came::Not => {}
            Came::NoRoom => {
                self.count("creature_no_room");
                self.creature_rows.leave_out();
            }
        }
    }

    fn row_comes(&mut self, row: CreatureRow, spare: usize) -> Came {
        let id = row.creature;
        if self.kept(id).is_some() {
            return Came::Not;
        }
        let Ok(state) = CreatureState::decode(row.body) else {
            self.count("creature_damaged");
            return Came::Not;
        };
        let edition = self.config.edition;
        if let Err(why) = edition.reads(&state.game_id, state.game_version) {
            if self.creature_rows.is_newly_unreadable(id) {
                self.note_unreadable(&format!("creature {id}"), &why);
            }
            return Came::Not;
        }
        let Ok(state) = CheckedCreature::try_from(state) else {
            self.count("creature_damaged");
            return Came::Not;
        };
        // Somebody has made one of this number up.
        self.end_creature(id);
        let at = self.rect.clamp(state.at, INSIDE);
        if !self.creatures.has_room_to_keep() || !self.cells.has_room(at, state.visibility, spare) {
            return Came::NoRoom;
        }
        let entity = Entity {
            id,
            kind: state.kind,
            owner_epoch: row.epoch,
            at,
            heading: state.heading,
            speed: state.speed,
            state: state.state,
            user: None,
            visibility: state.visibility,
            jumped: false,
            cell: 0,
            slot: 0,
            sent: Motion::default(),
            change: Change::default(),
            inputs: WaitingInputs::default(),
        };
        if self.cells.enter(entity, &mut self.entities).is_none() {
            // A player has this number.
            self.count("creature_damaged");
            return Came::Not;
        }
        self.counts.roamed_in += u64::from(row.is_arriving);
        let kept = Kept::read(self.now.mono_ms, row.is_arriving);
        self.creatures.insert(id, Life::Persistent(kept), state.memory);
        let tick_us = self.config.topology.world().tick_us().max(1);
        let passed = self.clock_ms.saturating_sub(state.saved_ms).saturating_mul(1000) / tick_us;
        for (ticks, token) in state.timers {
            let tick = self.tick_in(ticks.saturating_sub(passed));
            self.creatures.set_timer(id, tick, token);
        }
        if !row.is_arriving {
            let seen = self.seen(id);
            self.creatures.change_kept(id, |kept| kept.saved = seen);
        }
        self.notices.push_back(Notice::Came(id));
        Came::Here
    }
}
