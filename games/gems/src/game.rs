//! The game as a program is given it.

use game::{Ctx, Game, Settings, settings_table};

use crate::DemoRules;

settings_table! {
    /// The table `[game]`.
    pub struct DemoSettings {
        /// Wandering creatures in each region.
        pub creatures: u32 = 16,
    }
}

impl Settings for DemoSettings {}

/// The demo game.
#[derive(Debug)]
pub struct DemoGame {
    settings: DemoSettings,
}

impl Game for DemoGame {
    const ID: &'static str = "gems";
    const VERSION: u32 = 1;
    type Settings = DemoSettings;
    type Rules = DemoRules;

    fn new(settings: DemoSettings) -> Self {
        Self { settings }
    }

    fn rules(&self) -> DemoRules {
        DemoRules::with_creatures(self.settings.creatures)
    }

    fn reloaded(&self, rules: &mut DemoRules, ctx: &mut dyn Ctx) {
        rules.have_creatures(ctx, self.settings.creatures);
    }
}
