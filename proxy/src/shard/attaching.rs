//! The client's Attach: its first message and its only one of the kind, so that there is one signature to verify. That is
//! done elsewhere; what comes behind it waits for the verdict, in order.

use protocol::limits::{CLIENT_ATTACH_MS_MAX, COMMAND_WINDOW};
use protocol::message::client::Attach;
use protocol::message::family::ClientToProxy;

/// Messages that may wait for a verdict: a client repeats a whole window of commands behind its Attach, and may go on.
const HELD_MAX: usize = 2 * COMMAND_WINDOW;

/// Where a client stands with its Attach.
#[derive(Debug)]
pub(super) enum Attaching {
    /// It has until then, milliseconds in which the shard ran.
    Awaited(u64),
    /// Its signature is being verified.
    Asked(Attach, Vec<ClientToProxy>),
    /// It is who it says.
    Done,
}

/// What to do with a message.
#[derive(Debug, PartialEq)]
pub(super) enum Passage {
    /// It is for the session.
    Passed(ClientToProxy),
    /// Its signature is to be verified.
    Verify(Attach),
    /// It waits.
    Held,
    /// It breaks a rule, counted under this label.
    Refused(&'static str),
}

impl Attaching {
    pub(super) fn new(awake_ms: u64) -> Self {
        Self::Awaited(awake_ms + CLIENT_ATTACH_MS_MAX)
    }

    /// Takes a message from the client.
    pub(super) fn take(&mut self, message: ClientToProxy) -> Passage {
        match (&mut *self, message) {
            (Self::Awaited(_), ClientToProxy::Attach(attach)) => {
                *self = Self::Asked(attach.clone(), Vec::new());
                Passage::Verify(attach)
            }
            (Self::Awaited(_), _) => Passage::Refused("before_attach"),
            (_, ClientToProxy::Attach(_)) => Passage::Refused("attach_twice"),
            // It asks whether anybody is there, and is told while it waits.
            (Self::Asked(..), ping @ ClientToProxy::Ping(_)) => Passage::Passed(ping),
            (Self::Asked(_, held), _) if held.len() >= HELD_MAX => Passage::Refused("before_verdict"),
            (Self::Asked(_, held), message) => {
                held.push(message);
                Passage::Held
            }
            (Self::Done, message) => Passage::Passed(message),
        }
    }

    /// Whether it should have come by now.
    pub(super) fn is_late(&self, awake_ms: u64) -> bool {
        matches!(self, Self::Awaited(until_ms) if awake_ms >= *until_ms)
    }

    /// The signature is good: the Attach, and what came behind it. `None` when nobody had asked.
    pub(super) fn verified(&mut self) -> Option<(Attach, Vec<ClientToProxy>)> {
        match std::mem::replace(self, Self::Done) {
            Self::Asked(attach, held) => Some((attach, held)),
            before @ (Self::Awaited(_) | Self::Done) => {
                *self = before;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::client::{EventAck, Ping};

    fn ping(sent_at_us: u64) -> ClientToProxy {
        Ping {
            sent_at_us,
            echo_us: 0,
        }
        .into()
    }

    fn word(number: u64) -> ClientToProxy {
        EventAck { number }.into()
    }

    #[test]
    fn the_attach_comes_first_in_time_and_once() {
        let mut attaching = Attaching::new(100);
        assert_eq!(attaching.take(ping(1)), Passage::Refused("before_attach"));
        assert!(
            !attaching.is_late(99 + CLIENT_ATTACH_MS_MAX) && attaching.is_late(100 + CLIENT_ATTACH_MS_MAX)
        );
        let attach = Attach::default();
        assert_eq!(
            attaching.take(attach.clone().into()),
            Passage::Verify(attach.clone())
        );
        assert!(!attaching.is_late(u64::MAX));
        assert_eq!(attaching.take(attach.into()), Passage::Refused("attach_twice"));
    }

    #[test]
    fn what_comes_behind_it_waits_for_the_verdict_in_order_and_not_without_end() {
        let mut attaching = Attaching::new(0);
        assert_eq!(attaching.verified(), None);
        let attach = Attach {
            attach_no: 3,
            ..Attach::default()
        };
        attaching.take(attach.clone().into());
        for n in 0..HELD_MAX as u64 {
            assert_eq!(attaching.take(word(n)), Passage::Held);
        }
        assert_eq!(attaching.take(word(9)), Passage::Refused("before_verdict"));
        assert_eq!(attaching.take(ping(9)), Passage::Passed(ping(9)), "it only asks");
        let (said, held) = attaching.verified().unwrap();
        assert_eq!((said, held.len()), (attach, HELD_MAX));
        assert_eq!(held[1], word(1));
        assert_eq!(attaching.verified(), None);
        assert_eq!(attaching.take(word(7)), Passage::Passed(word(7)));
    }
}
