//! How a region keeps what its rules want to outlast it: a row of bytes in the store for each region and one for the world. A
//! region writes its own; the world's is written by its first region, and the others look from time to time whether it is newer.

use store::{SaveOutcome, StateOf, StoreError, StoreReply};

use super::asked::Asked;
use super::state::{Notice, RegionState};

impl RegionState {
    /// Asks what was kept before.
    pub(super) fn read_kept(&mut self) {
        for of in [StateOf::Region(self.config.number), StateOf::World] {
            let question = self.keeping.question(of);
            self.ask(Asked::Kept(of), question);
        }
    }

    pub(super) fn kept_answer(&mut self, of: StateOf, answer: Result<StoreReply, StoreError>) {
        let Ok(StoreReply::GameState(found)) = answer else {
            let question = self.keeping.question(of);
            return self.ask_later(Asked::Kept(of), question);
        };
        if self.keeping.read(of, found, self.now.mono_ms) {
            self.notices.push_back(Notice::Recalled);
        }
    }

    /// Phase: writes what the rules keep now, and looks what the world's region keeps.
    pub(super) fn write_kept(&mut self, follows_world: bool) {
        let (serving, now_ms) = (self.config.serving(), self.now.mono_ms);
        for of in [StateOf::Region(self.config.number), StateOf::World] {
            if let Some(request) = self.keeping.begin(of, serving, now_ms) {
                self.ask(Asked::KeptWritten(of), request);
            }
        }
        if follows_world && let Some(question) = self.keeping.look(now_ms) {
            self.ask(Asked::Kept(StateOf::World), question);
        }
    }

    pub(super) fn kept_written_answer(&mut self, of: StateOf, answer: &Result<StoreReply, StoreError>) {
        let due_ms = self.now.mono_ms + self.config.soft_save_ms;
        match answer {
            Ok(StoreReply::GameStateSaved(SaveOutcome::Applied)) => self.keeping.end(of, due_ms),
            // Another service of the region writes by now.
            Ok(StoreReply::GameStateSaved(_)) => {
                self.keeping.end(of, due_ms);
                self.doubt_itself();
            }
            Err(StoreError::Invalid(_)) => {
                self.keeping.end(of, due_ms);
                self.count("game_state_invalid");
            }
            _ => {
                let again = self.keeping.again(of, self.config.serving());
                self.ask_later(Asked::KeptWritten(of), again);
            }
        }
    }
}
