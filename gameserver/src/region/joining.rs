//! Joins under way: who comes by which lane, and how far the store has let them. Of two joins of one user the newer one
//! counts, in whatever order they come.

use std::collections::BTreeMap;

use protocol::geometry::Position;
use protocol::ids::{AttachNo, LiveLane, SessionGeneration, UserId};
use protocol::message::checked::SessionIdentity;
use store::{Binding, PlayerRow};

use super::player::Wary;
use crate::join_check::VerifiedJoin;

/// A join gives up after so long, milliseconds.
const JOIN_MS_MAX: u64 = 10_000;
/// Joins under way at one region.
const JOINING_MAX: usize = 4_096;

/// How the game has a new user start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spawn {
    pub(super) at: Position,
    pub(super) kind: u16,
}

/// How far a join has come.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// The row is read, or made.
    Reading,
    /// The CAS that makes the user active here is sent: nothing else may make it active meanwhile.
    Activating,
    /// The row names this region; the holdings are read.
    Activated(Box<PlayerRow>),
}

/// A join under way.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) lane: LiveLane,
    pub(super) join: VerifiedJoin,
    /// How the user starts if there is no row.
    pub(super) spawn: Spawn,
    /// The row may lack the last second of whoever had the player before.
    pub(super) after_crash: bool,
    /// The client is gone again.
    pub(super) left: bool,
    /// Somebody changed the holdings meanwhile.
    pub(super) refresh: bool,
    /// Of a player who begins again.
    pub(super) wary: Wary,
    since_ms: u64,
    stage: Stage,
}

impl Joining {
    pub(super) fn new(lane: LiveLane, join: VerifiedJoin, spawn: Spawn, now_ms: u64) -> Self {
        Self {
            lane,
            join,
            spawn,
            after_crash: false,
            left: false,
            refresh: false,
            wary: Wary::default(),
            since_ms: now_ms,
            stage: Stage::Reading,
        }
    }

    pub(super) fn order(&self) -> (SessionGeneration, AttachNo) {
        self.join.order()
    }

    /// As the row is to have it.
    pub(super) fn binding(&self) -> Binding {
        Binding {
            session_generation: self.join.session_generation,
            attach_no: self.join.attach_no,
            proxy: Some(self.lane.node()),
        }
    }
}

/// What an answer of the store finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nobody waits for it any more.
    Nobody,
    /// It took too long.
    TooLong,
    /// The join goes on; whether its CAS was under way.
    Still { activating: bool },
}

/// All of one region.
#[derive(Debug, Default)]
pub(super) struct Joins {
    by_user: BTreeMap<UserId, Joining>,
}

impl Joins {
    pub(super) fn is_full(&self) -> bool {
        self.by_user.len() >= JOINING_MAX
    }

    pub(super) fn users(&self) -> impl Iterator<Item = UserId> {
        self.by_user.keys().copied()
    }

    pub(super) fn begin(&mut self, joining: Joining) {
        self.by_user.insert(joining.join.user, joining);
    }

    /// The user comes again while a join of it is under way: the newer one stays. The one to be refused, if its proxy has
    /// not given it up itself.
    ///
    /// # Errors
    /// The join itself, when none of this user is under way.
    pub(super) fn come_again(
        &mut self,
        lane: LiveLane,
        mut join: VerifiedJoin,
    ) -> Result<Option<(LiveLane, VerifiedJoin)>, VerifiedJoin> {
        let Some(joining) = self.by_user.get_mut(&join.user) else {
            return Err(join);
        };
        // A player who begins again without a connection is nobody's: whoever has its session may come for it.
        let same_node = joining.lane.node() == lane.node() || joining.lane == LiveLane::default();
        let order = join.order();
        let is_newer = order > joining.order() || (order == joining.order() && same_node);
        if !is_newer {
            return Ok(Some((lane, join)));
        }
        join.knows_of(&joining.join);
        let before = (
            std::mem::replace(&mut joining.lane, lane),
            std::mem::replace(&mut joining.join, join),
        );
        joining.left = false;
        Ok(Some(before).filter(|_| !same_node))
    }

    /// The store has answered a question about the user's row.
    pub(super) fn answered(&mut self, user: UserId, now_ms: u64) -> Waiting {
        let Some(joining) = self.by_user.get_mut(&user) else {
            return Waiting::Nobody;
        };
        let activating = joining.stage == Stage::Activating;
        if activating {
            joining.stage = Stage::Reading;
        }
        if now_ms.saturating_sub(joining.since_ms) > JOIN_MS_MAX {
            return Waiting::TooLong;
        }
        Waiting::Still { activating }
    }

    /// The CAS is sent. `after_crash`: somebody had the player who did not let go of it.
    pub(super) fn activate(&mut self, user: UserId, after_crash: bool) {
        if let Some(joining) = self.by_user.get_mut(&user) {
            joining.stage = Stage::Activating;
            joining.after_crash |= after_crash;
        }
    }

    /// The row names this region.
    pub(super) fn activated(&mut self, row: PlayerRow) {
        if let Some(joining) = self.by_user.get_mut(&row.user) {
            joining.stage = Stage::Activated(Box::new(row));
        }
    }

    pub(super) fn get(&self, user: UserId) -> Option<&Joining> {
        self.by_user.get(&user)
    }

