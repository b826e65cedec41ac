//! The target's side of a handover (B): what a source announces is looked up in the row, and whom the row names becomes a
//! player of this region.

use faultpoint::faultpoint;
use protocol::Code;
use protocol::cell::RemoveReason;
use protocol::ids::{LiveLane, NodeNumber, OwnerEpoch, UserId};
use protocol::message::checked::{CheckedClaim, CheckedClaims, CheckedPrepare, UserWord};
use protocol::message::handover::{Prepared, Refuse};
use store::{PlayerRow, Serving, StoreError, StoreReply};

use super::super::asked::HoldingsQuestion;
use super::super::effect::RegionEffect;
use super::super::forwardings::Whereabouts;
use super::super::state::RegionState;
use super::arrivals::{Arrived, RowSays, Sender};

impl RegionState {
    pub(in super::super) fn prepare(&mut self, node: NodeNumber, prepare: &CheckedPrepare) {
        let (from, from_epoch) = prepare.from;
        let source = Serving {
            node,
            region: from,
            region_epoch: from_epoch,
        };
        if !self.neighbourhood.may_speak(source, &mut self.out) {
            return;
        }
        let (region, claims) = (self.config.number.0, &prepare.claims);
        if let Some(code) = self.refuses(prepare) {
            let refuse = Refuse {
                from_region: region,
                to_region: from.0,
                attempt: prepare.attempt.0,
                users: claims.iter().map(|claim| claim.user.0).collect(),
                code: u32::from(code.number()),
            };
            return self.tell_server(node, refuse);
        }
        let sender = |claim: &CheckedClaim| Sender {
            node,
            region: from,
            attempt: prepare.attempt,
            version: claim.version,
        };
        let is_news = |claim: &CheckedClaim| {
            let here = self.players.get(&claim.user);
            here.is_none_or(|player| player.epoch < claim.owner_epoch)
                && self
                    .arrivals
                    .is_news(claim.user, claim.owner_epoch, sender(claim))
        };
        if !claims.iter().all(is_news) {
            faultpoint!(PrepareStale);
            return self.count("prepare_stale");
        }
        for (claim, cell) in claims.iter().zip(&prepare.home_cells) {
            let (user, epoch) = (claim.user, claim.owner_epoch);
            self.arrivals
                .prepare(user, epoch, sender(claim), self.now.mono_ms);
            self.arrivals.keep_place(user, self.cells.local(*cell));
            // Between regions of one server the source has the player until it commits.
            if node != self.config.node {
                self.out.push(RegionEffect::PlayerExpected(user));
            }
        }
        let prepared = Prepared {
            from_region: region,
            to_region: from.0,
            attempt: prepare.attempt.0,
            claims: claims.iter().copied().map(Into::into).collect(),
        };
        self.tell_server(node, prepared);
    }

    fn refuses(&self, prepare: &CheckedPrepare) -> Option<Code> {
        if prepare.to_epoch != self.config.epoch {
            faultpoint!(PrepareToFormerService);
            Some(Code::StaleEpoch)
        } else if self.draining || self.arrivals.is_full() {
            faultpoint!(PrepareWhileDraining);
            Some(Code::Busy)
        } else if self
            .config
            .edition
            .reads(&prepare.edition.0, prepare.edition.1)
            .is_err()
        {
            Some(Code::Version)
        } else if !self.has_places(prepare) {
            Some(Code::Full)
        } else {
            None
        }
    }

    /// Whether there is a place for each of a group in the cell that it comes to.
    fn has_places(&self, prepare: &CheckedPrepare) -> bool {
        let cells = &prepare.home_cells;
        cells.iter().all(|cell| {
            let comers = prepare.claims.iter().zip(cells).filter(|(_, to)| *to == cell);
            let comers: Vec<UserId> = comers.map(|(claim, _)| claim.user).collect();
            let local = self.cells.local(*cell);
            local.is_none_or(|local| self.has_room(local, &comers, 0))
        })
    }

    /// The source says that the row names this region: look.
    pub(in super::super) fn commit(&mut self, node: NodeNumber, commit: &CheckedClaims) {
        if !self.neighbourhood.is_listed(node, commit.from, &mut self.out) {
            return;
        }
        for claim in &commit.claims {
            let (user, epoch) = (claim.user, claim.owner_epoch);
            let sender = Sender {
                node,
                region: commit.from,
                attempt: commit.attempt,
                version: claim.version,
            };
            let here = self.players.get(&user).map(|player| player.epoch);
            let passed_on = self.forwardings.get(user).map(|to| to.owner_epoch);
            if here.max(passed_on).is_some_and(|known| known >= epoch) {
                faultpoint!(CommitOfKnown);
                self.say_done(user, epoch, sender);
            } else if self.arrivals.commit(user, epoch, sender, self.now.mono_ms) {
                self.out.push(RegionEffect::PlayerExpected(user));
                self.read_row(user);
            }
        }
    }

