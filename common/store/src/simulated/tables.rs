//! The store's rules on ordered maps: the same answers as a database gives, exact and without waiting.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use protocol::ids::{
    AttemptId, CommandNumber, InputNumber, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber,
    TopologyVersion, UserId,
};

use super::account_rows::Accounts;
use super::creatures::Creatures;
use super::game_states::GameStates;
use super::leases::Leases;
use super::valuables::{By, Valuables};
use crate::holding::Belongings;
use crate::limits::GUEST_USER_FIRST;
use crate::reply::{SaveOutcome, StoreReply};
use crate::request::{DurableCommit, StoreRequest};
use crate::row::{Binding, GameState, PlayerRow, PlayerSave, Serving};
use crate::{CommitOutcome, Holding, StoreError, StoreResult, rules};

/// Everything a store keeps.
#[derive(Clone, Debug)]
pub struct Tables {
    pub(super) generation: u16,
    pub(super) next_guest: u64,
    pub(super) starts: BTreeMap<NodeNumber, u64>,
    newest_topology: TopologyVersion,
    pub(super) leases: Leases,
    pub(super) regions: BTreeMap<RegionNumber, (NodeNumber, RegionEpoch)>,
    /// The newest start of the node that serves a region when its service began.
    pub(super) since: BTreeMap<RegionNumber, u64>,
    pub(super) sessions: BTreeMap<UserId, Session>,
    pub(super) accounts: Accounts,
    pub(super) players: BTreeMap<UserId, Kept>,
    pub(super) valuables: Valuables,
    pub(super) creatures: Creatures,
    game_states: GameStates,
    pub(super) now_ms: u64,
    pub(super) left_out: Option<Condition>,
}

/// A condition of the store's statements, to be left out on purpose: a simulation has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Saves and commits need not come from the owner at its epoch.
    Owner,
    /// Saves need not be newer than the row.
    Version,
    /// Durable writes need not come from who serves the region now.
    Service,
    /// A takeover leaves the players of the region to whoever owned them.
    Reown,
    /// Writes of creatures need not be newer than those before.
    CreatureVersion,
    /// Whom nobody owns is activated for whatever session: also for tests of what comes after a login, which have none.
    Session,
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) row: PlayerRow,
    pub(super) written_ms: u64,
}

/// A user's session, when it was raised last, and when it ends; never once it was ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    pub(super) generation: u64,
    pub(super) raised_ms: u64,
    pub(super) until_ms: Option<u64>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            generation: 1,
            next_guest: GUEST_USER_FIRST,
            starts: BTreeMap::new(),
            leases: Leases::default(),
            newest_topology: TopologyVersion(0),
            regions: BTreeMap::new(),
            since: BTreeMap::new(),
            sessions: BTreeMap::new(),
            accounts: Accounts::default(),
            players: BTreeMap::new(),
            valuables: Valuables::default(),
            creatures: Creatures::default(),
            game_states: GameStates::default(),
            now_ms: 0,
            left_out: None,
        }
    }
}

impl Tables {
    /// The store's clock, for the age of rows.
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    pub(super) fn leave_out(&mut self, condition: Option<Condition>) {
        self.left_out = condition;
    }

    /// All players by user id, for checks.
    pub fn players(&self) -> impl Iterator<Item = &PlayerRow> {
        self.players.values().map(|kept| &kept.row)
    }

