//! A game of tag: somebody is "it", runs after the others, and whom it touches is it.

mod bots;
mod rules;

use game::{Game, Settings, settings_table};

pub use bots::{BOTS, CAUGHT, FREE, Own, towards};
pub use rules::Rules;

settings_table! {
    /// The table `[game]`.
    pub struct TagSettings {
        /// Sheep in each region.
        pub sheep: u32 = 4,
    }
}

impl Settings for TagSettings {}

/// The game.
pub struct Tag(TagSettings);

impl Game for Tag {
    const ID: &'static str = "tag";
    const VERSION: u32 = 1;
    type Settings = TagSettings;
    type Rules = Rules;

    fn new(settings: TagSettings) -> Self {
        Self(settings)
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.sheep = self.0.sheep;
        rules
    }
}
