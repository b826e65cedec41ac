//! The target's side of a handover (B): a shadow is only a reason to look at the row, and only the row makes a player
//! active. Messages that come before their player are kept for a moment.

use protocol::Code;
use protocol::ids::{AttemptId, LiveLane, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, UserId};
use protocol::limits::HANDOVER_GROUP_MAX;
use protocol::message::handover::{Claim, Commit, Done, Prepare, Prepared, Refuse};
use store::{PlayerRow, StoreError, StoreReply, StoreRequest};

use super::super::asked::Asked;
use super::super::effect::RegionEffect;
use super::super::served::{Served, Stub};
use super::super::state::RegionState;
use super::arrival::{Arrival, EarlyMessage, READ_MS, Sender};

/// … and this often when the source has been silent for long.
const READ_SLOWLY_MS: u64 = 1_000;
/// A shadow without a commit is forgotten after so long, milliseconds; the row is not.
const SHADOW_MS: u64 = 10_000;
/// Messages for somebody who is to arrive are kept so long, milliseconds.
const EARLY_MS: u64 = 2_000;
/// … and so many for each.
const EARLY_MAX: usize = 64;
/// Players who may be about to arrive.
const ARRIVALS_MAX: usize = 4_096;
/// … and of whom only a proxy has spoken: those take no room from the others.
const EARLY_ONLY_MAX: usize = 1_024;

impl RegionState {
    pub(in super::super) fn prepare(&mut self, node: NodeNumber, message: &Prepare) {
        let from = RegionNumber(message.from_region);
        if !self.speaks_for(node, from, RegionEpoch(message.from_region_epoch)) {
            return;
        }
        let refused = if message.to_region_epoch != self.config.epoch.0 {
            Some(Code::StaleEpoch)
        } else if self.draining || self.arrivals.announced() >= ARRIVALS_MAX {
            Some(Code::Busy)
        } else if message.passengers.is_empty() || message.passengers.len() > HANDOVER_GROUP_MAX {
            Some(Code::Protocol)
        } else {
            None
        };
        if let Some(code) = refused {
            let refuse = Refuse {
                from_region: self.config.number.0,
                to_region: from.0,
                attempt: message.attempt,
                users: message
                    .passengers
                    .iter()
                    .map(|passenger| passenger.user)
                    .collect(),
                code: u32::from(code.number()),
            };
            return self.tell_server(node, refuse);
        }
        let claims: Vec<Claim> = message
            .passengers
            .iter()
            .map(|passenger| Claim {
                user: passenger.user,
                owner_epoch: passenger.owner_epoch,
                version: passenger.version,
            })
            .collect();
        let attempt = AttemptId(message.attempt);
        if !claims.iter().all(|claim| self.is_news(node, claim, attempt)) {
            return self.count("prepare_stale");
        }
        for claim in &claims {
            self.shadow(node, from, attempt, claim);
            // Between regions of one server the source has the player until it commits.
            if node != self.config.node {
                self.effects
                    .push(RegionEffect::PlayerExpected(UserId(claim.user)));
            }
        }
        let prepared = Prepared {
            from_region: self.config.number.0,
            to_region: from.0,
            attempt: attempt.0,
            claims,
        };
        self.tell_server(node, prepared);
    }

    /// Whether a shadow of this is newer than what is here, or the same once more.
    fn is_news(&self, node: NodeNumber, claim: &Claim, attempt: AttemptId) -> bool {
        let user = UserId(claim.user);
        if self
            .players
            .get(&user)
            .is_some_and(|player| player.epoch.0 >= claim.owner_epoch)
        {
            return false;
        }
        let Some(arrival) = self.arrivals.by_user.get(&user) else {
            return true;
        };
        // Of two nodes that both announce the player, the row knows which one had it.
        let Some(sender) = arrival.sender.filter(|sender| sender.node == node) else {
            return true;
        };
        let (have, news) = (
            (arrival.epoch.0, sender.version),
            (claim.owner_epoch, claim.version),
        );
        news > have || (news == have && sender.attempt == attempt)
    }

    fn shadow(
        &mut self,
        node: NodeNumber,
        region: RegionNumber,
        attempt: AttemptId,
        claim: &Claim,
    ) -> &mut Arrival {
        let now_ms = self.now.mono_ms;
        let epoch = OwnerEpoch(claim.owner_epoch);
        let arrivals = &mut self.arrivals.by_user;
        let arrival = arrivals
            .entry(UserId(claim.user))
            .or_insert_with(|| Arrival::new(epoch, now_ms));
        if arrival.sender.is_none_or(|sender| sender.attempt != attempt) {
            arrival.since_ms = now_ms;
            arrival.row = None;
            arrival.committed = false;
        }
        arrival.epoch = epoch;
        arrival.sender = Some(Sender {
            node,
            region,
            attempt,
            version: claim.version,
        });
        arrival
    }

