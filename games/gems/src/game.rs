//! The game as a program is given it.

use game::{Ctx, Game, Settings, settings_table};

use crate::Gems;

settings_table! {
    /// The table `[game]`.
    pub struct GemsSettings {
        /// Wandering creatures in each region.
        pub creatures: u32 = 16,
    }
}

impl Settings for GemsSettings {}

/// The demo game.
#[derive(Debug)]
pub struct GemsGame {
    settings: GemsSettings,
}

impl Game for GemsGame {
    const ID: &'static str = "gems";
    const VERSION: u32 = 1;
    type Settings = GemsSettings;
    type Rules = Gems;

    fn new(settings: GemsSettings) -> Self {
        Self { settings }
    }

    fn rules(&self) -> Gems {
        Gems::with_creatures(self.settings.creatures)
    }

    fn reloaded(&self, rules: &mut Gems, ctx: &mut dyn Ctx) {
        rules.have_creatures(ctx, self.settings.creatures);
    }
}
