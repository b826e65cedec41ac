//! Players: which commands were applied how often, what a device was told, and whether that is true.

use bytes::Bytes;
use demo::Event;
use protocol::ids::{SessionGeneration, UserId};
use protocol::message::player::CommandClass;

use super::{Checks, Issued};
use crate::bot::News;
use crate::recorder::Applied;

impl Checks {
    pub(crate) fn issued(
        &mut self,
        user: UserId,
        generation: SessionGeneration,
        number: u64,
        command: Issued,
    ) {
        let login = self.logins.entry((user, generation)).or_default();
        login.issued.push(command);
        if login.issued.len() as u64 != number {
            self.fail(format!("a device numbered a command {number} out of order"));
        }
    }

    /// A region has applied a command.
    pub(crate) fn applied(&mut self, applied: &Applied, generation: Option<SessionGeneration>) {
        let Some(generation) = generation else { return };
        let (user, number) = (applied.user, applied.number);
        let issued = self
            .login(user, generation)
            .and_then(|login| login.issued.get((number as usize).wrapping_sub(1)));
        if issued.is_none_or(|issued| issued.body != applied.body) {
            return self.fail(format!(
                "H2: a command was applied that was not issued: {applied:?}"
            ));
        }
        let losses = self.losses(user);
        let times = self.applied.entry((user, generation, number)).or_default();
        *times += 1;
        if *times > 1 + losses {
            let times = *times;
            self.fail(format!(
                "H2: command {number} of user {user} was applied {times} times, and {losses} crashes lost it: {applied:?}"
            ));
        }
    }

    /// A device has learnt something.
    pub(crate) fn news(&mut self, user: UserId, generation: SessionGeneration, news: &[News]) {
        for one in news {
            match one {
                News::Acked(number) => self.acked(user, generation, *number),
                News::InputAck { ack, epoch } => {
                    let login = self.logins.entry((user, generation)).or_default();
                    let before = std::mem::replace(&mut login.input_ack, *ack);
                    if before <= *ack {
                        continue;
                    }
                    if login.input_acks_lost > 0 {
                        login.input_acks_lost -= 1;
                    } else {
                        self.fail(format!(
                            "H3: user {user} had input {before} acknowledged, now {ack} at epoch {epoch}"
                        ));
                    }
                }
                News::Unshown(id) => self.fail(format!("user {user} sees {id}, which is hidden from it")),
                News::Twice(body) => self.fail(format!("user {user} was told {body:?} twice")),
                News::Event(event) => self.told(user, generation, event),
                News::Has(holding) => self.told_to_have(user, user, *holding),
            }
        }
    }

    fn acked(&mut self, user: UserId, generation: SessionGeneration, number: u64) {
        let login = self.logins.entry((user, generation)).or_default();
        let before = std::mem::replace(&mut login.acked, number) as usize;
        let newly = login.issued.get(before..number as usize).unwrap_or_default();
        let last_durable = newly
            .iter()
            .rposition(|command| command.class == CommandClass::Durable);
        let Some(durable) = last_durable.map(|index| (before + index + 1) as u64) else {
            return;
        };
        let stored = self.row(user).is_some_and(|row| {
            let login = row.body.binding.session_generation;
            login > generation || (login == generation && row.body.last_command.0 >= durable)
        });
        if !stored {
            self.fail(format!(
                "H8: durable command {durable} of user {user} is confirmed and not stored"
            ));
        }
    }

    fn told(&mut self, user: UserId, generation: SessionGeneration, event: &Event) {
        let login = self.logins.entry((user, generation)).or_default();
        let (to, thing) = match event {
            Event::Collected { thing } => {
                login.outcomes += 1;
                (user, *thing)
            }
            Event::Given { to, thing } => {
                login.outcomes += 1;
                self.gives += 1;
                (*to, *thing)
            }
            Event::Received { thing } => (user, *thing),
            Event::Refused { command, .. } => {
                let issued = login.issued.get((*command as usize).wrapping_sub(1));
                if issued.is_some_and(|issued| issued.class == CommandClass::Durable) {
                    login.outcomes += 1;
                }
                return;
            }
            Event::Said { .. } | Event::Emoted { .. } | Event::Reported { .. } => return,
        };
        self.told_to_have(user, to, thing);
    }

    /// A user was told that somebody has something: it had it at some time.
    fn told_to_have(&mut self, user: UserId, to: UserId, thing: u64) {
        if !self.held.contains(&(to, thing)) {
            self.fail(format!(
                "H8: user {user} was told that {to} has holding {thing:x}, who never had it"
            ));
        }
    }
}

impl Issued {
    pub(crate) fn new(class: CommandClass, body: Bytes) -> Self {
        Self { class, body }
    }
}
