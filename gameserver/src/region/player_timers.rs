//! Timers of players: whose are due in which tick of this region.

use protocol::ids::UserId;

use super::player::Phase;
use super::state::{Notice, RegionState};

impl RegionState {
    /// Has the rules called for a player in so many ticks.
    pub(super) fn set_player_timer(&mut self, user: UserId, ticks: u64, token: u64) -> bool {
        let due = self.tick.0.saturating_add(ticks.max(1));
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return false;
        };
        // What is captured for whoever gets the player is captured.
        if matches!(player.phase, Phase::Frozen(_) | Phase::Leaving) || !player.timers.set(due, token) {
            return false;
        }
        player.writes.mark(now_ms);
        self.player_timers.insert((due, user));
        true
    }

    pub(super) fn cancel_player_timer(&mut self, user: UserId, token: u64) {
        let now_ms = self.now.mono_ms;
        if let Some(player) = self.players.get_mut(&user)
            && !matches!(player.phase, Phase::Frozen(_) | Phase::Leaving)
        {
            player.timers.cancel(token);
            player.writes.mark(now_ms);
        }
    }

    /// A player has come with its timers.
    pub(super) fn watch_player_timers(&mut self, user: UserId) {
        let next = self.players.get(&user).and_then(|player| player.timers.next());
        self.player_timers.extend(next.map(|due| (due, user)));
    }

    /// Has the rules hear of those that are due. Of whoever is on its way they wait: there it is decided where they go on.
    pub(super) fn take_player_timers(&mut self) {
        let (tick, now_ms) = (self.tick.0, self.now.mono_ms);
        while let Some(&(due, user)) = self.player_timers.first()
            && due <= tick
        {
            self.player_timers.pop_first();
            let Some(player) = self.players.get_mut(&user) else {
                continue;
            };
            if player.phase != Phase::Active {
                self.player_timers.insert((tick + 1, user));
                continue;
            }
            while let Some(token) = player.timers.take_due(tick) {
                player.writes.mark(now_ms);
                self.notices.push_back(Notice::PlayerTimer(user, token));
            }
            self.watch_player_timers(user);
        }
    }
}