    /// The source says that the row names this region: look.
    pub(in super::super) fn commit(&mut self, node: NodeNumber, message: &Commit) {
        let from = RegionNumber(message.from_region);
        if !self.config.topology.may_serve(node, from) {
            return self.count("peer_not_listed");
        }
        if message.claims.len() > HANDOVER_GROUP_MAX {
            return self.count("commit_too_many");
        }
        let attempt = AttemptId(message.attempt);
        for claim in &message.claims {
            let user = UserId(claim.user);
            let here = self.players.get(&user).map(|player| player.epoch.0);
            let passed_on = self.stubs.get(&user).map(|stub| stub.owner_epoch.0);
            if here
                .max(passed_on)
                .is_some_and(|epoch| epoch >= claim.owner_epoch)
            {
                let sender = Sender {
                    node,
                    region: from,
                    attempt,
                    version: claim.version,
                };
                self.say_done(user, OwnerEpoch(claim.owner_epoch), sender);
            } else if self.arrivals.announced() < ARRIVALS_MAX || self.arrivals.by_user.contains_key(&user) {
                if self.arrivals.by_user.get(&user).is_some_and(|arrival| {
                    let same_node = arrival.sender.is_some_and(|sender| sender.node == node);
                    same_node && arrival.epoch.0 > claim.owner_epoch
                }) {
                    continue;
                }
                self.shadow(node, from, attempt, claim).committed = true;
                self.effects.push(RegionEffect::PlayerExpected(user));
                self.read_row(user);
            }
        }
    }

    fn say_done(&mut self, user: UserId, epoch: OwnerEpoch, sender: Sender) {
        let done = Done {
            from_region: self.config.number.0,
            to_region: sender.region.0,
            attempt: sender.attempt.0,
            claims: vec![Claim {
                user: user.0,
                owner_epoch: epoch.0,
                version: sender.version,
            }],
        };
        self.tell_server(sender.node, done);
    }

    pub(in super::super) fn read_row(&mut self, user: UserId) {
        let now_ms = self.now.mono_ms;
        let Some(arrival) = self.arrivals.by_user.get_mut(&user) else {
            return;
        };
        if arrival.reading {
            // What is being read may be older than the news: once more, as soon as it is there.
            arrival.read_at_ms = now_ms;
            return;
        }
        arrival.reading = true;
        arrival.read_at_ms = now_ms
            + if now_ms - arrival.since_ms < EARLY_MS {
                READ_MS
            } else {
                READ_SLOWLY_MS
            };
        arrival.row = None;
        arrival.holdings = None;
        self.ask(Asked::Arrival(user), StoreRequest::LoadPlayer { user });
        self.ask(Asked::ArrivalHoldings(user), StoreRequest::HoldingsOf { user });
    }

    pub(in super::super) fn arrival_answer(&mut self, user: UserId, answer: Result<StoreReply, StoreError>) {
        let (me, region, region_epoch) = (self.config.node, self.config.number, self.config.epoch);
        let now_ms = self.now.mono_ms;
        let Some(arrival) = self.arrivals.by_user.get_mut(&user) else {
            return;
        };
        arrival.reading = false;
        // No row: nobody to arrive. No answer: the timer asks again.
        let Ok(StoreReply::Player(Some(row))) = answer else {
            return;
        };
        #[cfg(feature = "broken-rules")]
        let row = arrival.presumed(&self.config, row);
        if row.owner_epoch < arrival.epoch {
            if arrival.committed && arrival.read_at_ms <= now_ms {
                self.read_row(user);
            }
            return;
        }
        let named = row.owner == Some(me) && row.region == region && row.owner_epoch == arrival.epoch;
        let attempt = arrival.sender.map_or(row.attempt, |sender| sender.attempt);
        if named && row.attempt == attempt && row.attempt != AttemptId(0) && row.region_epoch == region_epoch
        {
            arrival.row = Some(row);
            return self.arrive(user);
        }
        if named && row.attempt != attempt && row.region_epoch == region_epoch {
            // Another attempt was committed; its own Commit will say which.
            return;
        }
        self.turn_away(user, &row);
    }

    pub(in super::super) fn arrival_holdings(
        &mut self,
        user: UserId,
        answer: Result<StoreReply, StoreError>,
    ) {
        let Some(arrival) = self.arrivals.by_user.get_mut(&user) else {
            return;
        };
        if let Ok(StoreReply::Holdings(holdings)) = answer {
            arrival.holdings = Some(holdings);
            self.arrive(user);
        }
    }

