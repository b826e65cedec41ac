//! The handovers that a region has begun, as their source (A) remembers them: how far each has come, what is repeated,
//! and what is given up. What becomes of the players in them is the region's affair.

use std::collections::BTreeMap;

use faultpoint::faultpoint;
use protocol::geometry::CellIndex;
use protocol::ids::{AttemptId, NodeNumber, OwnerEpoch, UserId};
use protocol::message::checked::{CheckedClaim, CheckedClaims};
use protocol::message::handover::Commit;
use store::{PlayerSave, Serving, StoreRequest};

use crate::region::outgoing::Outgoing;

/// Without `Prepared` for so long, the source goes on as if nothing had been, milliseconds.
const PREPARE_MS: u64 = 250;
/// `Commit` is repeated this often, milliseconds.
const REPEAT_MS: u64 = 200;
/// A target that never says `Done` is told this long, milliseconds; the row has said it all the while.
const GONE_MS: u64 = 30_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `Prepare` is sent.
    Preparing,
    /// The CAS is sent: from here on only the row decides.
    Committing,
    /// The CAS has no answer, or was refused.
    Doubt,
    /// Committed; the target has not said `Done`.
    Gone,
}

/// One player of a handover, as it was frozen.
#[derive(Clone, Debug)]
pub(super) struct Leaver {
    pub(super) user: UserId,
    /// The epoch that this region holds.
    pub(super) epoch: OwnerEpoch,
    pub(super) save: PlayerSave,
    pub(super) cell: CellIndex,
    /// Whether it is put there, and does not walk.
    pub(super) jumps: bool,
}

impl Leaver {
    fn claim(&self) -> CheckedClaim {
        CheckedClaim {
            user: self.user,
            owner_epoch: OwnerEpoch(self.epoch.0.saturating_add(1)),
            version: self.save.version,
        }
    }
}

#[derive(Clone, Debug)]
struct Departure {
    to: Serving,
    leavers: Vec<Leaver>,
    step: Step,
    since_ms: u64,
    again_ms: u64,
}

impl Departure {
    fn claims(&self) -> impl Iterator<Item = CheckedClaim> {
        self.leavers.iter().map(Leaver::claim)
    }

    fn users(&self) -> Vec<UserId> {
        self.leavers.iter().map(|leaver| leaver.user).collect()
    }
}

/// Handovers from this region under way.
#[derive(Debug)]
pub(in crate::region) struct Departures {
    own: Serving,
    attempts: BTreeMap<AttemptId, Departure>,
    /// Handovers that were called off, and might yet be answered.
    #[cfg(feature = "broken-rules")]
    called_off: BTreeMap<AttemptId, Departure>,
}

impl Departures {
    /// Of the region that is served so.
    pub(in crate::region) fn new(own: Serving) -> Self {
        Self {
            own,
            attempts: BTreeMap::new(),
            #[cfg(feature = "broken-rules")]
            called_off: BTreeMap::new(),
        }
    }

    /// `Prepare` is sent.
    pub(super) fn begin(&mut self, attempt: AttemptId, to: Serving, leavers: Vec<Leaver>, now_ms: u64) {
        let departure = Departure {
            to,
            leavers,
            step: Step::Preparing,
            since_ms: now_ms,
            again_ms: 0,
        };
        self.attempts.insert(attempt, departure);
    }

