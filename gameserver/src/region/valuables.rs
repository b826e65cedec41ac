//! What rules do to holdings: memory first, then one commit for each player and one for the ground. What the store refuses is
//! undone, and the rules hear of it.

use bytes::Bytes;
use game::{CommandKind, HoldingRefused, Place};
use protocol::geometry::Position;
use protocol::ids::{RegionNumber, UserId};
use store::limits::{HOLDING_PAYLOAD_BYTES_MAX, TRADE_HOLDINGS_MAX, TRADE_LASTS_MS_MAX};
use store::{
    CommitOutcome, GroundChange, Holder, Holding, HoldingChange, Offer, StoreError, StoreReply, StoreRequest,
    TradeId,
};

use super::asked::Asked;
use super::player::{Kept, Phase, Player, Wary};
use super::state::{Notice, RegionState};

/// An overdue offer that is not known to be over is looked for again after so long, milliseconds.
const OVERDUE_AGAIN_MS: u64 = 1_000;

impl RegionState {
    /// The player whose holdings may be changed now, if the change fits into its commit.
    fn changing(&mut self, user: UserId, change: &HoldingChange) -> Result<&mut Player, HoldingRefused> {
        match self.commanding {
            Some((by, CommandKind::Durable, _)) if by == user => {}
            Some(_) => return Err(HoldingRefused::NotDurable),
            None => {}
        }
        if self.commanding.is_none() && self.is_to_settle(user) {
            return Err(HoldingRefused::NotNow);
        }
        let now_ms = self.now.mono_ms;
        let player = self.players.get_mut(&user);
        let player = player
            .filter(|player| player.phase == Phase::Active)
            .ok_or(HoldingRefused::NotThere)?;
        if !player.writes.has_room_for(change) {
            return Err(HoldingRefused::TooMany);
        }
        player.writes.mark(now_ms);
        player.writes.owe_commit();
        Ok(player)
    }

    /// Whether the player has to be written down before it goes on, to another region or out of the world. Rules that change
    /// something of it in every tick would keep it from that. Commands come to an end.
    fn is_to_settle(&self, user: UserId) -> bool {
        let is_beyond = |player: &Player| {
            let entity = self.entities.get(player.key);
            entity.is_some_and(|entity| self.rect.distance(entity.at) > self.margin)
        };
        let (grace_ms, now_ms) = (self.config.linkdead_grace_ms, self.now.mono_ms);
        let is_dead = |player: &Player| player.is_dead(grace_ms, now_ms);
        let goes = |player: &Player| player.logout || is_dead(player) || is_beyond(player);
        self.draining || self.players.get(&user).is_some_and(goes)
    }

    fn may_exchange(&self, user: UserId) -> Result<(), HoldingRefused> {
        let number = self.commanding.map(|(_, _, number)| number);
        let is_barred = |player: &Player| {
            let session = player.bound.session_generation;
            player.wary.bars(session, number, self.now.mono_ms)
        };
        match self.players.get(&user).is_some_and(is_barred) {
            true => Err(HoldingRefused::NotNow),
            false => Ok(()),
        }
    }

