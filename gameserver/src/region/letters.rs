//! What rules say to those of another region, near or far: once, as soon as that region is found and linked, or not at all. It travels
//! as an effect on no entity.

use bytes::Bytes;
use game::limits::{EFFECT_BYTES_MAX, LETTER_MS_MAX, LETTERS_MAX};
use protocol::ids::{EntityId, RegionNumber};
use protocol::message::effect::Effect;

use super::state::{Letter, Notice, RegionState};

/// The target of what is meant for a region's rules: no entity has this id.
pub(super) const RULES: EntityId = EntityId(0);

impl RegionState {
    pub(super) fn write_letter(&mut self, to: RegionNumber, body: Bytes) {
        if body.len() > EFFECT_BYTES_MAX {
            return self.count("effect_too_long");
        }
        if to == self.config.number {
            return self.notices.push_back(Notice::Told(to, body));
        }
        if self.config.topology.region(to).is_none() || self.letters.len() >= LETTERS_MAX {
            return self.count("letter_lost");
        }
        let until_ms = self.now.mono_ms + LETTER_MS_MAX;
        self.letters.push_back(Letter { to, body, until_ms });
    }

    /// Phase: what can be said now is.
    pub(super) fn send_letters(&mut self) {
        for letter in std::mem::take(&mut self.letters) {
            if let Some(serving) = self.reach(letter.to) {
                let effect = Effect {
                    from_region: self.config.number.0,
                    to_region: letter.to.0,
                    to_region_epoch: serving.region_epoch.0,
                    source_entity: RULES.0,
                    target_entity: RULES.0,
                    made_us: self.now.mono_ms * 1000,
                    body: letter.body,
                };
                self.tell_server(serving.node, effect);
            } else if letter.until_ms <= self.now.mono_ms {
                self.count("letter_lost");
            } else {
                self.letters.push_back(letter);
            }
        }
    }
}
