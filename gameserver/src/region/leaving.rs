//! How players leave a region's memory: by logout, without a word, or because somebody else owns them.

use faultpoint::faultpoint;
use protocol::Code;
use protocol::cell::RemoveReason;
use protocol::ids::{LiveLane, UserId};
use protocol::message::checked::CheckedLeave;
use protocol::message::player::LeaveReason;

use super::effect::RegionEffect;
use super::player::Player;
use super::publication::Subscriber;
use super::state::{Notice, RegionState};

impl RegionState {
    /// Takes a player out of the region's memory.
    pub(super) fn drop_player(&mut self, user: UserId, reason: RemoveReason) -> Option<Player> {
        let player = self.players.remove(&user)?;
        self.cells.leave(player.key, reason, &mut self.entities);
        self.notices.push_back(Notice::Left(user, player.entity));
        if self.forwardings.get(user).is_none() {
            self.out.push(RegionEffect::PlayerGone(user));
        }
        Some(player)
    }

    /// Nothing here is to answer for the user any more.
    pub(super) fn gone_for_good(&mut self, user: UserId) {
        let answers = self.players.contains_key(&user)
            || self.forwardings.get(user).is_some()
            || self.joins.has(user)
            || self.arrivals.expects(user);
        if !answers {
            self.out.push(RegionEffect::PlayerGone(user));
        }
    }

    /// Somebody else owns the player: what is here is a copy that counts for nothing.
    pub(super) fn fence(&mut self, user: UserId) {
        faultpoint!(PlayerFenced);
        self.count("player_fenced");
        self.doubt_itself();
        if let Some(player) = self.drop_player(user, RemoveReason::Gone)
            && let Some((lane, join)) = player.waiting_join
        {
            self.refuse_join(lane, &join, Code::Busy);
        }
    }

    pub(super) fn leave(&mut self, lane: LiveLane, left: CheckedLeave) {
        let user = left.user;
        if self.joins.leave(user, left.session) {
            return;
        }
        let Some(player) = self.players.get_mut(&user) else {
            return self.unknown_user(lane, user);
        };
        let bound = player.identity();
        if player.bound.lane != Some(lane) || left.session != bound {
            // A proxy that the player has left says goodbye to the session that it knew; or says it twice.
            let is_over = (left.session.generation, left.session.attach_no) < player.bound.order();
            let late = is_over || player.bound.lane.is_none();
            return self.count(if late { "leave_late" } else { "leave_not_bound" });
        }
        match left.reason {
            LeaveReason::Linkdead => self.linkdead(user),
            LeaveReason::Logout => player.logout = true,
        }
    }

    pub(super) fn linkdead(&mut self, user: UserId) {
        let now_ms = self.now.mono_ms;
        if let Some(player) = self.players.get_mut(&user) {
            player.bound.lane = None;
            player.linkdead_since_ms.get_or_insert(now_ms);
            player.writes.mark(now_ms);
        }
    }

    /// Every player of a lane that is gone waits for its client elsewhere.
    pub(super) fn lane_gone(&mut self, lane: LiveLane) {
        self.publication.gone(Subscriber::Lane(lane.at));
        let bound = self
            .players
            .values()
            .filter(|player| player.bound.lane == Some(lane));
        let users: Vec<_> = bound.map(|player| player.user).collect();
        for user in users {
            self.linkdead(user);
        }
        self.joins.lane_gone(lane);
    }
}
