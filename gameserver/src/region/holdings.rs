//! What players hold and what lies here, when somebody else has changed it: the store is read again, what is new is shown
//! and told, and whoever simulates the one who got it is to read as well.

use std::collections::BTreeSet;

use protocol::ids::{OwnerEpoch, RegionNumber, UserId};
use protocol::message::effect::Refresh;
use store::{Holding, HoldingChange, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::player::{Kept, Phase, Player};
use super::state::{Notice, RegionState};

/// Holdings of players near a border are read again this often, seconds.
const RIM_REFRESH_S: u64 = 4;

impl RegionState {
    /// Holdings of a user changed in the store: the user's owner is to read them again. `known`: under which epoch the user
    /// was handed to this region, as far as who says so knows. Two regions between which the user went to and fro may each
    /// remember the other, so where it went before that epoch is not where to look for it. Where it was seen may be older news
    /// than where it went, or newer by more borders than one, and whoever it went to may have died since: both are told.
    pub(super) fn tell_receiver(&mut self, user: UserId, known: OwnerEpoch, seen_in: Option<RegionNumber>) {
        if self.players.contains_key(&user) {
            return self.refresh(user);
        }
        if self.joins.refresh_again(user) {
            return;
        }
        // It may be waited for in vain: whoever has it is told all the same.
        self.arrivals.refresh_again(user);
        let passed = self.forwardings.get(user).filter(|at| at.owner_epoch > known);
        let passed = passed.map(|at| (at.region, at.node, at.owner_epoch));
        // The region may have gone to another server since, with the user.
        let gone_on = passed.and_then(|(region, node, owner_epoch)| {
            let serving = self.neighbourhood.serving(region)?;
            (serving.node != node).then_some((region, serving.node, owner_epoch))
        });
        let serving = seen_in.and_then(|region| self.neighbourhood.serving(region));
        let seen = serving.map(|serving| (serving.region, serving.node, known));
        let seen = seen.filter(|seen| passed.is_none_or(|passed| passed.0 != seen.0));
        for (region, node, owner_epoch) in passed.into_iter().chain(gone_on).chain(seen) {
            let refresh = Refresh {
                from_region: self.config.number.0,
                to_region: region.0,
                user: user.0,
                owner_epoch: owner_epoch.0,
            };
            self.tell_server(node, refresh);
        }
    }

    /// A `Refresh` may be lost on its way over a border, so players there are looked after every few seconds, each in
    /// its own tick, and wherever they are those of whom something is offered, since who accepts may be anywhere by then.
    pub(super) fn refresh_at_rim(&mut self) {
        let period = u64::from(self.config.topology.world().tick_hz.max(1)) * RIM_REFRESH_S;
        let turn = self.tick.0 % period;
        let may_have_news = |player: &Player| player.was_at_rim || player.offer_due_ms.is_some();
        let due = |player: &&mut Player| may_have_news(player) && player.user.0 % period == turn;
        let mut users = Vec::new();
        for player in self.players.values_mut().filter(due) {
            player.was_at_rim = false;
            users.push(player.user);
        }
        for user in users {
            self.refresh(user);
        }
    }

    pub(super) fn refresh(&mut self, user: UserId) {
        self.reads += 1;
        let (read, mut steps) = (self.reads, 0);
        if let Some(player) = self.players.get_mut(&user) {
            player.newest_read = read;
            steps = player.writes.commit_steps();
        }
        let asked = Asked::Refresh(user, steps, read);
        self.ask(asked, StoreRequest::HoldingsOf { user });
    }

    /// Somebody changed what a player holds: what is new is shown and told, what is gone goes.
    pub(super) fn refresh_answer(
        &mut self,
        user: UserId,
        steps: u64,
        read: u64,
        answer: Result<StoreReply, StoreError>,
    ) {
        // Another one was asked since: what it says may be newer, and this one would take away what that one has brought.
        let player = self.players.get_mut(&user);
        let Some(player) = player.filter(|player| player.newest_read == read) else {
            return;
        };
        let Ok(StoreReply::Belongings(has)) = answer else {
            let asked = Asked::Refresh(user, player.writes.commit_steps(), read);
            return self.ask_later(asked, StoreRequest::HoldingsOf { user });
        };
        if player.writes.commit_steps() != steps {
            // Read before a commit that has changed the holdings since: what was given away would come back.
            return self.refresh(user);
        }
        if matches!(player.phase, Phase::Frozen(_)) {
            // Whoever simulates the player next reads its holdings anyway.
            return;
        }
        player.await_offers(has.offer_ends_ms, self.now.mono_ms);
        let holdings = has.holdings;
        let gone: Vec<u64> = player
            .holdings
            .iter()
            .copied()
            .filter(|id| !holdings.iter().any(|holding| holding.id == *id) && !player.writes.brings(*id))
            .collect();
        for holding in holdings {
            if player.events.is_full() {
                // Nothing is shown that cannot be told: once more, when the client has listened.
                player.was_at_rim = true;
                return;
            }
            // Given away here, and the commit that says so still under way: memory is ahead of the store.
            if player.writes.takes_away(holding.id) {
                continue;
            }
            if player.holdings.insert(holding.id, Kept::of(&holding)) {
                self.notices.push_back(Notice::Received(user, holding.id));
            }
        }
        for holding in gone {
            player.holdings.remove(holding);
            self.notices.push_back(Notice::Lost(user, holding));
        }
    }

    /// What the player's commands took from the ground may still lie there, and what they laid there as well.
    pub(super) fn look_again(&mut self, user: UserId) {
        let takes = |change: &HoldingChange| {
            matches!(change, HoldingChange::Take { .. } | HoldingChange::Drop { .. })
        };
        // With the commit all goes that waits behind it.
        let player = self.players.get(&user);
        if player.is_some_and(|player| player.writes.unwritten().any(takes)) {
            self.read_ground();
        }
    }

    pub(super) fn read_ground(&mut self) {
        let region = self.config.number;
        self.ground.ask(self.now.mono_ms);
        self.ask(Asked::Ground, StoreRequest::HoldingsOnGround { region });
    }

    /// What lies in this region, from the store.
    pub(super) fn ground_answer(&mut self, answer: Result<StoreReply, StoreError>) {
        let region = self.config.number;
        let Ok(StoreReply::Holdings(holdings)) = answer else {
            return self.ask_later(Asked::Ground, StoreRequest::HoldingsOnGround { region });
        };
        let read = self.ground.read(self.not_taken(holdings));
        for entity in read.phantoms {
            game::Ctx::despawn(self, entity);
        }
        self.notices.extend(read.fallen.into_iter().map(Notice::LiesHere));
    }

    /// What is taken or destroyed by a write that has no answer yet is not put back: if it is refused, the ground is read again.
    pub(super) fn not_taken(&self, mut holdings: Vec<Holding>) -> Vec<Holding> {
        let players = self.players.values();
        let taken: BTreeSet<u64> = players.flat_map(|player| player.writes.takes()).collect();
        holdings.retain(|holding| !self.ground_writes.sweeps(holding.id) && !taken.contains(&holding.id));
        holdings
    }

    /// Holdings lie here now that nobody had heard of.
    pub(super) fn fallen(&mut self, holdings: Vec<Holding>) {
        let news = self.ground.fall(holdings);
        self.notices.extend(news.into_iter().map(Notice::LiesHere));
    }
}
