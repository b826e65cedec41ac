//! What the store has still to hear of one player: soft state that has changed, durable commands that were applied, and
//! the one write that is under way. Each capture has a higher version, so no order of arrival can turn time back.

use protocol::ids::{RegionNumber, StateVersion, UserId};
use store::limits::HOLDING_CHANGES_MAX;
use store::request::DurableCommit;
use store::{Holding, HoldingChange, PlayerSave};

/// Rows that the changes of one commit may change.
const ROWS_MAX: usize = 2 * HOLDING_CHANGES_MAX;

/// The one write of a player that is under way.
#[derive(Clone, Debug)]
enum Write {
    /// Soft state.
    Save,
    /// Durable commands, kept to be repeated.
    Commit(Box<Commit>),
    /// Logout.
    Release,
}

/// A durable commit, and where those stood who are given something by it.
#[derive(Clone, Debug)]
struct Commit {
    request: DurableCommit,
    receivers: Vec<(UserId, Option<RegionNumber>)>,
    laid: Vec<Holding>,
}

/// What is to be done once a commit is durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::region) struct Done {
    /// Whose holdings it has changed, and where each was seen.
    pub(in crate::region) receivers: Vec<(UserId, Option<RegionNumber>)>,
    /// What lies in this region now.
    pub(in crate::region) laid: Vec<Holding>,
    /// What it has changed.
    pub(in crate::region) changes: Vec<HoldingChange>,
}

/// The writes of one player.
#[derive(Clone, Debug)]
pub(in crate::region) struct Writes {
    /// Of the last capture.
    version: StateVersion,
    /// Since when soft state has changed that no capture has, milliseconds.
    marked_ms: Option<u64>,
    /// Something durable was done since the last capture.
    owes_commit: bool,
    /// Changes of holdings since the last capture.
    changes: Vec<HoldingChange>,
    /// Those who are given something by these changes.
    receivers: Vec<(UserId, Option<RegionNumber>)>,
    /// What these changes lay down.
    laid: Vec<Holding>,
    under_way: Option<Write>,
    /// No write that failed is tried again before, milliseconds.
    again_ms: Option<u64>,
    /// Grows when a commit begins and when it is done.
    commit_steps: u64,
}

impl Writes {
    /// Of a player whose row is this version.
    pub(super) fn new(version: StateVersion) -> Self {
        Self {
            version,
            marked_ms: None,
            owes_commit: false,
            changes: Vec::new(),
            receivers: Vec::new(),
            laid: Vec::new(),
            under_way: None,
            again_ms: None,
            commit_steps: 0,
        }
    }

    pub(in crate::region) fn version(&self) -> StateVersion {
        self.version
    }

    /// The row is this version, at least.
    pub(in crate::region) fn rise(&mut self, version: StateVersion) {
        self.version = self.version.max(version);
    }

    /// Soft state has changed.
    pub(in crate::region) fn mark(&mut self, now_ms: u64) {
        self.marked_ms.get_or_insert(now_ms);
    }

    /// Something was done that has to be committed before anybody is told.
    pub(in crate::region) fn owe_commit(&mut self) {
        self.owes_commit = true;
    }

    /// Whether one commit takes another change of holdings.
    pub(in crate::region) fn has_room(&self) -> bool {
        self.changes.len() < HOLDING_CHANGES_MAX && self.rows() < ROWS_MAX
    }

    /// Whether one commit takes this change as well.
    pub(in crate::region) fn has_room_for(&self, change: &HoldingChange) -> bool {
        self.has_room() && self.rows() + change.rows() <= ROWS_MAX
    }

    fn rows(&self) -> usize {
        self.changes.iter().map(HoldingChange::rows).sum()
    }

    pub(in crate::region) fn change(&mut self, change: HoldingChange) {
        self.changes.push(change);
    }

    /// Somebody's holdings change with the next commit. `seen_in`: the region beyond the border in which that one was seen.
    pub(in crate::region) fn tell_after(&mut self, user: UserId, seen_in: Option<RegionNumber>) {
        self.receivers.push((user, seen_in));
    }

