//! What rules say to a user who is not here, or to all: soft, once, and by way of the proxies.

use bytes::Bytes;
use protocol::ids::{LiveLane, UserId};
use protocol::limits::NEWS_BYTES_MAX;
use protocol::message::player::{Announce, Notify};
use store::{StoreReply, StoreRequest, StoreResult};

use super::asked::Asked;
use super::news::Reached;
use super::state::RegionState;

/// What the row says is believed for so long, milliseconds.
const KNOWN_MS: u64 = 5_000;
/// As much waits for the row of one user.
const WAITING_MAX: usize = 8;

impl RegionState {
    pub(super) fn notify_user(&mut self, user: UserId, body: Bytes) {
        let now_ms = self.now.mono_ms;
        if body.len() > NEWS_BYTES_MAX {
            return self.count("news_too_long");
        }
        if !self.news.notify.take(now_ms) {
            return self.count("news_too_many");
        }
        if let Some(player) = self.players.get(&user) {
            let lane = player.bound.lane;
            return self.tell_news(user, lane, body);
        }
        let has_room = self.news.has_room(now_ms);
        match self.news.users.get_mut(&user) {
            Some(Reached::Asked(waiting)) if waiting.len() < WAITING_MAX => waiting.push(body),
            Some(Reached::Asked(_)) => self.count("news_too_many"),
            Some(Reached::Known(proxy, until_ms)) if now_ms < *until_ms => {
                let lane = proxy.and_then(|proxy| self.proxies.lane_for(proxy, user));
                self.tell_news(user, lane, body);
            }
            _ if has_room => {
                self.news.users.insert(user, Reached::Asked(vec![body]));
                self.ask(Asked::Reached(user), StoreRequest::LoadPlayer { user });
            }
            _ => self.count("news_too_many"),
        }
    }

    /// The row of a user says at which proxy it is. Without an answer what waits is dropped.
    pub(super) fn reached_answer(&mut self, user: UserId, answer: StoreResult) {
        let Some(Reached::Asked(waiting)) = self.news.users.remove(&user) else {
            return;
        };
        let Ok(StoreReply::Player(row)) = answer else {
            return;
        };
        let owned = row.filter(|row| row.owner.is_some());
        let proxy = owned.and_then(|row| row.body.binding.proxy);
        let until_ms = self.now.mono_ms + KNOWN_MS;
        self.news.users.insert(user, Reached::Known(proxy, until_ms));
        let lane = proxy.and_then(|proxy| self.proxies.lane_for(proxy, user));
        for body in waiting {
            self.tell_news(user, lane, body);
        }
    }

    fn tell_news(&mut self, user: UserId, lane: Option<LiveLane>, body: Bytes) {
        let Some(lane) = lane else { return };
        let (region, region_epoch) = (self.config.number.0, self.config.epoch.0);
        let notify = Notify {
            user: user.0,
            region,
            region_epoch,
            body,
        };
        self.tell_proxy(lane, notify);
    }

    pub(super) fn announce_to_all(&mut self, body: &Bytes) {
        if body.len() > NEWS_BYTES_MAX {
            return self.count("news_too_long");
        }
        if !self.news.announce.take(self.now.mono_ms) {
            return self.count("news_too_many");
        }
        let lanes: Vec<LiveLane> = self.proxies.all().map(|arriving| arriving.lane).collect();
        for lane in lanes {
            let announce = Announce {
                region: self.config.number.0,
                region_epoch: self.config.epoch.0,
                body: body.clone(),
            };
            self.tell_proxy(lane, announce);
        }
    }
}
