//! Settings of a game that were read anew, on their way to the rules of regions that are served already.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use game::{Ctx, Game, GameLogic};

/// Makes the rules of a region, whenever it has to begin anew.
pub type MakeRules = Arc<dyn Fn() -> Box<dyn GameLogic> + Send + Sync>;

type Apply = dyn Fn(&mut dyn GameLogic, &mut dyn Ctx) + Send + Sync;

/// The game with its new settings, as regions take it. Clones are one.
#[derive(Clone)]
pub struct Reload {
    /// Makes the rules from now on.
    make: MakeRules,
    apply: Arc<Apply>,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}

impl Reload {
    /// Of this game, which was made with them.
    #[must_use]
    pub fn of<G: Game>(game: Arc<G>) -> Self {
        let maker = Arc::clone(&game);
        Self {
            make: Arc::new(move || Box::new(maker.rules())),
            apply: Arc::new(move |rules, ctx| {
                let rules: &mut dyn Any = rules;
                // Rules of another kind are not this game's.
                if let Some(rules) = rules.downcast_mut::<G::Rules>() {
                    game.reloaded(rules, ctx);
                }
            }),
        }
    }

    /// How rules are made with them.
    #[must_use]
    pub fn make_rules(&self) -> MakeRules {
        Arc::clone(&self.make)
    }

    pub(super) fn apply(&self, rules: &mut dyn GameLogic, ctx: &mut dyn Ctx) {
        (self.apply)(rules, ctx);
    }
}
