//! Bots of a thread that are on the way: their connection is lost, and nobody knows yet whether they come back, or as
//! whom. They are players all the same, of whom nothing is heard.

use std::collections::BTreeMap;

use protocol::ids::UserId;

use crate::bot::{Bot, Record};
use crate::pulse::{Presence, Pulse};
use crate::tally::Tally;

/// Somebody who was in the world.
pub(crate) struct Absence {
    pub(crate) user: UserId,
    pub(crate) pulse: Pulse,
    /// Whether the session may go on; otherwise the next login is somebody else's.
    may_resume: bool,
}

/// By place in the thread.
#[derive(Default)]
pub(crate) struct Absences(BTreeMap<u32, Absence>);

impl Absences {
    /// A bot has lost its connection.
    pub(crate) fn leave(&mut self, place: u32, bot: &Bot) {
        let absence = Absence {
            user: bot.user,
            pulse: bot.pulse.clone(),
            may_resume: true,
        };
        self.0.insert(place, absence);
    }

    /// It comes back at best as somebody else.
    pub(crate) fn give_up(&mut self, place: u32) {
        if let Some(absence) = self.0.get_mut(&place) {
            absence.may_resume = false;
        }
    }

    /// Somebody sits at the place again.
    pub(crate) fn back(&mut self, place: u32) -> Option<Absence> {
        self.0.remove(&place)
    }

    pub(crate) fn pulses_mut(&mut self) -> impl Iterator<Item = &mut Pulse> {
        self.0.values_mut().map(|absence| &mut absence.pulse)
    }

    pub(crate) fn end_measuring(&mut self, now_us: u64, tally: &mut Tally) {
        self.pulses_mut()
            .for_each(|pulse| pulse.end_measuring(now_us, tally));
    }

    pub(crate) fn count(&self, now_us: u64, regions: &mut BTreeMap<u32, Presence>) {
        self.0
            .values()
            .for_each(|absence| absence.pulse.count(now_us, regions));
    }

    /// Those who may come back: a count waits for them.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        let coming = self.0.values().filter(|absence| absence.may_resume);
        coming.map(|absence| Record {
            user: absence.user,
            ..Record::default()
        })
    }
}
