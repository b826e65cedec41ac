//! News: what the rules of a region say to a user who need not be theirs, or to all. The one exception to the rule that nobody but
//! the trusted owner speaks to a player, so it is bounded here, whatever a game server means: by who serves the region that it names, by
//! how much of a region, and by how much for a user.

use std::collections::BTreeMap;

use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::checked::CheckedNews;
use protocol::message::client;

use super::Edge;
use super::effect::EdgeEffect;
use super::input::SessionHandle;
use super::rate::Bucket;

/// What one region may say, to users and to all.
struct Rates {
    notify: Bucket,
    announce: Bucket,
}

/// Of every region that has said something: as many as the topology lists.
#[derive(Default)]
pub(super) struct NewsRates(BTreeMap<RegionNumber, Rates>);

impl NewsRates {
    /// Twice of what a region allows itself.
    fn takes(&mut self, news: &CheckedNews, now_ms: u64) -> bool {
        let rates = self.0.entry(news.from.0).or_insert_with(|| Rates {
            notify: Bucket::new(128, 512, now_ms),
            announce: Bucket::new(2, 8, now_ms),
        });
        match news.user {
            Some(_) => rates.notify.take(1, now_ms),
            None => rates.announce.take(1, now_ms),
        }
    }
}

/// What a user is told in a second, and at once.
pub(super) fn rate_of_user(now_ms: u64) -> Bucket {
    Bucket::new(32, 128, now_ms)
}

impl Edge {
    pub(super) fn news(&mut self, node: NodeNumber, news: &CheckedNews, now_ms: u64) {
        let (region, epoch) = news.from;
        if !self.servers.serves(node, region, epoch) {
            return self.effects.push(EdgeEffect::Refused("news_not_serving"));
        }
        if !self.news_rates.takes(news, now_ms) {
            return self.effects.push(EdgeEffect::Refused("news_too_many"));
        }
        match news.user {
            Some(user) => {
                if let Some(handle) = self.by_user.get(&user).copied() {
                    self.tell_news(handle, news, now_ms);
                }
            }
            None => {
                let handles: Vec<SessionHandle> = self.sessions.keys().map(SessionHandle).collect();
                for handle in handles {
                    self.tell_news(handle, news, now_ms);
                }
            }
        }
    }

    fn tell_news(&mut self, handle: SessionHandle, news: &CheckedNews, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        // Before its attach a client is told nothing but the world.
        if session.attached.is_none() {
            return;
        }
        if !session.news_rate.take(1, now_ms) {
            return self.effects.push(EdgeEffect::Refused("news_crowded"));
        }
        let told = client::News {
            region: news.from.0.0,
            to_all: news.user.is_none(),
            body: news.body.clone(),
        };
        self.effects.push(EdgeEffect::ToClient(handle, told.into()));
    }
}
