//! Joins: a user comes to this region by login, resume or restart. Decides from the row whose player it is, and makes
//! it active by a CAS on that row only.

use game::{Ctx as _, Unreadable};
use prost::Message as _;
use protocol::ids::{LiveLane, NodeNumber, OwnerEpoch, RegionNumber, UserId};
use protocol::message::checked::CheckedPlayer;
use protocol::message::handover::PlayerState;
use protocol::message::player::{JoinRefused, Joined, Superseded};
use protocol::{Code, cell::Motion, cell::RemoveReason, cell::StateBytes};
use store::{Belongings, PlayerBody, PlayerRow, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::effect::RegionEffect;
use super::entity::{Change, Entity};
use super::forwardings::Whereabouts;
use super::joining::{Joining, Spawn, Waiting};
use super::player::{Phase, Player, Purse};
use super::state::{Notice, RegionState};
use super::waiting_inputs::WaitingInputs;
use crate::join_check::VerifiedJoin;

/// When a refused join may be tried again, milliseconds.
const RETRY_MS: u32 = 500;

impl RegionState {
    /// `spawn`: what the game makes of a new user. `known`: the user's row, or that there is none, where another region has
    /// just read it. Should that be over, the CAS that follows fails, and the row is read here.
    pub(super) fn join(
        &mut self,
        lane: LiveLane,
        join: VerifiedJoin,
        spawn: Spawn,
        known: Option<Option<Box<PlayerRow>>>,
    ) {
        if self.players.contains_key(&join.user) {
            return self.rebind(lane, join);
        }
        // Where the user went from here may be long over, so the row is asked even then: two servers that each remember
        // a former crossing would send the proxy in a circle.
        let join = match self.joins.come_again(lane, join) {
            Ok(None) => return,
            Ok(Some((lane, refused))) => return self.refuse_join(lane, &refused, Code::Superseded),
            Err(join) => join,
        };
        if self.draining {
            return self.refuse_join(lane, &join, Code::WorldRecovering);
        }
        if self.joins.is_full() {
            return self.refuse_join(lane, &join, Code::Busy);
        }
        let user = join.user;
        let joining = Joining::new(lane, join, spawn, self.now.mono_ms);
        self.joins.begin(joining);
        match known {
            Some(Some(row)) => self.join_row(user, &row),
            Some(None) => self.join_without_row(user),
            None => self.ask(Asked::Join(user), StoreRequest::LoadPlayer { user }),
        }
    }

    /// The same user again, from here or from another proxy: the higher (generation, attach number) wins.
    pub(super) fn rebind(&mut self, lane: LiveLane, join: VerifiedJoin) {
        let Some(player) = self.players.get_mut(&join.user) else {
            return;
        };
        let order = join.order();
        let bound = player.bound;
        let same_again = order == bound.order() && bound.lane.is_none_or(|bound| bound.node() == lane.node());
        if order < bound.order() || (order == bound.order() && !same_again) {
            return self.refuse_join(lane, &join, Code::Superseded);
        }
        match player.phase {
            Phase::Frozen(_) | Phase::Leaving | Phase::Unanswered => return self.wait(lane, join),
            Phase::Active => {}
        }
        let before = (player.bound.lane, player.session_key());
        if join.session_generation > player.bound.session_generation
            && let Some(entity) = self.entities.get_mut(player.key)
        {
            // Numbers start again: an input of the earlier login would make all new ones look old.
            entity.inputs.clear();
        }
        if player.bind(lane, &join) {
            self.notices.push_back(Notice::Renamed(join.user));
        }
        player.logout = false;
        player.writes.mark(self.now.mono_ms);
        if let (Some(old), session) = before
            && old.node() != lane.node()
        {
            let user = join.user.0;
            let session = Some(session);
            self.tell_proxy(old, Superseded { user, session });
        }
        self.welcome(join.user);
        if !self.proxies.is_up(lane) {
            self.linkdead(join.user);
        }
    }

    /// A join for a player whose fate is open. Of two that wait the higher one stays, in whatever order they came.
    fn wait(&mut self, lane: LiveLane, join: VerifiedJoin) {
        let Some(player) = self.players.get_mut(&join.user) else {
            return;
        };
        let Some((waiting_lane, waiting)) = player.waiting_join.take() else {
            player.waiting_join = Some((lane, join));
            return;
        };
        let same_node = waiting_lane.node() == lane.node();
        let newer = join.order() > waiting.order() || (join.order() == waiting.order() && same_node);
        let (stays, goes) = if newer {
            ((lane, join), (waiting_lane, waiting))
        } else {
            ((waiting_lane, waiting), (lane, join))
        };
        player.waiting_join = Some(stays);
        // A proxy that says the same again, or something newer, has given its former word up itself.
        if !(newer && same_node) {
            self.refuse_join(goes.0, &goes.1, Code::Superseded);
        }
    }

    /// Tells the proxy that its player is here, and repeats what the client has not acknowledged.
    pub(super) fn welcome(&mut self, user: UserId) {
        let (region, region_epoch) = (self.config.number.0, self.config.epoch.0);
        let Some(player) = self.players.get(&user) else {
            return;
        };
        let Some(lane) = player.bound.lane else { return };
        let home_cell = self
            .entities
            .get(player.key)
            .map_or(0, |entity| self.home_cell(entity.at).0);
        let joined = Joined {
            user: user.0,
            session: Some(player.session_key()),
            owner_epoch: player.epoch.0,
            entity: player.entity.0,
            region,
            region_epoch,
            home_cell,
            last_input: player.last_input,
            last_command: player.commands.ack(),
        };
        self.tell_proxy(lane, joined);
        self.send_events(user);
    }

    pub(super) fn join_answer(&mut self, user: UserId, answer: Result<StoreReply, StoreError>) {
        let activating = match self.joins.answered(user, self.now.mono_ms) {
            Waiting::Nobody => return,
            Waiting::TooLong => return self.end_join(user, Code::Busy),
            Waiting::Still { activating } => activating,
        };
        if self.players.contains_key(&user) && !activating {
            // By a handover, while the row was read: what is here may be newer than any row.
            let joining = self.joins.take(user);
            if let Some(joining) = joining.filter(|joining| !joining.left) {
                self.rebind(joining.lane, joining.join);
            }
            return;
        }
        match answer {
            Ok(StoreReply::Player(Some(row)) | StoreReply::Exists(row)) => self.join_row(user, &row),
            Ok(StoreReply::Player(None)) => self.join_without_row(user),
            Ok(StoreReply::Inserted(row) | StoreReply::Activated(row)) => {
                self.joins.activated(row);
                self.ask(Asked::JoinHoldings(user), StoreRequest::HoldingsOf { user });
            }
            Ok(StoreReply::NotServing(_)) => {
                self.doubt_itself();
                self.end_join(user, Code::WorldRecovering);
            }
            // A ticket outlives a logout and a newer login.
            Ok(StoreReply::SessionOver) => {
                faultpoint::faultpoint!(JoinOfEndedSession);
                self.count("session_over");
                self.end_join(user, Code::TicketExpired);
            }
            // Somebody else moved first, or nobody knows: the row says how it stands.
            Ok(_) | Err(_) => {
                faultpoint::faultpoint!(JoinAskedAgain);
                if matches!(answer, Ok(StoreReply::Refused(_))) {
                    self.doubt_itself();
                }
                self.ask_later(Asked::Join(user), StoreRequest::LoadPlayer { user });
            }
        }
    }

    /// What the row says about who the player's owner is, or should be.
    fn join_row(&mut self, user: UserId, row: &PlayerRow) {
        let Some(joining) = self.joins.get(user) else {
            return;
        };
        if self.players.contains_key(&user) {
            // It arrived by a handover while the row was read.
            if let Some(joining) = self.joins.take(user) {
                self.rebind(joining.lane, joining.join);
            }
            return;
        }
        let bound = row.body.binding.order();
        if joining.order() < bound {
            faultpoint::faultpoint!(JoinSuperseded);
            return self.end_join(user, Code::Superseded);
        }
        let region = self.region_for(row, joining.spawn);
        // Whoever serves the region has the player: an owner whose service there is over is nobody any more.
        if region != self.config.number {
            if self.is_of_this_process(region) {
                self.forward_join(user, region, Some(row));
            } else {
                let epoch = row.owner.map_or(OwnerEpoch(0), |_| row.owner_epoch);
                self.join_elsewhere(user, row.owner, region, epoch);
            }
        } else if self.arrivals.is_due(row) {
            // A handover makes the user active, and must not be overtaken by a second activation.
            self.read_row(user);
            self.ask_later(Asked::Join(user), StoreRequest::LoadPlayer { user });
        } else if let Err(why) = self.can_read(row) {
            // It stays whose it is: another server may have newer rules.
            self.note_unreadable(&format!("the state of user {user}"), &why);
            self.count("row_unreadable");
            self.end_join(user, Code::Maintenance);
        } else {
            let binding = joining.binding();
            let (serving, expected) = (self.config.serving(), row.owner_epoch);
            let activate = StoreRequest::Activate {
                user,
                serving,
                expected,
                binding,
            };
            self.ask(Asked::Join(user), activate);
            self.joins.activate(user, row.owner.is_some());
        }
    }

    /// Whether the rules here know what those that wrote a row know.
    fn can_read(&self, row: &PlayerRow) -> Result<(), Unreadable> {
        match PlayerState::decode(row.body.state.clone()) {
            Ok(state) => self.config.edition.reads(&state.game_id, state.game_version),
            // It is refused when it is to be used.
            Err(_) => Ok(()),
        }
    }

    /// The region that a player enters. After a change of the map that of its row may not be the one that its cell lies in, and
    /// a cell of a larger world may lie in none.
    fn region_for(&self, row: &PlayerRow, spawn: Spawn) -> RegionNumber {
        if row.owner.is_some() {
            return row.region;
        }
        let topology = &self.config.topology;
        let there = topology.region_of_cell(row.body.home_cell);
        there.unwrap_or_else(|| topology.region_at(spawn.at).number)
    }

    fn join_without_row(&mut self, user: UserId) {
        let Some(joining) = self.joins.get(user) else {
            return;
        };
        let spawn = joining.spawn;
        let region = self.config.topology.region_at(spawn.at);
        let number = region.number;
        if number == self.config.number {
            self.insert_player(user);
        } else if self.is_of_this_process(number) {
            self.forward_join(user, number, None);
        } else {
            self.join_elsewhere(user, None, number, OwnerEpoch(0));
        }
    }

    fn insert_player(&mut self, user: UserId) {
        let Some(entity) = self.config.numbers.entity() else {
            return self.end_join(user, Code::Full);
        };
        let Some(joining) = self.joins.get(user) else {
            return;
        };
        let join = &joining.join;
        let state = PlayerState {
            user: user.0,
            entity: entity.0,
            kind: u32::from(joining.spawn.kind),
            name: join.first_name(),
            x: joining.spawn.at.x,
            y: joining.spawn.at.y,
            session: Some(join.identity().into()),
            client_pub: join.client_pub.to_vec().into(),
            chain_hash: vec![0; 32].into(),
            game_id: self.config.edition.id.to_owned(),
            game_version: self.config.edition.version,
            ..PlayerState::default()
        };
        let body = PlayerBody {
            home_cell: self.home_cell(joining.spawn.at),
            binding: joining.binding(),
            state: state.encode_to_vec().into(),
            ..PlayerBody::default()
        };
        let row = PlayerRow {
            user,
            owner: Some(self.config.node),
            region: self.config.number,
            region_epoch: self.config.epoch,
            owner_epoch: OwnerEpoch(0),
            attempt: protocol::ids::AttemptId(0),
            version: protocol::ids::StateVersion(0),
            entity,
            body,
        };
        self.ask(Asked::Join(user), StoreRequest::InsertPlayer { row });
    }

    /// The last step of a join: everything is there.
    pub(super) fn join_holdings(&mut self, user: UserId, answer: Result<StoreReply, StoreError>) {
        let Ok(StoreReply::Belongings(has)) = answer else {
            return self.ask_later(Asked::JoinHoldings(user), StoreRequest::HoldingsOf { user });
        };
        let Some((joining, Some(row))) = self.joins.take_activated(user) else {
            return;
        };
        if !self.activate(&row, &has) {
            self.count("activation_failed");
            return self.refuse_join(joining.lane, &joining.join, Code::Busy);
        }
        if let Some(player) = self.players.get_mut(&user) {
            if joining.after_crash {
                // A commit of the one before may have laid something down, or taken it, after the ground was read. From now on
                // the store refuses it.
                self.ground.doubt();
                player.events.skip_forgotten(row.owner_epoch);
            }
            player.bind(joining.lane, &joining.join);
            player.jumped();
            // Nobody has been shown the entity yet.
            if let Some(entity) = self.entities.get_mut(player.key) {
                entity.jumped = player.jump_mark();
            }
            player.writes.mark(self.now.mono_ms);
            player.wary = joining.wary;
            player.wary.begin(self.now.mono_ms);
        }
        self.welcome(user);
        if joining.refresh {
            self.refresh(user);
        }
        if joining.left || !self.proxies.is_up(joining.lane) {
            self.linkdead(user);
        }
    }

    /// Puts a player into the region from its row, which names this service as its owner.
    pub(super) fn activate(&mut self, row: &PlayerRow, has: &Belongings) -> bool {
        let decoded = PlayerState::decode(row.body.state.clone()).ok();
        let Some(state) = decoded.and_then(|state| CheckedPlayer::try_from(state).ok()) else {
            return false;
        };
        if self.players.contains_key(&row.user) {
            self.drop_player(row.user, RemoveReason::Gone);
        }
        // Of a creature and a player of one id the player is the real one: the row says so.
        self.end_creature(row.entity);
        let mut news = Vec::new();
        let entity = Entity {
            id: row.entity,
            kind: state.kind,
            owner_epoch: row.owner_epoch,
            at: self.within_reach(state.at),
            heading: (state.heading >> 8) as u8,
            speed: state.speed,
            state: StateBytes::default(),
            user: Some(row.user),
            visibility: state.visibility,
            jumped: state.discontinuity & 1 == 1,
            cell: 0,
            slot: 0,
            sent: Motion::default(),
            change: Change::default(),
            inputs: WaitingInputs::default(),
        };
        let Some(key) = self.cells.enter(entity, &mut self.entities) else {
            return false;
        };
        let holdings = Purse::of(&has.holdings);
        for holding in &*holdings {
            self.ground.gone(*holding);
            if let Some(entity) = self.ground.remove(*holding).and_then(|lying| lying.entity) {
                // A commit of the service before this one came after the ground had been read.
                self.despawn(entity);
            }
            if !state.told_holdings.contains(holding) {
                news.push(Notice::Received(row.user, *holding));
            }
        }
        let lane = row.body.binding.proxy;
        let lane = lane.and_then(|node| self.proxies.lane_for(node, row.user));
        let time = (self.tick, self.now);
        let mut player = Player::restore(row, state, (key, lane), holdings, time);
        player.await_offers(has.offer_ends_ms, self.now.mono_ms);
        if player.teleport.is_some() {
            self.destinations.wait(row.user);
        }
        self.players.insert(row.user, player);
        self.watch_player_timers(row.user);
        self.forwardings.remove(row.user);
        self.out.push(RegionEffect::PlayerHere(row.user));
        self.notices.push_back(Notice::Entered(row.user));
        // Given while nobody simulated the player, or by somebody whose message was lost.
        self.notices.extend(news);
        true
    }

    /// Starts a player again from its row, where memory and store no longer agree.
    pub(super) fn restart(&mut self, user: UserId) {
        let Some(mut player) = self.drop_player(user, RemoveReason::Gone) else {
            return;
        };
        faultpoint::faultpoint!(PlayerBeginsAgain);
        let again = VerifiedJoin {
            user,
            session: player.session,
            session_generation: player.bound.session_generation,
            attach_no: player.bound.attach_no,
            client_pub: player.client_pub,
            acked_command: protocol::ids::CommandNumber(player.commands.told()),
            acked_event: protocol::ids::EventNumber(0),
            name: player.name,
            account: protocol::ticket::AccountKind::Guest,
        };
        // A join that waited for this is the newer one.
        let waiting = player.waiting_join.take().map(|(lane, mut join)| {
            join.knows_of(&again);
            (lane, join)
        });
        let (lane, join) = waiting.unwrap_or((player.bound.lane.unwrap_or_default(), again));
        let mut joining = Joining::new(lane, join, Spawn::default(), self.now.mono_ms);
        joining.left = !self.proxies.is_up(lane);
        joining.after_crash = true;
        joining.wary = player.wary;
        self.joins.begin(joining);
        self.ask(Asked::Join(user), StoreRequest::LoadPlayer { user });
    }

    /// Sends the proxy to who serves the region, as far as it is known here; then to the row's owner, or to whomever the proxy
    /// itself knows. Never to who is merely listed: after a change of the map that may be nobody.
    fn join_elsewhere(
        &mut self,
        user: UserId,
        owner: Option<NodeNumber>,
        region: RegionNumber,
        owner_epoch: OwnerEpoch,
    ) {
        let served = self.neighbourhood.serving(region).map(|serving| serving.node);
        let others = served.or(owner).filter(|node| *node != self.config.node);
        let at = Whereabouts {
            node: others.unwrap_or_default(),
            region,
            owner_epoch,
        };
        if let Some(joining) = self.joins.take(user) {
            self.tell_proxy(joining.lane, at.elsewhere(user));
        }
    }

    /// A process serves all regions that its topology lists it for first, and no others.
    fn is_of_this_process(&self, region: RegionNumber) -> bool {
        self.own_regions.contains(&region)
    }

    fn forward_join(&mut self, user: UserId, region: RegionNumber, row: Option<&PlayerRow>) {
        if let Some(joining) = self.joins.take(user) {
            let row = row.cloned().map(Box::new);
            let forward = RegionEffect::ForwardJoin(region, joining.lane, joining.join, row);
            self.out.push(forward);
        }
    }

    fn end_join(&mut self, user: UserId, code: Code) {
        if let Some(joining) = self.joins.take(user) {
            self.refuse_join(joining.lane, &joining.join, code);
        }
    }

    pub(super) fn refuse_join(&mut self, lane: LiveLane, join: &VerifiedJoin, code: Code) {
        self.count("join_refused");
        let refused = JoinRefused {
            user: join.user.0,
            session: Some(join.identity().into()),
            code: u32::from(code.number()),
            retry_ms: RETRY_MS,
        };
        self.tell_proxy(lane, refused);
    }
}