    /// Lies in this region with the next commit.
    pub(in crate::region) fn show_after(&mut self, holding: Holding) {
        self.laid.push(holding);
    }

    /// Whether a commit that is not answered, or not made yet, takes the holding from the player.
    pub(in crate::region) fn takes_away(&self, id: u64) -> bool {
        self.unwritten().any(|change| match change {
            HoldingChange::Give { holding, .. }
            | HoldingChange::Drop { holding, .. }
            | HoldingChange::Burn { holding } => *holding == id,
            HoldingChange::Offer(offer) => offer.gives.contains(&id),
            _ => false,
        })
    }

    /// Whether such a commit brings it to the player.
    pub(in crate::region) fn brings(&self, id: u64) -> bool {
        self.unwritten().any(|change| match change {
            HoldingChange::Take { holding, .. } | HoldingChange::Mint { holding, .. } => *holding == id,
            _ => false,
        })
    }

    /// What such a commit takes from the ground.
    pub(in crate::region) fn takes(&self) -> impl Iterator<Item = u64> {
        self.unwritten().filter_map(|change| match change {
            HoldingChange::Take { holding, .. } => Some(*holding),
            _ => None,
        })
    }

    /// Changes of a commit that is not answered, and those that wait for the next.
    pub(in crate::region) fn unwritten(&self) -> impl Iterator<Item = &HoldingChange> {
        let written = self.commit().map_or(&[][..], |commit| &commit.changes);
        written.iter().chain(&self.changes)
    }

    /// Whether nothing is, or has to be, on its way to the store but soft state.
    pub(in crate::region) fn is_settled(&self) -> bool {
        self.under_way.is_none() && !self.owes_commit
    }

    /// Whether memory has anything that the store has not.
    pub(in crate::region) fn is_unsaved(&self) -> bool {
        self.marked_ms.is_some() || !self.is_settled()
    }

    /// Whether a round that began then saves the player.
    pub(in crate::region) fn is_due(&self, since_ms: u64) -> bool {
        self.is_settled() && self.marked_ms.is_some_and(|marked_ms| marked_ms <= since_ms)
    }

    /// Whether a commit is to be made now.
    pub(in crate::region) fn is_commit_due(&self) -> bool {
        self.owes_commit && self.under_way.is_none()
    }

    /// Everything so far is captured, as this version.
    pub(super) fn capture(&mut self) -> StateVersion {
        self.version = StateVersion(self.version.0.saturating_add(1));
        self.marked_ms = None;
        self.version
    }

    pub(in crate::region) fn begin_save(&mut self) {
        self.under_way = Some(Write::Save);
    }

    pub(in crate::region) fn begin_release(&mut self) {
        self.under_way = Some(Write::Release);
    }

    /// The commit of everything so far.
    pub(super) fn begin_commit(&mut self, save: PlayerSave) -> DurableCommit {
        self.commit_steps += 1;
        self.owes_commit = false;
        let request = DurableCommit {
            save,
            changes: std::mem::take(&mut self.changes),
        };
        let receivers = std::mem::take(&mut self.receivers);
        let commit = Commit {
            request: request.clone(),
            receivers,
            laid: std::mem::take(&mut self.laid),
        };
        self.under_way = Some(Write::Commit(Box::new(commit)));
        request
    }

    /// The commit that is not answered.
    pub(in crate::region) fn commit(&self) -> Option<&DurableCommit> {
        match &self.under_way {
            Some(Write::Commit(commit)) => Some(&commit.request),
            _ => None,
        }
    }

    /// The commit is done. `None`: there was none.
    pub(super) fn finish_commit(&mut self) -> Option<Done> {
        let Some(Write::Commit(commit)) = self.under_way.take() else {
            return None;
        };
        self.commit_steps += 1;
        self.again_ms = None;
        Some(Done {
            receivers: commit.receivers,
            laid: commit.laid,
            changes: commit.request.changes,
        })
    }

