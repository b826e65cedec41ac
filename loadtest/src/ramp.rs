//! Logging in, for as long as it gets anywhere: a bot that is never let in must not keep the others waiting for ever.

use std::time::Duration;

use crate::run_error::RunError;

/// How long the first login may take.
const FIRST_LOGIN: Duration = Duration::from_secs(20);
/// How long none may come while some are in and some are not.
const NEXT_LOGIN: Duration = Duration::from_secs(30);

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another time, or another proxy, may do.
    MayPass(String),
    /// No proxy lets anybody in until somebody has changed something.
    IsInVain(String),
}

/// How far the bots of a swarm have come.
#[derive(Clone, Debug)]
pub(crate) struct Ramp {
    players: u32,
    most_up: u32,
    /// When there were more than ever before.
    grew: Duration,
    last_failure: Option<String>,
}

impl Ramp {
    pub(crate) fn new(players: u32) -> Self {
        Self {
            players,
            most_up: 0,
            grew: Duration::ZERO,
            last_failure: None,
        }
    }

    /// Takes how many are in the world, and why a login failed if one did, `elapsed` after the beginning. Returns
    /// whether all are in; an error once it is no use to go on waiting.
    pub(crate) fn look(
        &mut self,
        up: u32,
        failure: Option<Failure>,
        elapsed: Duration,
    ) -> Result<bool, RunError> {
        let is_in_vain = matches!(failure, Some(Failure::IsInVain(_)));
        if let Some(Failure::MayPass(why) | Failure::IsInVain(why)) = failure {
            self.last_failure = Some(why);
        }
        if up > self.most_up {
            self.most_up = up;
            self.grew = elapsed;
        }
        let waited = elapsed.saturating_sub(self.grew);
        if up >= self.players {
            Ok(true)
        } else if self.most_up == 0 && (is_in_vain || waited > FIRST_LOGIN) {
            Err(self.unreachable())
        } else if self.most_up > 0 && waited > NEXT_LOGIN {
            Err(RunError::LeftOut {
                missing: self.players.saturating_sub(up),
                players: self.players,
                seconds: NEXT_LOGIN.as_secs(),
                why: self.why("no login was refused, and no snapshot came"),
            })
        } else {
            Ok(false)
        }
    }

    fn unreachable(&self) -> RunError {
        RunError::Unreachable(self.why("nobody answers"))
    }

    fn why(&self, otherwise: &str) -> String {
        self.last_failure.clone().unwrap_or_else(|| otherwise.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn may_pass(why: &str) -> Option<Failure> {
        Some(Failure::MayPass(why.to_owned()))
    }

    #[test]
    fn waiting_ends_when_nobody_more_comes() {
        let mut ramp = Ramp::new(8);
        assert!(!ramp.look(0, None, 19 * S).unwrap());
        assert!(!ramp.look(6, may_pass("the name is taken"), 20 * S).unwrap());
        assert!(!ramp.look(7, None, 49 * S).unwrap());
        // One that leaves and comes again is none that came.
        assert!(!ramp.look(6, None, 60 * S).unwrap());
        assert!(!ramp.look(7, None, 79 * S).unwrap());
        let error = ramp.look(7, None, 80 * S).unwrap_err();
        assert_eq!(error.exit_code(), 99);
        assert_eq!(
            error.to_string(),
            "1 of 8 bots did not get in, and for 30 s none came: the name is taken"
        );
    }

    #[test]
    fn all_in_is_all_in_however_long_it_took() {
        let mut ramp = Ramp::new(100);
        for bot in 1..100 {
            assert!(!ramp.look(bot, None, bot * 29 * S).unwrap());
        }
        assert!(ramp.look(100, None, 100 * 29 * S).unwrap());
    }

    #[test]
    fn nobody_waits_in_vain_unless_others_are_in() {
        let expired = || Some(Failure::IsInVain("the voucher is expired".to_owned()));
        let error = Ramp::new(8).look(0, expired(), S).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert_eq!(error.to_string(), "no bot could log in: the voucher is expired");
        let mut ramp = Ramp::new(8);
        assert!(!ramp.look(7, None, S).unwrap());
        assert!(!ramp.look(7, expired(), 2 * S).unwrap());
        assert!(ramp.look(8, None, 3 * S).unwrap());
    }

    #[test]
    fn a_cluster_that_lets_nobody_in_is_not_reached() {
        let mut ramp = Ramp::new(8);
        assert!(!ramp.look(0, may_pass("refused"), 20 * S).unwrap());
        let error = ramp.look(0, None, 21 * S).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert_eq!(error.to_string(), "no bot could log in: refused");
    }
}