    /// The target is ready: the CAS, if this is exactly the attempt and the versions that are waited for.
    pub(super) fn prepared(
        &mut self,
        node: NodeNumber,
        prepared: &CheckedClaims,
    ) -> Result<StoreRequest, &'static str> {
        let attempt = prepared.attempt;
        let departure = self.attempts.get_mut(&attempt).ok_or("prepared_unknown")?;
        if departure.to.node != node
            || departure.step != Step::Preparing
            || prepared.from != departure.to.region
            || !departure.claims().eq(prepared.claims.iter().copied())
        {
            return Err("prepared_unexpected");
        }
        departure.step = Step::Committing;
        let saves = departure.leavers.iter().map(|leaver| leaver.save.clone());
        Ok(StoreRequest::PassPlayers {
            from: self.own,
            to: departure.to,
            attempt,
            passengers: saves.collect(),
        })
    }

    /// Whether this node may still refuse the handover.
    pub(super) fn may_refuse(&self, node: NodeNumber, attempt: AttemptId) -> bool {
        let departure = self.attempts.get(&attempt);
        departure.is_some_and(|departure| departure.to.node == node && departure.step == Step::Preparing)
    }

    /// Handovers that were not answered in time, and may be called off.
    pub(super) fn late(&self, now_ms: u64) -> Vec<AttemptId> {
        let is_late = |departure: &Departure| {
            departure.step == Step::Preparing && now_ms.saturating_sub(departure.since_ms) >= PREPARE_MS
        };
        self.those(is_late)
    }

    /// Nothing was sent to the store, or it said that nothing happened: who goes on.
    pub(super) fn call_off(&mut self, attempt: AttemptId) -> Vec<UserId> {
        let Some(departure) = self.attempts.remove(&attempt) else {
            return Vec::new();
        };
        let users = departure.users();
        #[cfg(feature = "broken-rules")]
        self.called_off.insert(attempt, departure);
        users
    }

    /// Nobody knows what became of the CAS: of whom the row has to be asked.
    pub(super) fn doubt(&mut self, attempt: AttemptId) -> Vec<UserId> {
        let Some(departure) = self.attempts.get_mut(&attempt) else {
            return Vec::new();
        };
        departure.step = Step::Doubt;
        departure.users()
    }

    /// The epoch that this region holds of a player in a handover, and where that goes.
    pub(in crate::region) fn leaver(
        &self,
        attempt: AttemptId,
        user: UserId,
    ) -> Option<(OwnerEpoch, Serving)> {
        let departure = self.attempts.get(&attempt)?;
        let leaver = departure.leavers.iter().find(|leaver| leaver.user == user)?;
        Some((leaver.epoch, departure.to))
    }

    /// The row says that the players are the target's, which is told so: who has left, and where to.
    pub(super) fn committed(
        &mut self,
        attempt: AttemptId,
        now_ms: u64,
        out: &mut Outgoing,
    ) -> Option<(Serving, Vec<Leaver>)> {
        let own = self.own;
        let departure = self.attempts.get_mut(&attempt)?;
        departure.step = Step::Gone;
        departure.since_ms = now_ms;
        departure.again_ms = now_ms + REPEAT_MS;
        commit(own, attempt, departure, out);
        Some((departure.to, departure.leavers.clone()))
    }

    /// Says `Commit` again to targets that have not confirmed, and no more after a long time.
    pub(super) fn repeat(&mut self, now_ms: u64, out: &mut Outgoing) {
        let own = self.own;
        self.attempts.retain(|attempt, departure| {
            if departure.step != Step::Gone || departure.again_ms > now_ms {
                return true;
            }
            let stays = now_ms.saturating_sub(departure.since_ms) < GONE_MS;
            if stays {
                faultpoint!(CommitRepeated);
                departure.again_ms = now_ms + REPEAT_MS;
                commit(own, *attempt, departure, out);
            }
            stays
        });
    }

    /// The target has the players.
    pub(in crate::region) fn done(&mut self, node: NodeNumber, done: &CheckedClaims, out: &mut Outgoing) {
        let Some(departure) = self.attempts.get(&done.attempt) else {
            faultpoint!(DoneLate);
            return out.count("done_late");
        };
        if departure.step != Step::Gone || departure.to.node != node {
            return out.count("done_unexpected");
        }
        for claim in &done.claims {
            self.forget(done.attempt, claim.user);
        }
    }

    /// What becomes of the player is known.
    pub(super) fn forget(&mut self, attempt: AttemptId, user: UserId) {
        if let Some(departure) = self.attempts.get_mut(&attempt) {
            departure.leavers.retain(|leaver| leaver.user != user);
            if departure.leavers.is_empty() {
                self.attempts.remove(&attempt);
            }
        }
    }

    /// Players whose handover is not committed.
    pub(in crate::region) fn frozen(&self) -> usize {
        let departures = self.attempts.values();
        let open = departures.filter(|departure| departure.step != Step::Gone);
        open.map(|departure| departure.leavers.len()).sum()
    }

    pub(in crate::region) fn len(&self) -> usize {
        self.attempts.len()
    }

    fn those(&self, are: impl Fn(&Departure) -> bool) -> Vec<AttemptId> {
        let those = self.attempts.iter().filter(|(_, departure)| are(departure));
        those.map(|(attempt, _)| *attempt).collect()
    }
}

/// What a source does that leaves out a rule on purpose.
#[cfg(feature = "broken-rules")]
impl Departures {
    /// Without R6, a handover that was called off is still one.
    pub(super) fn recall(&mut self, attempt: AttemptId) {
        if let Some(departure) = self.called_off.remove(&attempt) {
            self.attempts.insert(attempt, departure);
        }
    }

    /// Without R2, handovers are called off whose CAS has had no answer for as long as `Prepared` may take.
    pub(super) fn unanswered(&self, now_ms: u64) -> Vec<AttemptId> {
        self.those(|departure| {
            departure.step == Step::Committing && now_ms.saturating_sub(departure.since_ms) >= PREPARE_MS
        })
    }
}

