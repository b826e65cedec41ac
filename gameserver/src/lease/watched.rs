//! A region that this node may serve, as it sees who holds it.

use protocol::ids::{NodeNumber, RegionEpoch};
use store::RegionHolder;

use super::leaving::Leaving;

/// A holder whose lease was not renewed for so long is dead, or cut off from the store, microseconds: four renewals.
pub const DEAD_AFTER_US: u64 = 3_000_000;
/// A holder whose process was seen and is seen no more, neither by the store nor over a link, is gone after so long, microseconds.
const GONE_AFTER_US: u64 = 300_000;
/// Each candidate waits so much longer than the one before it, microseconds.
const RANK_WAIT_US: u64 = 300_000;
/// Whoever is refused a region asks again after so long, microseconds: an operator is at it, or nobody.
const DENIED_US: u64 = 2_000_000;
/// Looks that are further apart than this tell nothing of the time in between: the store was away, and for the holder too.
const LOOKS_GAP_US: u64 = 1_000_000;

/// One region.
#[derive(Debug)]
pub(super) struct Watched {
    /// Who may serve it: first the one who is to, then the standbys in order.
    pub(super) candidates: Vec<NodeNumber>,
    /// How far it is on its way to them, where this node is none of them.
    pub(super) leaving: Leaving,
    /// By which epoch this process serves it.
    pub(super) served: Option<RegionEpoch>,
    look_at_us: u64,
    is_asking: bool,
    /// What the last look has shown, since when every look has shown the same, and when the last one was.
    seen: Option<(Option<RegionHolder>, u64, u64)>,
}

impl Watched {
    pub(super) fn new(candidates: Vec<NodeNumber>, now_us: u64) -> Self {
        Self {
            candidates,
            leaving: Leaving::default(),
            served: None,
            look_at_us: now_us,
            is_asking: false,
            seen: None,
        }
    }

    /// Whether the last look has shown a holder whose lease was not ended.
    pub(super) fn is_held(&self) -> bool {
        let holder = self.seen.and_then(|(holder, ..)| holder);
        holder.is_some_and(|holder| holder.live().is_some())
    }

    /// When it is to be looked at next; never while it is served or asked about.
    pub(super) fn look_at_us(&self) -> Option<u64> {
        (self.served.is_none() && !self.is_asking).then_some(self.look_at_us)
    }

    /// Whether a look begins now.
    pub(super) fn begin_look(&mut self, now_us: u64, every_us: u64) -> bool {
        let is_due = self.look_at_us().is_some_and(|at_us| at_us <= now_us);
        if is_due {
            self.is_asking = true;
            self.look_at_us = now_us + every_us;
        }
        is_due
    }

    /// The next look is due, unless one is under way.
    pub(super) fn look_now(&mut self, now_us: u64) {
        if !self.is_asking {
            self.look_at_us = self.look_at_us.min(now_us);
        }
    }

    pub(super) fn end_look(&mut self) {
        self.is_asking = false;
    }

    pub(super) fn looked(&mut self, holder: Option<RegionHolder>, now_us: u64) {
        // What else is told of the holder's node concerns its later starts.
        let sees = |holder: &RegionHolder| (holder.service, holder.since, holder.live());
        let goes_on = |(seen, _, last_us): &(Option<RegionHolder>, u64, u64)| {
            seen.as_ref().map(sees) == holder.as_ref().map(sees)
                && now_us.saturating_sub(*last_us) <= LOOKS_GAP_US
        };
        let since_us = self
            .seen
            .filter(goes_on)
            .map_or(now_us, |(_, since_us, _)| since_us);
        self.seen = Some((holder, since_us, now_us));
    }

    /// Who holds it by a lease that was not ended, as the last look has shown.
    pub(super) fn holder(&self) -> Option<RegionHolder> {
        let holder = self.seen.and_then(|(holder, ..)| holder);
        holder.filter(|holder| self.served.is_none() && holder.live().is_some())
    }

    /// Whether the region is free for `node`, which has shown for so long without a gap that it reaches the store. `gone_us`: for
    /// how long the holder's process has been seen to be gone.
    pub(super) fn may_take(
        &self,
        node: NodeNumber,
        streak_us: u64,
        gone_us: Option<u64>,
        now_us: u64,
    ) -> bool {
        let Some((holder, since_us, _)) = self.seen else {
            return false;
        };
        let unchanged_us = now_us.saturating_sub(since_us);
        let before = self.candidates.iter().take_while(|candidate| **candidate != node);
        let turn_us = |before: usize| RANK_WAIT_US * before as u64;
        match holder {
            Some(holder) if holder.live().is_some() => {
                // Who is dead has no turn.
                let turn_us = turn_us(
                    before
                        .filter(|candidate| **candidate != holder.service.node)
                        .count(),
                );
                let is_gone = gone_us.is_some_and(|gone_us| gone_us >= GONE_AFTER_US + turn_us);
                let is_silent = streak_us >= DEAD_AFTER_US && unchanged_us >= DEAD_AFTER_US + turn_us;
                is_gone || is_silent
            }
            Some(holder) if holder.service.node != node => unchanged_us >= turn_us(before.count()),
            // Nobody has it, or an earlier process of this node had: where all begin anew, who comes first may be about to.
            Some(_) | None => match before.count() {
                0 => true,
                count => unchanged_us >= DEAD_AFTER_US + turn_us(count),
            },
        }
    }

    pub(super) fn begin_take(&mut self) {
        self.is_asking = true;
    }

    pub(super) fn end_take(&mut self, now_us: u64) {
        self.is_asking = false;
        self.look_at_us = now_us;
    }

    /// The store gives it to this node by no means: it was not told yet that the topology lists it, or was told otherwise.
    pub(super) fn is_denied(&mut self, now_us: u64) {
        self.look_at_us = now_us + DENIED_US;
    }

    /// Another service has begun.
    pub(super) fn let_go(&mut self, now_us: u64) {
        self.served = None;
        self.leaving = Leaving::default();
        self.look_at_us = now_us;
        self.seen = None;
    }
}
