//! What becomes of a region whose rules panic: it costs one command, not the process.
//!
//! Whatever a callback was at is given up with all of the region's memory that rules had a hand in: fresh rules are made,
//! players come back from their rows as after a crash, and what lies here is read again. A command at which it happened
//! commits as refused, so that it is not repeated for ever. Rules that panic too often are called no more: the region
//! stands still, and this process keeps it, so that the same fault does not go through every server that stands by.

use protocol::cell::RemoveReason;
use protocol::ids::UserId;

use super::creatures::Creatures;
use super::effect::RegionEffect;
use super::player::Phase;
use super::state::{Notice, RegionState};
use super::timers::Timers;

impl super::Region {
    /// After every call into the rules, or several: if they panicked, everything that they had a hand in begins anew.
    pub(super) fn see_to_panic(&mut self) {
        // Rules may panic again as soon as they are made.
        while let Some(said) = self.rules.begin_anew(self.state.now.mono_ms) {
            self.state.panics += 1;
            let stands_still = self.rules.are_given_up();
            self.state.stands_still = stands_still;
            self.state
                .out
                .push(RegionEffect::RulesPanicked { said, stands_still });
            self.state.begin_anew();
        }
    }
}

impl RegionState {
    /// The command that is being applied is what the rules panicked at.
    pub(super) fn note_broken_command(&mut self) {
        let Some((user, _, number)) = self.commanding.take() else {
            return;
        };
        if let Some(player) = self.players.get(&user) {
            let session = player.bound.session_generation;
            self.broken_commands.put(user, session, number);
        }
    }

    /// Gives up all that rules had a hand in. Players whose fate others decide on stay as they are: of them nothing has
    /// changed since it was decided what they are.
    fn begin_anew(&mut self) {
        self.commanding = None;
        self.timers = Timers::default();
        self.creatures = Creatures::default();
        self.creature_rows.begin_anew();
        self.asks.forget();
        self.letters.clear();
        for key in self.entities.of_the_game() {
            self.cells.leave(key, RemoveReason::Gone, &mut self.entities);
            self.counts.despawned += 1;
        }
        self.ground_writes.give_up_waiting();
        self.ground.forget();
        self.keeping.begin_anew();
        let active = self
            .players
            .values()
            .filter(|player| player.phase == Phase::Active);
        let users: Vec<UserId> = active.map(|player| player.user).collect();
        for user in users {
            self.restart(user);
        }
        self.notices.clear();
        self.notices.push_back(Notice::Served);
        if self.keeping.is_known() {
            self.notices.push_back(Notice::Recalled);
        }
        self.notices
            .extend(self.players.keys().copied().map(Notice::Entered));
        self.read_ground();
        self.read_creatures();
    }
}
