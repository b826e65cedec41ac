//! The rows in the store, each time one is written: epochs and versions only grow, only the owner writes, and every
//! command is in the chain once and in order.

use std::collections::BTreeSet;

use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, UserId};
use store::holding::minted_by;
use store::reply::HoldingCount;
use store::request::DurableCommit;
use store::simulated::Tables;
use store::{CommitOutcome, Holder, Holding, HoldingChange, PlayerRow, Serving, StoreRequest};

use super::chain::{Missing, follows};
use super::{Checks, Issued};

impl Checks {
    /// The rows are `tables`' own, after this request.
    pub(crate) fn rows(&mut self, tables: &Tables, request: &StoreRequest) {
        for row in tables.players() {
            let Some(before) = self.rows.get(&row.user) else {
                self.rows.insert(row.user, row.clone());
                continue;
            };
            if before == row {
                continue;
            }
            if let Some(what) = self.row_is_wrong(before, row, request, tables) {
                let text = format!("{what}\n  before: {before:?}\n  after:  {row:?}\n  by: {request:?}");
                self.fail(text);
            }
            self.rows.insert(row.user, row.clone());
        }
    }

    fn row_is_wrong(
        &self,
        before: &PlayerRow,
        after: &PlayerRow,
        request: &StoreRequest,
        tables: &Tables,
    ) -> Option<&'static str> {
        let user = after.user;
        if after.owner_epoch < before.owner_epoch {
            return Some("H1: an owner epoch went back");
        }
        if after.version < before.version {
            return Some("H1: a version went back");
        }
        if after.entity != before.entity {
            return Some("H4: a player got another entity");
        }
        if after.body.binding.order() < before.body.binding.order() {
            return Some("H1: an older session replaced a newer one");
        }
        let is_owners = |(owner, epoch): (NodeNumber, OwnerEpoch)| {
            before.owner == Some(owner) && before.owner_epoch == epoch
        };
        if writer(request, user).is_some_and(|writer| !is_owners(writer)) {
            return Some("H1: somebody who is not the owner has written");
        }
        let comes_back = before.owner.is_none() && after.owner.is_some();
        if comes_back && tables.session(user) != Some(after.body.binding.session_generation) {
            return Some("H1: a login that is over has brought a player back");
        }
        let now = tables.service(before.region);
        if writer(request, user).is_some_and(|(writer, _)| now.map(|now| now.node) != Some(writer)) {
            return Some("H4: a server that was taken over has written after the next one had read");
        }
        if service(request).is_some_and(|service| now != Some(service)) {
            return Some("H4: a durable write under a service that is over");
        }
        let missing = if self.losses(user) > 0 {
            Missing::Soft
        } else {
            Missing::Nothing
        };
        let none: &[Issued] = &[];
        let issued = |generation| {
            self.login(user, generation)
                .map_or(none, |login| login.issued.as_slice())
        };
        if !follows(before, after, issued, missing) {
            return Some("H2: the chain of applied commands is not what was issued, once and in order");
        }
        None
    }

    /// After a commit: of each kind there is what was made and not destroyed.
    pub(crate) fn sums(&mut self, counts: &[HoldingCount]) {
        if let Some(wrong) = counts.iter().find(|count| !count.adds_up()) {
            self.fail(format!(
                "H4: what is there is not what was made and not destroyed: {wrong:?}"
            ));
        }
    }

    /// What a commit has taken somebody had, also where the same commit has laid it down again. Whose commit is refused begins
    /// again.
    pub(crate) fn committed(&mut self, commits: &[DurableCommit], outcomes: &[CommitOutcome]) {
        let is_undone = |outcome: &CommitOutcome| {
            !matches!(outcome, CommitOutcome::Applied | CommitOutcome::FencedByEpoch)
        };
        for (commit, _) in commits
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| is_undone(outcome))
        {
            self.memory_lost(commit.save.user);
        }
        let applied = commits.iter().zip(outcomes);
        for (commit, _) in applied.filter(|(_, outcome)| **outcome == CommitOutcome::Applied) {
            let taken = commit.changes.iter().filter_map(|change| match change {
                HoldingChange::Take { holding, .. } => Some((commit.save.user, *holding)),
                _ => None,
            });
            self.held.extend(taken);
        }
    }

    /// A region has got its first holdings, now or earlier.
    pub(crate) fn seeded(&mut self, region: RegionNumber, holdings: &[Holding]) {
        let ids = holdings.iter().map(|holding| holding.id);
        self.holdings.entry(region).or_insert_with(|| ids.collect());
    }

    /// After a commit: those with which the world began are all there, each once.
    pub(crate) fn holdings(&mut self, holdings: &[Holding]) {
        let made: BTreeSet<u64> = self.holdings.values().flatten().copied().collect();
        let first = holdings.iter().map(|holding| holding.id);
        let there: BTreeSet<u64> = first.filter(|id| minted_by(*id).is_none()).collect();
        let ids: BTreeSet<u64> = holdings.iter().map(|holding| holding.id).collect();
        if made != there || ids.len() != holdings.len() {
            let strange: Vec<_> = made.symmetric_difference(&there).collect();
            self.fail(format!(
                "H4: {} holdings were made, {} are there; the difference is {strange:?}",
                made.len(),
                holdings.len()
            ));
        }
        let held = holdings.iter().filter_map(|holding| match holding.holder {
            Holder::User(user) => Some((user, holding.id)),
            Holder::Ground { .. } | Holder::Trade(_) => None,
        });
        self.held.extend(held);
    }
}

/// Under which service a request writes durably.
fn service(request: &StoreRequest) -> Option<Serving> {
    match request {
        StoreRequest::CommitDurable { serving, .. }
        | StoreRequest::Release { serving, .. }
        | StoreRequest::RebindSession { serving, .. }
        | StoreRequest::PassPlayers { from: serving, .. } => Some(*serving),
        _ => None,
    }
}

/// Who writes to the user's row by this request, and at which epoch; `None` for changes of ownership by CAS.
fn writer(request: &StoreRequest, user: UserId) -> Option<(NodeNumber, OwnerEpoch)> {
    match request {
        StoreRequest::SavePlayers { owner, saves } => {
            let save = saves.iter().find(|save| save.user == user)?;
            Some((*owner, save.owner_epoch))
        }
        StoreRequest::CommitDurable { serving, commits } => {
            let commit = commits.iter().find(|commit| commit.save.user == user)?;
            Some((serving.node, commit.save.owner_epoch))
        }
        StoreRequest::Release { serving, save } | StoreRequest::RebindSession { serving, save } => {
            (save.user == user).then_some((serving.node, save.owner_epoch))
        }
        StoreRequest::PassPlayers { from, passengers, .. } => {
            let save = passengers.iter().find(|save| save.user == user)?;
            Some((from.node, save.owner_epoch))
        }
        _ => None,
    }
}
