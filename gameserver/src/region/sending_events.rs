//! Events on their way to their players: at once where the lane has room, and as it gets some where it has not.

use protocol::ids::{ProxyLane, UserId};
use protocol::message::player::Event;

use super::RegionEffect;
use super::publication::Room;
use super::state::RegionState;

impl RegionState {
    /// Sends the events that may go out; those that find no room follow when there is some.
    pub(super) fn send_events(&mut self, user: UserId) {
        self.send_while_room(user);
    }

    /// The same; whether all found room.
    fn send_while_room(&mut self, user: UserId) -> bool {
        let Some(player) = self.players.get_mut(&user) else {
            return true;
        };
        let (Some(at), epoch) = (player.bound.lane.map(|lane| lane.at), player.epoch) else {
            return true;
        };
        // Who is told by a lane that is down is told all when it joins again.
        let Some(lane) = self
            .publication
            .events
            .get_mut(at)
            .filter(|_| player.proxy_trusts)
        else {
            return true;
        };
        let out = &mut self.out;
        let session_generation = player.bound.session_generation.0;
        let told_all = player.events.send(|number, body| {
            let takes = lane.takes(body.len());
            if takes {
                let event = Event {
                    user: user.0,
                    owner_epoch: epoch.0,
                    number,
                    body: body.clone(),
                    session_generation,
                };
                out.push(RegionEffect::ToProxy(at, event.into()));
            }
            takes
        });
        if told_all {
            lane.has_all(user);
        } else {
            lane.is_behind(user);
        }
        told_all
    }

    /// Lanes have the room of a new tick: players that are behind are told more, one after the other in turn.
    pub(super) fn send_late_events(&mut self, room: &mut dyn Room) {
        for at in self.publication.events.open(|lane| room.event_bytes(lane)) {
            while let Some(user) = self.next_behind(at) {
                if !self.send_while_room(user) {
                    break;
                }
            }
        }
    }

    fn next_behind(&mut self, at: ProxyLane) -> Option<UserId> {
        let players = &self.players;
        self.publication.events.next(at, |user| {
            let player = players.get(&user).filter(|player| player.proxy_trusts);
            player.is_some_and(|player| player.bound.lane.is_some_and(|lane| lane.at == at))
        })
    }
}
