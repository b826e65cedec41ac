//! The game's rules as guests: each call is caught. Rules that panic are made anew, and are called no more when that happens
//! too often.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use game::GameLogic;
use protocol::ids::{SessionGeneration, UserId};

use super::calling::{Callback, Calling, Commanded};
use super::reload::MakeRules;

/// So many panics …
const PANICS_MAX: usize = 3;
/// … within so long, milliseconds, are too many.
const PANICS_WITHIN_MS: u64 = 60_000;
/// Commands remembered as what panicked: each is done with when its player's next commit is.
const BROKEN_COMMANDS_MAX: usize = 64;

/// The rules of one region.
pub(super) struct Rules {
    make: MakeRules,
    calling: Calling,
    /// `None` between a panic and the new beginning, and for good when there were too many.
    logic: Option<Box<dyn GameLogic>>,
    /// What the panic said that nobody has seen to yet.
    said: Option<String>,
    /// When the last ones were, milliseconds.
    panics_ms: VecDeque<u64>,
}

impl Rules {
    pub(super) fn new(make: MakeRules, calling: Calling) -> Self {
        let mut rules = Self {
            make,
            calling,
            logic: None,
            said: None,
            panics_ms: VecDeque::new(),
        };
        rules.begin();
        rules
    }

    fn begin(&mut self) {
        let make = &self.make;
        self.calling.begin(Callback::Rules);
        let made = catch_unwind(AssertUnwindSafe(|| make()));
        self.calling.end();
        match made {
            Ok(logic) => self.logic = Some(logic),
            Err(payload) => self.said = Some(message(&*payload)),
        }
    }

    /// Calls the rules; `None` when they panic, or have done so before and have not begun anew.
    pub(super) fn call<T>(
        &mut self,
        callback: Callback,
        call: impl FnOnce(&mut dyn GameLogic) -> T,
    ) -> Option<T> {
        let logic = self.logic.as_deref_mut()?;
        self.calling.begin(callback);
        // What rules and region were at is not looked at again: both begin anew.
        let called = catch_unwind(AssertUnwindSafe(|| call(logic)));
        self.calling.end();
        match called {
            Ok(value) => Some(value),
            Err(payload) => {
                self.logic = None;
                self.said = Some(message(&*payload));
                None
            }
        }
    }

    /// Calls them for a command.
    pub(super) fn command(
        &mut self,
        command: Commanded,
        call: impl FnOnce(&mut dyn GameLogic),
    ) -> Option<()> {
        self.calling.name_command(command);
        self.call(Callback::Command, call)
    }

    /// Settings were read anew: the rules hear of them, and others are made with them from now on.
    pub(super) fn make_by(&mut self, make: MakeRules) {
        self.make = make;
    }

    /// Whether they can be called.
    pub(super) fn are_well(&self) -> bool {
        self.logic.is_some()
    }

    /// Whether they are called no more.
    pub(super) fn are_given_up(&self) -> bool {
        self.logic.is_none() && self.said.is_none()
    }

    /// Takes the news of a panic, and begins anew unless there were too many.
    pub(super) fn begin_anew(&mut self, now_ms: u64) -> Option<String> {
        let said = self.said.take()?;
        self.logic = None;
        self.panics_ms.push_back(now_ms);
        self.panics_ms
            .retain(|at_ms| now_ms.saturating_sub(*at_ms) < PANICS_WITHIN_MS);
        if self.panics_ms.len() < PANICS_MAX {
            self.begin();
        }
        Some(said)
    }
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}

/// Commands at which the rules panicked: who issued them, in which session, under which number.
#[derive(Debug, Default)]
pub(super) struct BrokenCommands(VecDeque<(UserId, SessionGeneration, u64)>);

impl BrokenCommands {
    pub(super) fn put(&mut self, user: UserId, session: SessionGeneration, number: u64) {
        if self.0.len() == BROKEN_COMMANDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((user, session, number));
    }

    pub(super) fn has(&self, user: UserId, session: SessionGeneration, number: u64) -> bool {
        self.0.contains(&(user, session, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use game::{Position, World};
    use std::sync::Arc;

    struct Fragile;

    impl GameLogic for Fragile {
        fn spawn_point(&self, _: &World, _: UserId) -> Position {
            panic!("lost its {}", "map")
        }
        fn kind_of_player(&self) -> u16 {
            7
        }
    }

    fn panics(rules: &mut Rules, at_ms: u64) -> bool {
        let (kind, broken) = (
            rules.call(Callback::SpawnPoint, |logic| logic.kind_of_player()),
            rules.call(Callback::Tick, |_| panic!("no")),
        );
        assert_eq!((kind, broken), (Some(7), None::<()>));
        assert_eq!(
            rules.call(Callback::SpawnPoint, |logic| logic.kind_of_player()),
            None,
            "not before it begins anew"
        );
        assert_eq!(rules.begin_anew(at_ms).as_deref(), Some("no"));
        assert_eq!(rules.begin_anew(at_ms), None, "it is told once");
        rules.are_well()
    }

    #[test]
    fn rules_begin_anew_after_a_panic_but_not_three_times_a_minute() {
        let mut rules = Rules::new(Arc::new(|| Box::new(Fragile)), Calling::default());
        assert!(panics(&mut rules, 1_000) && panics(&mut rules, 31_000));
        assert!(panics(&mut rules, 61_000), "the first is a minute ago");
        assert!(!panics(&mut rules, 62_000), "three within a minute");
        assert_eq!(
            rules.call(Callback::SpawnPoint, |logic| logic.kind_of_player()),
            None
        );
        assert_eq!(message(&"str"), "str");
    }

    #[test]
    fn rules_that_cannot_be_made_are_a_panic_as_well() {
        let mut rules = Rules::new(Arc::new(|| panic!("no rules")), Calling::default());
        for _ in 0..PANICS_MAX {
            assert_eq!(rules.begin_anew(0).as_deref(), Some("no rules"));
        }
        assert!(!rules.are_well() && rules.begin_anew(0).is_none());
    }

    #[test]
    fn so_many_broken_commands_are_remembered_and_of_one_session_only() {
        let mut broken = BrokenCommands::default();
        for number in 0..=BROKEN_COMMANDS_MAX as u64 {
            broken.put(UserId(5), SessionGeneration(1), number);
        }
        let has = |session, number| broken.has(UserId(5), SessionGeneration(session), number);
        assert!(has(1, 1) && has(1, 64) && !has(1, 0) && !has(2, 1));
    }
}