fn commit(own: Serving, attempt: AttemptId, departure: &Departure, out: &mut Outgoing) {
    let commit = Commit {
        from_region: own.region.0,
        to_region: departure.to.region.0,
        attempt: attempt.0,
        claims: departure.claims().map(Into::into).collect(),
    };
    out.tell_server(departure.to.node, commit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::RegionEffect;
    use protocol::ids::{RegionEpoch, RegionNumber, StateVersion};
    use protocol::message::family::ServerToServer;
    use store::PlayerBody;

    const A: Serving = serving(1, 1);
    const B: Serving = serving(2, 2);
    const ATTEMPT: AttemptId = AttemptId(9);

    const fn serving(node: u16, region: u32) -> Serving {
        Serving {
            node: NodeNumber(node),
            region: RegionNumber(region),
            region_epoch: RegionEpoch(1),
        }
    }

    fn leaver(user: u64) -> Leaver {
        Leaver {
            user: UserId(user),
            epoch: OwnerEpoch(4),
            save: PlayerSave {
                user: UserId(user),
                owner_epoch: OwnerEpoch(4),
                version: StateVersion(7),
                body: PlayerBody::default(),
            },
            cell: CellIndex(0),
            jumps: false,
        }
    }

    /// Two players are frozen, and B is told.
    fn begun() -> Departures {
        let mut departures = Departures::new(A);
        departures.begin(ATTEMPT, B, vec![leaver(5), leaver(6)], 1_000);
        departures
    }

    fn prepared() -> CheckedClaims {
        CheckedClaims {
            from: B.region,
            attempt: ATTEMPT,
            claims: vec![leaver(5).claim(), leaver(6).claim()],
        }
    }

    fn commits(out: &mut Outgoing) -> usize {
        let effects = out.take().into_iter();
        let is_commit = |effect: &RegionEffect| matches!(effect, RegionEffect::ToServer(node, ServerToServer::Commit(_)) if *node == B.node);
        effects.filter(is_commit).count()
    }

    #[test]
    fn only_exactly_what_was_prepared_is_passed_on_and_only_once() {
        let mut departures = begun();
        let other = AttemptId(8);
        let of_other = CheckedClaims {
            attempt: other,
            ..prepared()
        };
        assert_eq!(departures.prepared(B.node, &of_other), Err("prepared_unknown"));
        assert_eq!(
            departures.prepared(A.node, &prepared()),
            Err("prepared_unexpected")
        );
        let from_elsewhere = CheckedClaims {
            from: RegionNumber(3),
            ..prepared()
        };
        assert_eq!(
            departures.prepared(B.node, &from_elsewhere),
            Err("prepared_unexpected")
        );
        let mut older = prepared();
        older.claims[1].version = StateVersion(6);
        assert_eq!(departures.prepared(B.node, &older), Err("prepared_unexpected"));
        let pass = departures.prepared(B.node, &prepared());
        let saves = vec![leaver(5).save, leaver(6).save];
        let expected = StoreRequest::PassPlayers {
            from: A,
            to: B,
            attempt: ATTEMPT,
            passengers: saves,
        };
        assert_eq!(pass, Ok(expected));
        assert_eq!(
            departures.prepared(B.node, &prepared()),
            Err("prepared_unexpected")
        );
        assert!(
            !departures.may_refuse(B.node, ATTEMPT),
            "it is too late to refuse"
        );
    }

    #[test]
    fn a_handover_is_given_up_while_nothing_was_sent_to_the_store_and_never_later() {
        let mut departures = begun();
        assert!(departures.may_refuse(B.node, ATTEMPT) && !departures.may_refuse(A.node, ATTEMPT));
        assert_eq!(departures.late(999 + PREPARE_MS), []);
        assert_eq!(departures.late(1_000 + PREPARE_MS), [ATTEMPT]);
        assert_eq!(departures.call_off(ATTEMPT), [5, 6].map(UserId));
        assert_eq!((departures.len(), departures.frozen()), (0, 0));
        let mut departures = begun();
        departures.prepared(B.node, &prepared()).unwrap();
        assert_eq!(departures.late(u64::MAX), []);
        assert_eq!(departures.doubt(ATTEMPT), [5, 6].map(UserId));
        assert_eq!(departures.late(u64::MAX), []);
        assert_eq!(departures.leaver(ATTEMPT, UserId(6)), Some((OwnerEpoch(4), B)));
        departures.forget(ATTEMPT, UserId(6));
        assert_eq!(departures.leaver(ATTEMPT, UserId(6)), None);
        assert_eq!(departures.frozen(), 1);
    }

    #[test]
    fn the_target_is_told_of_a_commit_until_it_has_everybody_but_not_for_ever() {
        let (mut departures, mut out) = (begun(), Outgoing::default());
        departures.prepared(B.node, &prepared()).unwrap();
        let (to, left) = departures.committed(ATTEMPT, 2_000, &mut out).unwrap();
        assert_eq!((to, left.len(), departures.frozen()), (B, 2, 0));
        assert_eq!(commits(&mut out), 1);
        departures.repeat(1_999 + REPEAT_MS, &mut out);
        assert_eq!(commits(&mut out), 0);
        departures.repeat(2_000 + REPEAT_MS, &mut out);
        assert_eq!(commits(&mut out), 1);
        let done = |user| CheckedClaims {
            claims: vec![leaver(user).claim()],
            ..prepared()
        };
        departures.done(A.node, &done(5), &mut out);
        assert_eq!(out.take(), [RegionEffect::Count("done_unexpected")]);
        departures.done(B.node, &done(5), &mut out);
        assert_eq!(departures.len(), 1, "the other one is not there");
        departures.repeat(2_000 + GONE_MS, &mut out);
        assert_eq!((commits(&mut out), departures.len()), (0, 0));
    }
}
