//! Doubt: the CAS of a handover got no answer, or "no", which may be the answer to the repetition of a success. Only the
//! row, or a second CAS that burns the epoch, says what became of it.

use faultpoint::faultpoint;
use protocol::ids::{AttemptId, UserId};
use protocol::message::player::Moved;
use store::{PlayerRow, StoreError, StoreReply, StoreRequest};

use super::super::asked::Asked;
use super::super::state::RegionState;

impl RegionState {
    /// What the row says in a doubt, or after an attempt to end it.
    pub(in super::super) fn doubt_answer(
        &mut self,
        attempt: AttemptId,
        user: UserId,
        answer: Result<StoreReply, StoreError>,
    ) {
        let Some((epoch, to)) = self.departures.leaver(attempt, user) else {
            return;
        };
        let row = match answer {
            Ok(StoreReply::Activated(row)) => return self.reclaimed(attempt, user, &row),
            Ok(StoreReply::Player(row)) => row,
            Ok(StoreReply::Refused(rows)) => rows.into_iter().find(|row| row.user == user),
            Ok(_) | Err(_) => {
                faultpoint!(DoubtUnanswered);
                return self.ask_later(Asked::Doubt(attempt, user), StoreRequest::LoadPlayer { user });
            }
        };
        let Some(row) = row else {
            return self.lost(attempt, user);
        };
        let next = epoch.next().ok();
        if row.owner == Some(to.node)
            && row.region == to.region
            && Some(row.owner_epoch) == next
            && row.attempt == attempt
        {
            faultpoint!(DoubtPassed);
            return self.gone(attempt);
        }
        let mine = row.owner == Some(self.config.node) && row.region == self.config.number;
        if mine && row.owner_epoch == epoch {
            #[cfg(feature = "broken-rules")]
            if self.breaks(super::rule::HandoverRule::BurnTheEpoch) {
                self.departures.forget(attempt, user);
                return self.resume(user, attempt);
            }
            faultpoint!(DoubtReclaims);
            let (serving, expected) = (self.config.serving(), epoch);
            let reclaim = StoreRequest::Reclaim {
                user,
                serving,
                expected,
            };
            self.ask(Asked::Reclaim(attempt, user), reclaim);
        } else if mine
            && row.region_epoch == self.config.epoch
            && Some(row.owner_epoch) == next.and_then(|next| next.next().ok())
        {
            self.reclaimed(attempt, user, &row);
        } else {
            self.lost(attempt, user);
        }
    }

    /// The epoch that the lost CAS could still have given away is burnt: the player goes on here.
    fn reclaimed(&mut self, attempt: AttemptId, user: UserId, row: &PlayerRow) {
        faultpoint!(DoubtReclaimed);
        self.departures.forget(attempt, user);
        let (node, region) = (self.config.node, self.config.number);
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let from_epoch = player.epoch;
        player.epoch = row.owner_epoch;
        player.proxy_trusts = false;
        // What was sent under the old epoch may come to a proxy that trusts the new one already.
        player.events.repeat();
        player.writes.rise(row.version);
        let (key, lane) = (player.key, player.bound.lane);
        let at = self.entities.get(key).map(|entity| entity.at);
        self.cells.renew(key, row.owner_epoch, &mut self.entities);
        if let (Some(lane), Some(_)) = (lane, at) {
            let moved = Moved {
                user: user.0,
                from_epoch: from_epoch.0,
                node: u32::from(node.0),
                region: region.0,
                owner_epoch: row.owner_epoch.0,
            };
            self.tell_proxy(lane, moved);
        }
        self.resume(user, attempt);
        self.say_here(user);
    }

    /// Somebody else's by now: nothing here counts any more.
    fn lost(&mut self, attempt: AttemptId, user: UserId) {
        faultpoint!(DoubtLost);
        self.departures.forget(attempt, user);
        self.fence(user);
    }
}