    fn say_done(&mut self, user: UserId, epoch: OwnerEpoch, sender: Sender) {
        let done = sender.done(self.config.number, user, epoch);
        self.tell_server(sender.node, done);
    }

    pub(in super::super) fn read_row(&mut self, user: UserId) {
        self.arrivals.read_row(user, self.now.mono_ms, &mut self.out);
    }

    pub(in super::super) fn arrival_answer(&mut self, user: UserId, answer: Result<StoreReply, StoreError>) {
        let row = match answer {
            Ok(StoreReply::Player(row)) => row,
            _ => None,
        };
        #[cfg(feature = "broken-rules")]
        let row = row.map(|row| self.arrivals.presumed(self.config.without, row));
        match self
            .arrivals
            .row_read(user, row.as_ref(), self.now.mono_ms, &mut self.out)
        {
            RowSays::Nothing => {}
            RowSays::ReadAgain => {
                faultpoint!(ArrivalReadAgain);
                self.read_row(user);
            }
            RowSays::Here => self.arrive(user),
            RowSays::Elsewhere => {
                faultpoint!(ArrivalElsewhere);
                if let Some(row) = row {
                    self.turn_away(user, &row);
                }
            }
        }
    }

    pub(in super::super) fn arrival_holdings(
        &mut self,
        user: UserId,
        question: HoldingsQuestion,
        answer: Result<StoreReply, StoreError>,
    ) {
        if let Ok(StoreReply::Belongings(has)) = answer {
            self.arrivals.holdings_read(user, question, has);
            self.arrive(user);
        }
    }

    /// The row has named this region: the player is active, once its holdings are known too.
    fn arrive(&mut self, user: UserId) {
        let Some(arrived) = self.arrivals.take_arrived(user) else {
            return;
        };
        let epoch = arrived.row.owner_epoch;
        let is_here = self
            .players
            .get(&user)
            .is_some_and(|player| player.epoch >= epoch);
        // A join of the same player reads the row as well, and must find nobody active: it binds the proxy. One whose CAS
        // is on its way will make this epoch an old one.
        if self.joins.is_activating(user) || (self.joins.has(user) && !is_here) {
            faultpoint!(ArrivalMeetsJoin);
            if let Some(sender) = arrived.sender {
                self.say_done(user, epoch, sender);
            }
        } else if !is_here {
            self.take_in(user, arrived);
        }
    }

    fn take_in(&mut self, user: UserId, arrived: Arrived) {
        #[cfg(feature = "broken-rules")]
        let arrived = self.one_on(arrived);
        self.drop_player(user, RemoveReason::Gone);
        if !self.activate(&arrived.row, &arrived.has) {
            return self.count("activation_failed");
        }
        self.counts.arrived += 1;
        let player = self.players.get(&user);
        if player.is_some_and(|player| player.bound.lane.is_none()) {
            self.linkdead(user);
        }
        self.say_here(user);
        if let Some(sender) = arrived.sender {
            self.say_done(user, arrived.row.owner_epoch, sender);
        }
        if arrived.refresh {
            self.refresh(user);
        }
        for (lane, word) in arrived.early {
            faultpoint!(ArrivalHadEarlyWords);
            self.user_says(lane, word);
        }
    }

    /// The row names somebody else, or an earlier service of this region: nobody is to arrive here.
    fn turn_away(&mut self, user: UserId, row: &PlayerRow) {
        let Some(turned) = self.arrivals.turn_away(user) else {
            return;
        };
        if let Some((epoch, sender)) = turned.done {
            self.say_done(user, epoch, sender);
        }
        self.gone_for_good(user);
        if let Some(lane) = turned.lane {
            let at = Whereabouts {
                node: row.owner.unwrap_or_default(),
                region: row.region,
                owner_epoch: row.owner_epoch,
            };
            self.tell_proxy(lane, at.elsewhere(user));
        }
    }

    /// A word for a player that is not here at that epoch.
    pub(in super::super) fn keep_early(&mut self, lane: LiveLane, word: UserWord) {
        if !self.joins.has(word.user) {
            let (now_ms, out) = (self.now.mono_ms, &mut self.out);
            self.arrivals.keep_early(lane, word, now_ms, out);
        }
    }

    /// A message about somebody unknown, with nothing in it worth keeping.
    pub(in super::super) fn unknown_user(&mut self, lane: LiveLane, user: UserId) {
        match self.forwardings.get(user) {
            Some(at) => self.tell_proxy(lane, at.elsewhere(user)),
            None => self.count("user_not_here"),
        }
    }

    /// Reads rows again, and forgets who did not come.
    pub(in super::super) fn keep_arrivals(&mut self) {
        let now_ms = self.now.mono_ms;
        for user in self.arrivals.take_over(now_ms) {
            self.gone_for_good(user);
        }
        self.arrivals.read_again(now_ms, &mut self.out);
    }
}