    /// The row has named this region: the player is active, once its holdings are known too.
    fn arrive(&mut self, user: UserId) {
        let Some(arrival) = self.arrivals.by_user.get(&user) else {
            return;
        };
        if arrival.row.is_none() || arrival.holdings.is_none() {
            return;
        }
        let Some(arrival) = self.arrivals.by_user.remove(&user) else {
            return;
        };
        let (Some(row), Some(holdings)) = (arrival.row, arrival.holdings) else {
            return;
        };
        if self.joining.get(&user).is_some_and(|joining| joining.activating) {
            // The CAS of a join is on its way and will make this epoch an old one.
            if let Some(sender) = arrival.sender {
                self.say_done(user, row.owner_epoch, sender);
            }
            return;
        }
        if self
            .players
            .get(&user)
            .is_some_and(|player| player.epoch >= row.owner_epoch)
        {
            return;
        }
        if self.joining.contains_key(&user) {
            // A join of the same player reads the row as well, and must find nobody active: it binds the proxy.
            if let Some(sender) = arrival.sender {
                self.say_done(user, row.owner_epoch, sender);
            }
            return;
        }
        self.drop_player(user, protocol::cell::RemoveReason::Gone);
        if !self.activate(&row, &holdings) {
            return self.count("activation_failed");
        }
        self.counts.arrived += 1;
        if self
            .players
            .get(&user)
            .is_some_and(|player| player.bound.lane.is_none())
        {
            self.linkdead(user);
        }
        self.say_here(user);
        if let Some(sender) = arrival.sender {
            self.say_done(user, row.owner_epoch, sender);
        }
        if arrival.refresh {
            self.refresh(user);
        }
        self.replay(
            arrival
                .early
                .into_iter()
                .map(|(_, lane, message)| (lane, message))
                .collect(),
        );
    }

    /// The row names somebody else, or an earlier service of this region: nobody is to arrive here.
    fn turn_away(&mut self, user: UserId, row: &PlayerRow) {
        let Some(arrival) = self.arrivals.by_user.remove(&user) else {
            return;
        };
        if let Some(sender) = arrival.sender.filter(|_| arrival.committed) {
            self.say_done(user, arrival.epoch, sender);
        }
        self.gone_for_good(user);
        let stub = Stub {
            at: Served {
                node: row.owner.unwrap_or_default(),
                epoch: row.region_epoch,
            },
            region: row.region,
            owner_epoch: row.owner_epoch,
            until_ms: 0,
        };
        for (_, lane, _) in arrival.early.into_iter().take(1) {
            self.elsewhere(lane, user, &stub);
        }
    }

    /// A message for `(user, epoch)`, who is not here: kept for a moment, while the row is asked.
    pub(in super::super) fn keep_early(
        &mut self,
        lane: LiveLane,
        user: UserId,
        epoch: OwnerEpoch,
        message: EarlyMessage,
    ) {
        let now_ms = self.now.mono_ms;
        if self.joining.contains_key(&user) {
            return;
        }
        let early_only = self.arrivals.len() - self.arrivals.announced();
        if early_only >= EARLY_ONLY_MAX && !self.arrivals.by_user.contains_key(&user) {
            return self.count("early_full");
        }
        let arrivals = &mut self.arrivals.by_user;
        let is_new = !arrivals.contains_key(&user);
        let arrival = arrivals
            .entry(user)
            .or_insert_with(|| Arrival::new(epoch, now_ms));
        if arrival.epoch != epoch || arrival.early.len() >= EARLY_MAX {
            return self.count("early_refused");
        }
        arrival.early.push((now_ms, lane, message));
        if is_new {
            self.read_row(user);
        }
    }

    /// A message about somebody unknown, with nothing in it worth keeping.
    pub(in super::super) fn unknown_user(&mut self, lane: LiveLane, user: UserId, _epoch: OwnerEpoch) {
        if let Some(stub) = self.stubs.get(&user).copied() {
            self.elsewhere(lane, user, &stub);
        }
    }

    /// Reads rows again, and forgets who did not come.
    pub(in super::super) fn keep_arrivals(&mut self) {
        let now_ms = self.now.mono_ms;
        let mut over = Vec::new();
        self.arrivals.by_user.retain(|user, arrival| {
            arrival
                .early
                .retain(|(at_ms, ..)| now_ms.saturating_sub(*at_ms) < EARLY_MS);
            let shadow = arrival.sender.is_some() && now_ms.saturating_sub(arrival.since_ms) < SHADOW_MS;
            let stays = shadow || !arrival.early.is_empty();
            if !stays {
                over.push(*user);
            }
            stays
        });
        for user in over {
            self.gone_for_good(user);
        }
        let due = |arrival: &Arrival| !arrival.reading && arrival.read_at_ms <= now_ms;
        let arrivals = self.arrivals.by_user.iter();
        let users: Vec<_> = arrivals
            .filter(|(_, arrival)| due(arrival))
            .map(|(user, _)| *user)
            .collect();
        for user in users {
            self.read_row(user);
        }
    }
}