    pub(super) fn take_up(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused> {
        let region = self.config.number;
        let lying = self.ground.lying(holding).ok_or(HoldingRefused::NotThere)?;
        let thing = Kept {
            kind: lying.holding.kind,
            payload: lying.holding.payload.clone(),
        };
        let change = HoldingChange::Take { holding, region };
        let player = self.changing(user, &change)?;
        if !player.holdings.insert(holding, thing) {
            return Err(HoldingRefused::NotThere);
        }
        player.writes.change(change);
        #[cfg(feature = "fault-injection")]
        if self.holding_stays() {
            return Ok(());
        }
        self.clear_away(holding);
        Ok(())
    }

    /// Nothing lies here under that number any more.
    fn clear_away(&mut self, holding: u64) {
        if let Some(entity) = self.ground.remove(holding).and_then(|lying| lying.entity) {
            game::Ctx::despawn(self, entity);
        }
    }

    pub(super) fn give_away(
        &mut self,
        user: UserId,
        holding: u64,
        to: UserId,
        place: Place,
    ) -> Result<(), HoldingRefused> {
        self.may_exchange(user)?;
        if to == user || !is_stored(to.0) {
            return Err(HoldingRefused::NotThere);
        }
        let change = HoldingChange::Give { holding, to };
        let player = self.changing(user, &change)?;
        player.holdings.remove(holding).ok_or(HoldingRefused::NotThere)?;
        player.writes.change(change);
        player.writes.tell_after(to, seen_in(place));
        Ok(())
    }

    pub(super) fn put_down(
        &mut self,
        user: UserId,
        holding: u64,
        at: Position,
    ) -> Result<(), HoldingRefused> {
        if !self.rect.contains(at) {
            return Err(HoldingRefused::Elsewhere);
        }
        let (region, Position { x, y }) = (self.config.number, at);
        let change = HoldingChange::Drop {
            holding,
            region,
            x,
            y,
        };
        let player = self.changing(user, &change)?;
        let thing = player.holdings.remove(holding).ok_or(HoldingRefused::NotThere)?;
        player.writes.change(change);
        player.writes.show_after(Holding {
            id: holding,
            kind: thing.kind,
            holder: Holder::Ground { region, x, y },
            payload: thing.payload,
        });
        Ok(())
    }

    pub(super) fn make(&mut self, user: UserId, kind: u32, payload: &[u8]) -> Result<u64, HoldingRefused> {
        let payload = checked(payload)?;
        let holding = self.config.numbers.valuable().ok_or(HoldingRefused::NotNow)?;
        let thing = Kept {
            kind,
            payload: payload.clone(),
        };
        let change = HoldingChange::Mint {
            holding,
            kind,
            payload,
        };
        let player = self.changing(user, &change)?;
        player.holdings.insert(holding, thing);
        player.writes.change(change);
        Ok(holding)
    }

    pub(super) fn destroy(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused> {
        let change = HoldingChange::Burn { holding };
        let player = self.changing(user, &change)?;
        player.holdings.remove(holding).ok_or(HoldingRefused::NotThere)?;
        player.writes.change(change);
        Ok(())
    }

    pub(super) fn open_trade(&mut self, user: UserId, offer: game::Offer<'_>) -> Result<u64, HoldingRefused> {
        self.may_exchange(user)?;
        let sides = [offer.gives, offer.wants];
        let fits = sides.iter().all(|side| side.len() <= TRADE_HOLDINGS_MAX);
        if !fits || offer.lasts_ms > TRADE_LASTS_MS_MAX || sides.into_iter().any(has_doubles) {
            return Err(HoldingRefused::Limit);
        }
        let mut named = offer.wants.iter().chain([&offer.to.0]);
        if offer.to == user || !named.all(|id| is_stored(*id)) {
            return Err(HoldingRefused::NotThere);
        }
        let trade = self.config.numbers.valuable().ok_or(HoldingRefused::NotNow)?;
        let change = HoldingChange::Offer(Offer {
            trade: TradeId(trade),
            to: offer.to,
            gives: offer.gives.to_vec(),
            wants: offer.wants.to_vec(),
            lasts_ms: offer.lasts_ms,
        });
        let player = self.changing(user, &change)?;
        if !offer.gives.iter().all(|id| player.holdings.contains(id)) {
            return Err(HoldingRefused::NotThere);
        }
        for holding in offer.gives {
            player.holdings.remove(*holding);
        }
        player.writes.change(change);
        Ok(trade)
    }

    /// Accepts or cancels: what that changes is read when the store has done it.
    pub(super) fn close_trade(
        &mut self,
        user: UserId,
        change: HoldingChange,
        from: UserId,
        place: Place,
    ) -> Result<(), HoldingRefused> {
        self.may_exchange(user)?;
        if let HoldingChange::Accept { trade, from } | HoldingChange::Cancel { trade, from } = &change
            && !(is_stored(trade.0) && is_stored(from.0))
        {
            return Err(HoldingRefused::NotThere);
        }
        let player = self.changing(user, &change)?;
        player.writes.change(change);
        if from != user {
            player.writes.tell_after(from, seen_in(place));
        }
        player.writes.tell_after(user, None);
        Ok(())
    }

    pub(super) fn lay_here(
        &mut self,
        kind: u32,
        payload: &[u8],
        at: Position,
    ) -> Result<u64, HoldingRefused> {
        let payload = checked(payload)?;
        self.may_change_ground()?;
        if !self.rect.contains(at) {
            return Err(HoldingRefused::Elsewhere);
        }
        let holding = self.config.numbers.valuable().ok_or(HoldingRefused::NotNow)?;
        self.ground_writes.push(GroundChange::Mint {
            holding,
            kind,
            payload,
            x: at.x,
            y: at.y,
        });
        Ok(holding)
    }

    /// The ground's commit is another one than the command's: with the command refused and applied again, it would stand twice.
    fn may_change_ground(&self) -> Result<(), HoldingRefused> {
        match self.commanding {
            Some(_) => Err(HoldingRefused::NotDurable),
            None if self.draining => Err(HoldingRefused::NotNow),
            None if !self.ground_writes.has_room() => Err(HoldingRefused::TooMany),
            None => Ok(()),
        }
    }

    pub(super) fn sweep_away(&mut self, holding: u64) -> Result<(), HoldingRefused> {
        self.may_change_ground()?;
        if !self.ground.has(holding) {
            return Err(HoldingRefused::NotThere);
        }
        self.clear_away(holding);
        self.ground_writes.push(GroundChange::Burn { holding });
        Ok(())
    }

    /// Phase: writes what the region has done to its ground, and looks for offers whose time is over.
    pub(super) fn write_ground(&mut self) {
        let serving = self.config.serving();
        if let Some((version, changes)) = self.ground_writes.begin() {
            let request = StoreRequest::CommitGround {
                serving,
                version,
                changes,
            };
            self.ask(Asked::GroundCommit, request);
        }
        if self.ground.is_to_be_asked(self.now.mono_ms) {
            self.read_ground();
        }
        self.cancel_overdue();
    }

    /// Who has a player looks after its offers: so no deadline is lost with a server, or on the way to another one.
    fn cancel_overdue(&mut self) {
        let now_ms = self.now.mono_ms;
        let is_due = |player: &&mut Player| player.offer_due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        let mut users = Vec::new();
        for player in self.players.values_mut().filter(is_due) {
            player.offer_due_ms = Some(now_ms.saturating_add(OVERDUE_AGAIN_MS));
            users.push(player.user);
        }
        for user in users {
            self.ask(Asked::Overdue(user), StoreRequest::CancelOverdue { user });
        }
    }

    pub(super) fn ground_commit_answer(&mut self, answer: &Result<StoreReply, StoreError>) {
        let region = self.config.number;
        match answer {
            Ok(StoreReply::GroundCommitted(CommitOutcome::Applied)) => {
                let changes = self.ground_writes.finish();
                for change in &changes {
                    if let GroundChange::Burn { holding } = change {
                        self.ground.gone(*holding);
                    }
                }
                let fallen = changes.into_iter().filter_map(|change| lying(region, change));
                // The ground was read in between, and somebody has seen it and swept it away.
                let fallen = self.not_taken(fallen.collect());
                self.fallen(fallen);
            }
            Ok(StoreReply::GroundCommitted(CommitOutcome::FencedByEpoch)) => {
                self.ground_writes.finish();
                self.doubt_itself();
            }
            Ok(StoreReply::GroundCommitted(refused)) => {
                self.count("ground_refused");
                match refused {
                    CommitOutcome::HolderMismatch(holding) => self.ground_writes.leave_out(*holding),
                    _ => drop(self.ground_writes.finish()),
                }
                self.read_ground();
            }
            // Asking the same again changes nothing twice.
            _ => {
                let (version, changes) = self.ground_writes.again();
                let request = StoreRequest::CommitGround {
                    serving: self.config.serving(),
                    version,
                    changes,
                };
                self.ask_later(Asked::GroundCommit, request);
            }
        }
    }

    /// Offers of a user were overdue. Whatever the store has said of that, also nothing: what has come back is read, and when the
    /// next one ends. Whoever has the user by now has read both.
    pub(super) fn overdue_answer(&mut self, user: UserId) {
        if self.players.contains_key(&user) {
            self.refresh(user);
        }
    }

    /// What a commit that is durable has shown: what was taken lies here no more, what was put down does, and offers have their time.
    pub(super) fn valuables_committed(
        &mut self,
        user: UserId,
        changes: &[HoldingChange],
        laid: Vec<Holding>,
    ) {
        for change in changes {
            if let HoldingChange::Take { holding, .. } = change {
                self.ground.gone(*holding);
            }
        }
        let lasts_ms = changes.iter().filter_map(|change| match change {
            HoldingChange::Offer(offer) => Some(offer.lasts_ms),
            _ => None,
        });
        let due_ms = lasts_ms
            .min()
            .map(|lasts_ms| self.now.mono_ms.saturating_add(lasts_ms));
        if let Some(player) = self.players.get_mut(&user) {
            player.offer_due_ms = player.offer_due_ms.into_iter().chain(due_ms).min();
        }
        if !laid.is_empty() {
            self.fallen(laid);
        }
    }

    /// Memory and store disagree about a holding, a trade or a version: the row is right.
    pub(super) fn commit_refused(&mut self, user: UserId, refused: CommitOutcome) {
        self.count("commit_refused");
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let mut phantom = None;
        if let Some(commit) = player.writes.commit() {
            phantom = commit.changes.iter().find_map(|change| match (change, refused) {
                (HoldingChange::Take { holding, .. }, CommitOutcome::HolderMismatch(id)) => {
                    (*holding == id).then_some(id)
                }
                _ => None,
            });
            if commit.changes.iter().any(is_exchange) {
                let body = &commit.save.body;
                player.wary = Wary::of(body.binding.session_generation, body.last_command.0);
            }
        }
        if let Some(holding) = phantom {
            self.clear_away(holding);
        }
        self.look_again(user);
        self.restart(user);
        self.notices.push_back(Notice::Undone(user));
    }
}

/// Rests on what others do.
fn is_exchange(change: &HoldingChange) -> bool {
    matches!(
        change,
        HoldingChange::Give { .. }
            | HoldingChange::Offer(_)
            | HoldingChange::Accept { .. }
            | HoldingChange::Cancel { .. }
    )
}

fn seen_in(place: Place) -> Option<RegionNumber> {
    match place {
        Place::Here => None,
        Place::Ghost(region) => Some(region),
    }
}

/// Whether anything in a store may have this number: what a client makes up is refused here, for a store would never answer it.
fn is_stored(id: u64) -> bool {
    i64::try_from(id).is_ok()
}

fn has_doubles(ids: &[u64]) -> bool {
    ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id))
}

fn checked(payload: &[u8]) -> Result<Bytes, HoldingRefused> {
    if payload.len() > HOLDING_PAYLOAD_BYTES_MAX {
        return Err(HoldingRefused::Limit);
    }
    Ok(Bytes::copy_from_slice(payload))
}

/// What a region has made, as the store has it now.
fn lying(region: RegionNumber, change: GroundChange) -> Option<Holding> {
    let GroundChange::Mint {
        holding,
        kind,
        payload,
        x,
        y,
    } = change
    else {
        return None;
    };
    Some(Holding {
        id: holding,
        kind,
        holder: Holder::Ground { region, x, y },
        payload,
    })
}