    /// A save or a logout has an answer.
    pub(in crate::region) fn end(&mut self) {
        self.under_way = None;
    }

    /// What failed may be tried again then.
    pub(in crate::region) fn try_again_at(&mut self, at_ms: u64) {
        self.again_ms = Some(at_ms);
    }

    pub(in crate::region) fn may_try(&self, now_ms: u64) -> bool {
        self.again_ms.is_none_or(|at_ms| at_ms <= now_ms)
    }

    /// Differs before and after any part of a commit: an answer read in between is of neither.
    pub(in crate::region) fn commit_steps(&self) -> u64 {
        self.commit_steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::OwnerEpoch;
    use store::PlayerBody;

    fn save(version: StateVersion) -> PlayerSave {
        PlayerSave {
            user: UserId(5),
            owner_epoch: OwnerEpoch(1),
            version,
            body: PlayerBody::default(),
        }
    }

    fn give(writes: &mut Writes, holding: u64, to: UserId, seen_in: Option<RegionNumber>) {
        writes.change(HoldingChange::Give { holding, to });
        writes.tell_after(to, seen_in);
    }

    fn begin_commit(writes: &mut Writes) -> DurableCommit {
        let version = writes.capture();
        writes.begin_commit(save(version))
    }

    #[test]
    fn one_write_at_a_time_and_each_with_a_higher_version() {
        let mut writes = Writes::new(StateVersion(7));
        assert!(!writes.is_unsaved());
        writes.mark(1_000);
        writes.mark(2_000);
        assert!(writes.is_unsaved() && writes.is_due(1_000) && !writes.is_due(999));
        assert_eq!(writes.capture(), StateVersion(8));
        writes.begin_save();
        writes.mark(3_000);
        writes.owe_commit();
        assert!(
            !writes.is_due(3_000) && !writes.is_commit_due(),
            "a save is under way"
        );
        writes.end();
        assert!(
            !writes.is_due(3_000) && writes.is_commit_due(),
            "a commit goes first"
        );
        assert_eq!(begin_commit(&mut writes).save.version, StateVersion(9));
        assert!(
            writes.finish_commit().is_some() && !writes.is_unsaved(),
            "it has all of that"
        );
        writes.rise(StateVersion(4));
        assert_eq!(writes.version(), StateVersion(9));
        writes.rise(StateVersion(12));
        assert_eq!(writes.capture(), StateVersion(13));
    }

    #[test]
    fn a_commit_has_what_was_changed_before_it_and_is_kept_until_it_is_done() {
        let mut writes = Writes::new(StateVersion(0));
        let (ann, ben, east) = (UserId(1), UserId(2), RegionNumber(2));
        give(&mut writes, 10, ann, Some(east));
        give(&mut writes, 11, ben, None);
        let steps = writes.commit_steps();
        let commit = begin_commit(&mut writes);
        assert_eq!((commit.changes.len(), writes.commit()), (2, Some(&commit)));
        give(&mut writes, 12, ann, None);
        assert!([10, 11, 12].into_iter().all(|id| writes.takes_away(id)) && !writes.takes_away(13));
        assert_ne!(writes.commit_steps(), steps);
        let steps = writes.commit_steps();
        let done = writes.finish_commit().unwrap();
        assert_eq!(done.receivers, [(ann, Some(east)), (ben, None)]);
        assert_eq!(done.changes, commit.changes);
        assert!(writes.commit_steps() != steps && !writes.takes_away(10) && writes.takes_away(12));
        assert_eq!(writes.finish_commit(), None);
        assert_eq!(begin_commit(&mut writes).changes.len(), 1);
    }

    #[test]
    fn a_commit_takes_only_so_many_changes() {
        let mut writes = Writes::new(StateVersion(0));
        for holding in 0..HOLDING_CHANGES_MAX as u64 {
            assert!(writes.has_room());
            let region = RegionNumber(1);
            writes.change(HoldingChange::Take { holding, region });
        }
        assert!(!writes.has_room());
        begin_commit(&mut writes);
        assert!(writes.has_room());
    }
}