    /// All holdings by id, for checks.
    pub fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.valuables.holdings()
    }

    /// What games keep by its place, for checks: regions by number, the world at 0.
    pub fn game_states(&self) -> impl Iterator<Item = (u32, &GameState)> {
        self.game_states.iter()
    }

    /// Carries out one request, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Invalid`](crate::StoreError::Invalid) and [`StoreError::Exhausted`](crate::StoreError::Exhausted); then nothing was changed.
    pub fn apply(&mut self, request: &StoreRequest) -> StoreResult {
        rules::check(request)?;
        match request {
            StoreRequest::StartNode { node } => self.start_node(*node),
            StoreRequest::Probe => Ok(StoreReply::Probed),
            StoreRequest::StoreGeneration => Ok(StoreReply::StoreGeneration(self.generation)),
            StoreRequest::RaiseStoreGeneration => self.raise_generation(),
            StoreRequest::ServeRegion { region, node, after } => self.serve_region(*region, *node, *after),
            StoreRequest::ReadService { region } => Ok(StoreReply::Service(self.service(*region))),
            StoreRequest::ReadHolder { region } => Ok(StoreReply::Holder(self.holder(*region))),
            StoreRequest::RenewLease { lease } => Ok(self.leases.renew(*lease)),
            StoreRequest::TakeOver { taker, holder } => self.take_over(*taker, holder),
            StoreRequest::GiveRegion { from, to } => self.give_region(*from, *to),
            StoreRequest::NoteTopology { version } => Ok(self.note_topology(*version)),
            StoreRequest::RegionsInUse => Ok(self.regions_in_use()),
            StoreRequest::CloseRegion { serving, ground } => Ok(self.close_region(*serving, ground)),
            StoreRequest::LoadPlayer { user } => Ok(StoreReply::Player(self.row(*user).cloned())),
            StoreRequest::ReadOwner { user } => Ok(self.owner(*user)),
            StoreRequest::InsertPlayer { row } => Ok(self.insert(row)),
            StoreRequest::Activate {
                user,
                serving,
                expected,
                binding,
            } => self.activate(*user, *serving, *expected, *binding),
            StoreRequest::PassPlayers {
                from,
                to,
                attempt,
                passengers,
            } => self.pass(*from, *to, *attempt, passengers),
            StoreRequest::Reclaim {
                user,
                serving,
                expected,
            } => self.reclaim(*user, *serving, *expected),
            StoreRequest::SoftTurn => Ok(StoreReply::SoftTurn),
            StoreRequest::SavePlayers { owner, saves } => Ok(StoreReply::Saved(
                saves.iter().map(|save| self.save(*owner, save)).collect(),
            )),
            StoreRequest::CommitDurable { serving, commits } => Ok(StoreReply::Committed(
                commits
                    .iter()
                    .map(|commit| self.commit(*serving, commit))
                    .collect(),
            )),
            StoreRequest::Release { serving, save } => Ok(self.release(*serving, save)),
            StoreRequest::RebindSession { serving, save } => Ok(self.rebind(*serving, save)),
            StoreRequest::NextGuest
            | StoreRequest::RaiseSession { .. }
            | StoreRequest::ExtendSession { .. }
            | StoreRequest::EndSession { .. }
            | StoreRequest::ReadSession { .. }
            | StoreRequest::ReadChains { .. } => self.apply_to_sessions(request),
            StoreRequest::Account(request) => Ok(StoreReply::Account(self.apply_to_accounts(request))),
            StoreRequest::WriteCreatures { .. } | StoreRequest::ReadCreatures { .. } => {
                self.apply_to_creatures(request)
            }
            // All others are about holdings, guests and what games keep.
            _ => self.apply_to_holdings(request),
        }
    }

    fn apply_to_holdings(&mut self, request: &StoreRequest) -> StoreResult {
        match request {
            StoreRequest::SeedHoldings {
                region,
                seed,
                holdings,
            } => self.valuables.seed(*region, *seed, holdings),
            StoreRequest::HoldingsOnGround { region } => Ok(self.valuables.on_ground(*region)),
            StoreRequest::HoldingsOf { user } => Ok(StoreReply::Belongings(Belongings {
                holdings: self.valuables.held_by(*user),
                offer_ends_ms: self.valuables.offer_ends_ms(*user, self.now_ms),
            })),
            StoreRequest::AllHoldings { after } => Ok(self.valuables.page(*after)),
            StoreRequest::CountHoldings => Ok(self.valuables.counts()),
            StoreRequest::CommitGround {
                serving,
                version,
                changes,
            } => Ok(StoreReply::GroundCommitted(match self.is_serving(*serving) {
                true => self.valuables.change_ground(*serving, *version, changes),
                false => CommitOutcome::FencedByEpoch,
            })),
            StoreRequest::ReadGameState { of, after } => Ok(self.game_states.read(*of, *after)),
            StoreRequest::SaveGameState {
                serving,
                of,
                version,
                state,
            } => Ok(StoreReply::GameStateSaved(match self.is_serving(*serving) {
                true => self.game_states.save(*serving, *of, *version, state),
                false => SaveOutcome::Fenced,
            })),
            StoreRequest::CancelOverdue { user } => {
                let cancelled = self.valuables.cancel_overdue(*user, self.now_ms);
                Ok(StoreReply::TradesCancelled(cancelled))
            }
            StoreRequest::OverdueOffers { since_ms } => {
                let by_ms = self.now_ms.checked_sub(*since_ms);
                Ok(StoreReply::Offerers(self.valuables.overdue(by_ms)))
            }
            StoreRequest::StaleGuests { idle_ms, after } => Ok(self.stale_guests(*idle_ms, *after)),
            StoreRequest::ForgetGuests {
                serving,
                idle_ms,
                guests,
            } => Ok(self.forget_guests(*serving, *idle_ms, guests)),
            StoreRequest::ForgetSessions { idle_ms, after } => Ok(self.forget_sessions(*idle_ms, *after)),
            // `apply` knows the others.
            _ => Err(StoreError::Invalid("a request of another kind")),
        }
    }

    fn note_topology(&mut self, version: TopologyVersion) -> StoreReply {
        self.newest_topology = self.newest_topology.max(version);
        StoreReply::NewestTopology(self.newest_topology)
    }

    fn owner(&self, user: UserId) -> StoreReply {
        StoreReply::Owner(self.row(user).map(PlayerRow::owner_record))
    }

    pub(super) fn row(&self, user: UserId) -> Option<&PlayerRow> {
        self.players.get(&user).map(|kept| &kept.row)
    }

    fn refused(&self, user: UserId) -> StoreReply {
        StoreReply::Refused(self.row(user).cloned().into_iter().collect())
    }

    fn insert(&mut self, row: &PlayerRow) -> StoreReply {
        if let Some(there) = self.row(row.user) {
            return StoreReply::Exists(there.clone());
        }
        let current = self.regions.get(&row.region);
        if current.map(|(node, epoch)| (Some(*node), *epoch)) != Some((row.owner, row.region_epoch)) {
            return StoreReply::NotServing(current.map(|(_, epoch)| *epoch));
        }
        let row = PlayerRow {
            owner_epoch: OwnerEpoch::first(self.generation),
            ..row.clone()
        };
        self.players.insert(
            row.user,
            Kept {
                row: row.clone(),
                written_ms: self.now_ms,
            },
        );
        StoreReply::Inserted(row)
    }

    fn activate(
        &mut self,
        user: UserId,
        serving: Serving,
        expected: OwnerEpoch,
        binding: Binding,
    ) -> StoreResult {
        let epoch = rules::owner_epoch_after(expected, self.generation, 1)?;
        let serves = self.is_serving(serving);
        let applies = |row: &PlayerRow| {
            serves
                && row.owner_epoch == expected
                && (row.region == serving.region || row.owner.is_none())
                && row.body.binding.order() <= binding.order()
        };
        let is_free = |row: &PlayerRow| applies(row) && row.owner.is_none();
        let is_known = self.left_out == Some(Condition::Session)
            || self.session(user) == Some(binding.session_generation);
        if self.row(user).is_some_and(is_free) && !is_known {
            return Ok(StoreReply::SessionOver);
        }
        let reply = self.take(user, serving, epoch, applies, |row| {
            if row.body.binding.session_generation < binding.session_generation {
                row.body.last_input = InputNumber(0);
                row.body.last_command = CommandNumber(0);
            }
            row.body.binding = binding;
        });
        if matches!(reply, StoreReply::Activated(_)) {
            self.valuables.cancel_overdue(user, self.now_ms);
        }
        Ok(reply)
    }

    fn reclaim(&mut self, user: UserId, serving: Serving, expected: OwnerEpoch) -> StoreResult {
        let epoch = rules::owner_epoch_after(expected, self.generation, 2)?;
        let serves = self.is_serving(serving);
        let applies = |row: &PlayerRow| {
            serves
                && row.owner == Some(serving.node)
                && row.region == serving.region
                && row.owner_epoch == expected
        };
        Ok(self.take(user, serving, epoch, applies, |_| ()))
    }

    fn take(
        &mut self,
        user: UserId,
        serving: Serving,
        epoch: OwnerEpoch,
        applies: impl FnOnce(&PlayerRow) -> bool,
        change: impl FnOnce(&mut PlayerRow),
    ) -> StoreReply {
        let now_ms = self.now_ms;
        match self.players.get_mut(&user) {
            Some(kept) if applies(&kept.row) => {
                kept.row.owner = Some(serving.node);
                kept.row.region = serving.region;
                kept.row.region_epoch = serving.region_epoch;
                kept.row.owner_epoch = epoch;
                kept.row.attempt = AttemptId(0);
                change(&mut kept.row);
                kept.written_ms = now_ms;
                StoreReply::Activated(kept.row.clone())
            }
            _ => self.refused(user),
        }
    }

    fn pass(
        &mut self,
        from: Serving,
        to: Serving,
        attempt: AttemptId,
        passengers: &[PlayerSave],
    ) -> StoreResult {
        let epochs = rules::passenger_epochs(passengers, self.generation)?;
        let kept = |save: &PlayerSave| self.players.get(&save.user).cloned();
        let before: Vec<Kept> = passengers.iter().filter_map(kept).collect();
        let mut all = self.is_serving(to);
        let under = self.under(from);
        for (save, epoch) in passengers.iter().zip(epochs) {
            all = all
                && rules::is_of_generation(save.owner_epoch, self.generation)
                && self.write(save, |row| {
                    under(row) && owns(row, from.node, save) && row.version <= save.version
                });
            if let Some(kept) = self.players.get_mut(&save.user).filter(|_| all) {
                kept.row.owner = Some(to.node);
                kept.row.region = to.region;
                kept.row.region_epoch = to.region_epoch;
                kept.row.owner_epoch = epoch;
                kept.row.attempt = attempt;
            }
        }
        if all {
            return Ok(StoreReply::Passed);
        }
        self.players
            .extend(before.into_iter().map(|kept| (kept.row.user, kept)));
        Ok(StoreReply::Refused(
            passengers
                .iter()
                .filter_map(|save| self.row(save.user).cloned())
                .collect(),
        ))
    }

    /// Writes version and body if the row `applies`.
    fn write(&mut self, save: &PlayerSave, applies: impl FnOnce(&PlayerRow) -> bool) -> bool {
        let now_ms = self.now_ms;
        match self.players.get_mut(&save.user) {
            Some(kept) if applies(&kept.row) => {
                kept.row.version = save.version;
                kept.row.body = save.body.clone();
                kept.written_ms = now_ms;
                true
            }
            _ => false,
        }
    }

    fn save(&mut self, owner: NodeNumber, save: &PlayerSave) -> SaveOutcome {
        let left_out = self.left_out;
        if self.write(save, |row| may_write(row, owner, save, left_out)) {
            return SaveOutcome::Applied;
        }
        match self.row(save.user) {
            Some(row) if owns(row, owner, save) => SaveOutcome::Older,
            _ => SaveOutcome::Fenced,
        }
    }

    /// Whether a row stands under a service that is the current one.
    fn under(&self, serving: Serving) -> impl Fn(&PlayerRow) -> bool + use<> {
        let is_left_out = self.left_out == Some(Condition::Service);
        let is_current = self.is_serving(serving);
        move |row| {
            is_left_out
                || is_current && (row.region, row.region_epoch) == (serving.region, serving.region_epoch)
        }
    }

    fn commit(&mut self, serving: Serving, commit: &DurableCommit) -> CommitOutcome {
        let (save, owner) = (&commit.save, serving.node);
        let Some(before) = self.players.get(&save.user).cloned() else {
            return CommitOutcome::FencedByEpoch;
        };
        let (left_out, under) = (self.left_out, self.under(serving));
        if !self.write(save, |row| under(row) && may_write(row, owner, save, left_out)) {
            return match owns(&before.row, owner, save) {
                true if is_repeated(&before.row, save) => CommitOutcome::Applied,
                true if under(&before.row) => CommitOutcome::Older,
                _ => CommitOutcome::FencedByEpoch,
            };
        }
        let by = By {
            node: owner,
            user: save.user,
            ground: Some((before.row.region, before.row.region_epoch))
                .filter(|(region, epoch)| self.regions.get(region) == Some(&(owner, *epoch)))
                .map(|(region, _)| region),
            now_ms: self.now_ms,
        };
        let players = &self.players;
        let has_row = |user| players.contains_key(&user);
        match self.valuables.change(&by, &commit.changes, has_row) {
            Ok(()) => CommitOutcome::Applied,
            Err(outcome) => {
                self.players.insert(save.user, before);
                outcome
            }
        }
    }

    fn release(&mut self, serving: Serving, save: &PlayerSave) -> StoreReply {
        let under = self.under(serving);
        let owned = |row: &PlayerRow| under(row) && owns(row, serving.node, save);
        if !self.write(save, |row| owned(row) && row.version <= save.version) {
            return self.refused(save.user);
        }
        if let Some(kept) = self.players.get_mut(&save.user) {
            kept.row.owner = None;
        }
        StoreReply::Released
    }

    fn rebind(&mut self, serving: Serving, save: &PlayerSave) -> StoreReply {
        let (left_out, under) = (self.left_out, self.under(serving));
        let newer = |row: &PlayerRow| {
            under(row)
                && may_write(row, serving.node, save, left_out)
                && row.body.binding.order() <= save.body.binding.order()
        };
        if self.write(save, newer) {
            StoreReply::Rebound
        } else {
            self.refused(save.user)
        }
    }
}

/// What every durable write but the last asks for: the owner at its epoch, and something newer than the row.
fn may_write(row: &PlayerRow, owner: NodeNumber, save: &PlayerSave, left_out: Option<Condition>) -> bool {
    (left_out == Some(Condition::Owner) || owns(row, owner, save))
        && (left_out == Some(Condition::Version) || row.version < save.version)
}

fn owns(row: &PlayerRow, owner: NodeNumber, save: &PlayerSave) -> bool {
    row.owner == Some(owner) && row.owner_epoch == save.owner_epoch
}

/// The same version with the same commands behind it is the same commit, come twice.
fn is_repeated(row: &PlayerRow, save: &PlayerSave) -> bool {
    row.version == save.version
        && row.body.last_command == save.body.last_command
        && row.body.chain_hash == save.body.chain_hash
}