    pub(super) fn has(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    /// Whether nothing but the join may make the user active now.
    pub(super) fn is_activating(&self, user: UserId) -> bool {
        self.get(user)
            .is_some_and(|joining| joining.stage == Stage::Activating)
    }

    /// The join is over, one way or the other.
    pub(super) fn take(&mut self, user: UserId) -> Option<Joining> {
        self.by_user.remove(&user)
    }

    /// The join is over, and this is the row if it names this region.
    pub(super) fn take_activated(&mut self, user: UserId) -> Option<(Joining, Option<PlayerRow>)> {
        let mut joining = self.take(user)?;
        let row = match std::mem::replace(&mut joining.stage, Stage::Reading) {
            Stage::Activated(row) => Some(*row),
            Stage::Reading | Stage::Activating => None,
        };
        Some((joining, row))
    }

    /// Has the holdings of a join read once more; whether there is one.
    pub(super) fn refresh_again(&mut self, user: UserId) -> bool {
        let joining = self.by_user.get_mut(&user);
        joining.map(|joining| joining.refresh = true).is_some()
    }

    /// The client of this session is gone; whether its user is joining at all.
    pub(super) fn leave(&mut self, user: UserId, session: SessionIdentity) -> bool {
        let joining = self.by_user.get_mut(&user);
        joining
            .map(|joining| joining.left |= joining.join.identity() == session)
            .is_some()
    }

    /// Clients that came by this lane are gone with it.
    pub(super) fn lane_gone(&mut self, lane: LiveLane) {
        for joining in self.by_user.values_mut() {
            joining.left |= joining.lane == lane;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_user.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::tests::scene::{OTHER_PROXY, PROXY, join};
    use protocol::ids::{CommandNumber, EventNumber};

    const USER: UserId = UserId(5);

    fn joins() -> Joins {
        let mut joins = Joins::default();
        joins.begin(Joining::new(PROXY, join(5, 2, 3), Spawn::default(), 1_000));
        joins
    }

    #[test]
    fn a_repeated_join_forgets_nothing_that_was_acknowledged_while_it_was_on_its_way() {
        let mut joins = Joins::default();
        let again = VerifiedJoin {
            acked_command: CommandNumber(4),
            ..join(5, 2, 3)
        };
        joins.begin(Joining::new(PROXY, again, Spawn::default(), 1_000));
        let late = VerifiedJoin {
            acked_command: CommandNumber(1),
            acked_event: EventNumber(7),
            ..join(5, 2, 3)
        };
        assert_eq!(joins.come_again(PROXY, late), Ok(None));
        let known = |joins: &Joins| {
            let join = &joins.get(USER).unwrap().join;
            (join.acked_command.0, join.acked_event.0)
        };
        assert_eq!(known(&joins), (4, 7));
        // The numbers of another login are other numbers.
        assert!(joins.come_again(PROXY, join(5, 3, 1)).is_ok());
        assert_eq!(known(&joins), (0, 0));
    }

    #[test]
    fn of_two_joins_the_newer_one_stays_in_whatever_order_they_come() {
        let mut joins = joins();
        let [older, newer] = [join(5, 2, 2), join(5, 2, 4)];
        assert_eq!(joins.come_again(PROXY, older.clone()), Ok(Some((PROXY, older))));
        let other = join(6, 1, 1);
        assert_eq!(joins.come_again(PROXY, other.clone()), Err(other));
        // Another proxy says so: the first one has to hear that it is over.
        let before = (PROXY, join(5, 2, 3));
        assert_eq!(joins.come_again(OTHER_PROXY, newer.clone()), Ok(Some(before)));
        assert_eq!(joins.get(USER).unwrap().join, newer);
        // The same as before is no news from anybody else, and a repetition from its own proxy.
        let again = (PROXY, newer.clone());
        assert_eq!(joins.come_again(PROXY, newer.clone()), Ok(Some(again)));
        assert_eq!(joins.come_again(OTHER_PROXY, newer), Ok(None));
    }

    #[test]
    fn who_begins_again_without_a_connection_is_joined_by_its_own_session() {
        let mut joins = Joins::default();
        let again = Joining::new(LiveLane::default(), join(5, 2, 3), Spawn::default(), 1_000);
        joins.begin(again);
        assert_eq!(
            joins.come_again(PROXY, join(5, 2, 3)),
            Ok(None),
            "nobody is to be refused"
        );
        assert_eq!(joins.get(USER).map(|joining| joining.lane), Some(PROXY));
        let older = join(5, 2, 2);
        assert_eq!(joins.come_again(PROXY, older.clone()), Ok(Some((PROXY, older))));
    }

    #[test]
    fn a_join_is_activating_until_the_store_has_answered_and_not_for_ever() {
        let mut joins = joins();
        joins.activate(USER, true);
        assert!(joins.is_activating(USER));
        assert_eq!(joins.answered(USER, 2_000), Waiting::Still { activating: true });
        assert!(!joins.is_activating(USER) && joins.get(USER).unwrap().after_crash);
        assert_eq!(
            joins.answered(USER, 1_000 + JOIN_MS_MAX),
            Waiting::Still { activating: false }
        );
        assert_eq!(joins.answered(USER, 1_001 + JOIN_MS_MAX), Waiting::TooLong);
        assert!(joins.take_activated(USER).is_some_and(|(_, row)| row.is_none()));
        assert_eq!(joins.answered(USER, 2_000), Waiting::Nobody);
    }

    #[test]
    fn who_leaves_while_it_joins_has_left_but_only_its_own_session() {
        let mut joins = joins();
        assert!(joins.leave(USER, join(5, 2, 2).identity()));
        joins.lane_gone(OTHER_PROXY);
        assert!(!joins.get(USER).unwrap().left);
        assert!(joins.leave(USER, join(5, 2, 3).identity()));
        assert!(joins.get(USER).unwrap().left);
        joins.come_again(PROXY, join(5, 2, 4)).unwrap();
        assert!(!joins.get(USER).unwrap().left, "it is back");
        joins.lane_gone(PROXY);
        assert!(joins.get(USER).unwrap().left);
        assert!(!joins.leave(UserId(6), join(6, 1, 1).identity()));
    }
}
