//! Players who may be about to arrive, as the target of a handover (B) remembers them. A shadow is only a reason to look
//! at the row, and only the row lets a player arrive. Messages that come before their player are kept for a moment.

use std::collections::BTreeMap;

use protocol::ids::{AttemptId, LiveLane, NodeNumber, OwnerEpoch, RegionNumber, StateVersion, UserId};
use protocol::message::checked::{CheckedClaim, UserWord};
use protocol::message::handover::Done;
use store::{Belongings, PlayerRow, Serving, StoreRequest};

use crate::region::asked::{Asked, HoldingsQuestion};
use crate::region::outgoing::Outgoing;

/// The row of a shadow is read again this often, milliseconds.
const READ_MS: u64 = 200;
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

/// Who prepared or committed a handover to here, and of which version of the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) node: NodeNumber,
    pub(super) region: RegionNumber,
    pub(super) attempt: AttemptId,
    pub(super) version: StateVersion,
}

impl Sender {
    /// That the player is here, or is nobody's any more that was announced.
    pub(super) fn done(self, by: RegionNumber, user: UserId, epoch: OwnerEpoch) -> Done {
        let claim = CheckedClaim {
            user,
            owner_epoch: epoch,
            version: self.version,
        };
        Done {
            from_region: by.0,
            to_region: self.region.0,
            attempt: self.attempt.0,
            claims: vec![claim.into()],
        }
    }
}

#[derive(Clone, Debug)]
struct Arrival {
    /// The epoch under which the player is to be active here.
    epoch: OwnerEpoch,
    sender: Option<Sender>,
    committed: bool,
    since_ms: u64,
    read_at_ms: u64,
    reading: bool,
    /// A row that makes the player active, while its holdings are read.
    row: Option<PlayerRow>,
    held: Held,
    early: Vec<(u64, LiveLane, UserWord)>,
    /// Somebody changed the holdings meanwhile.
    refresh: bool,
    /// The cell of the region in which a place is kept.
    place: Option<u32>,
}

/// What the player holds, read when the handover was surely committed: before that its former server may still change it.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Unasked,
    Asked(HoldingsQuestion),
    Read(Belongings),
}

impl Arrival {
    fn new(epoch: OwnerEpoch, now_ms: u64) -> Self {
        Self {
            epoch,
            sender: None,
            committed: false,
            since_ms: now_ms,
            read_at_ms: now_ms + READ_MS,
            reading: false,
            row: None,
            held: Held::Unasked,
            early: Vec::new(),
            refresh: false,
            place: None,
        }
    }

    fn shadow(&mut self, epoch: OwnerEpoch, sender: Sender, now_ms: u64) {
        if self.sender.is_none_or(|known| known.attempt != sender.attempt) {
            self.since_ms = now_ms;
            self.row = None;
            self.held = Held::Unasked;
            self.committed = false;
        }
        self.epoch = epoch;
        self.sender = Some(sender);
    }

    /// What a row that was read means for whoever is to arrive at the service `own`.
    fn judge(&self, own: Serving, row: &PlayerRow, now_ms: u64) -> RowSays {
        if row.owner_epoch < self.epoch {
            let again = self.committed && self.read_at_ms <= now_ms;
            return if again {
                RowSays::ReadAgain
            } else {
                RowSays::Nothing
            };
        }
        let named = row.owner == Some(own.node) && row.region == own.region && row.owner_epoch == self.epoch;
        if !named || row.region_epoch != own.region_epoch {
            return RowSays::Elsewhere;
        }
        let attempt = self.sender.map_or(row.attempt, |sender| sender.attempt);
        if row.attempt != attempt {
            // Another attempt was committed; its own Commit will say which.
            RowSays::Nothing
        } else if attempt == AttemptId(0) {
            RowSays::Elsewhere
        } else {
            RowSays::Here
        }
    }
}

/// What a row says of somebody who may be about to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowSays {
    /// Nothing yet.
    Nothing,
    /// It was read before the news of a commit had come.
    ReadAgain,
    /// The player is this region's.
    Here,
    /// The player is somebody else's, or an earlier service's of this region.
    Elsewhere,
}

/// Somebody whom the row has named, with everything that was waited for.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) row: PlayerRow,
    pub(super) has: Belongings,
    pub(super) sender: Option<Sender>,
    pub(super) early: Vec<(LiveLane, UserWord)>,
    pub(super) refresh: bool,
}

/// Somebody who is not to arrive.
#[derive(Debug)]
pub(super) struct TurnedAway {
    /// The epoch at which the player was expected, and who has to hear that it is done.
    pub(super) done: Option<(OwnerEpoch, Sender)>,
    /// The lane that has spoken of the player.
    pub(super) lane: Option<LiveLane>,
}

/// Players who may be about to arrive.
#[derive(Debug)]
pub(in crate::region) struct Arrivals {
    own: Serving,
    by_user: BTreeMap<UserId, Arrival>,
    last_question: HoldingsQuestion,
}

impl Arrivals {
    /// At the region that is served so.
    pub(in crate::region) fn new(own: Serving) -> Self {
        Self {
            own,
            by_user: BTreeMap::new(),
            last_question: HoldingsQuestion::default(),
        }
    }

    /// Whether as many are announced as may be.
    pub(super) fn is_full(&self) -> bool {
        self.announced() >= ARRIVALS_MAX
    }

    /// Keeps a place in a cell of the region for whoever is announced.
    pub(super) fn keep_place(&mut self, user: UserId, cell: Option<u32>) {
        if let Some(arrival) = self.by_user.get_mut(&user) {
            arrival.place = cell;
        }
    }

    /// How many places are kept in a cell for others than these.
    pub(in crate::region) fn places_kept(&self, cell: u32, but_for: &[UserId]) -> usize {
        let arrivals = self.by_user.iter();
        let others =
            arrivals.filter(|(user, arrival)| arrival.place == Some(cell) && !but_for.contains(user));
        others.count()
    }

    /// Whether a shadow of this is newer than what is here, or the same once more.
    pub(super) fn is_news(&self, user: UserId, epoch: OwnerEpoch, sender: Sender) -> bool {
        let Some(arrival) = self.by_user.get(&user) else {
            return true;
        };
        // Of two nodes that both announce the player, the row knows which one had it.
        let Some(known) = arrival.sender.filter(|known| known.node == sender.node) else {
            return true;
        };
        let (have, news) = ((arrival.epoch, known.version), (epoch, sender.version));
        news > have || (news == have && known.attempt == sender.attempt)
    }

    /// `Prepare`: a shadow is kept.
    pub(super) fn prepare(&mut self, user: UserId, epoch: OwnerEpoch, sender: Sender, now_ms: u64) {
        self.entry(user, epoch, now_ms).shadow(epoch, sender, now_ms);
    }

    /// `Commit`: whether the row is to be read for it.
    pub(super) fn commit(&mut self, user: UserId, epoch: OwnerEpoch, sender: Sender, now_ms: u64) -> bool {
        match self.by_user.get(&user) {
            Some(arrival) => {
                let same_node = arrival.sender.is_some_and(|known| known.node == sender.node);
                if same_node && arrival.epoch > epoch {
                    return false;
                }
            }
            None if self.is_full() => return false,
            None => {}
        }
        let arrival = self.entry(user, epoch, now_ms);
        arrival.shadow(epoch, sender, now_ms);
        arrival.committed = true;
        true
    }

    /// A word for a player that is not here at that epoch: kept for a moment, while the row is asked.
    pub(super) fn keep_early(&mut self, lane: LiveLane, word: UserWord, now_ms: u64, out: &mut Outgoing) {
        let (user, epoch) = (word.user, word.owner_epoch);
        let is_new = !self.by_user.contains_key(&user);
        if is_new && self.len() - self.announced() >= EARLY_ONLY_MAX {
            return out.count("early_full");
        }
        let arrival = self.entry(user, epoch, now_ms);
        if arrival.epoch != epoch || arrival.early.len() >= EARLY_MAX {
            return out.count("early_refused");
        }
        arrival.early.push((now_ms, lane, word));
        if is_new {
            self.read_row(user, now_ms, out);
        }
    }

    /// Asks the store what became of the player.
    pub(in crate::region) fn read_row(&mut self, user: UserId, now_ms: u64, out: &mut Outgoing) {
        let Some(arrival) = self.by_user.get_mut(&user) else {
            return;
        };
        if arrival.reading {
            // What is being read may be older than the news: once more, as soon as it is there.
            arrival.read_at_ms = now_ms;
            return;
        }
        let is_fresh = now_ms.saturating_sub(arrival.since_ms) < EARLY_MS;
        arrival.reading = true;
        arrival.read_at_ms = now_ms + if is_fresh { READ_MS } else { READ_SLOWLY_MS };
        arrival.row = None;
        arrival.held = Held::Unasked;
        let is_committed = arrival.committed;
        out.ask(Asked::Arrival(user), StoreRequest::LoadPlayer { user });
        if is_committed {
            self.read_holdings(user, out);
        }
    }

    fn read_holdings(&mut self, user: UserId, out: &mut Outgoing) {
        let Some(arrival) = self.by_user.get_mut(&user) else {
            return;
        };
        let question = HoldingsQuestion(self.last_question.0 + 1);
        self.last_question = question;
        arrival.held = Held::Asked(question);
        out.ask(
            Asked::ArrivalHoldings(user, question),
            StoreRequest::HoldingsOf { user },
        );
    }

    /// What the store has answered: no row means nobody to arrive, no answer that the timer asks again.
    /// Once the row is here, and with it the handover's commit, holdings are asked for unless they are.
    pub(super) fn row_read(
        &mut self,
        user: UserId,
        row: Option<&PlayerRow>,
        now_ms: u64,
        out: &mut Outgoing,
    ) -> RowSays {
        let Some(arrival) = self.by_user.get_mut(&user) else {
            return RowSays::Nothing;
        };
        arrival.reading = false;
        let Some(row) = row else { return RowSays::Nothing };
        let says = arrival.judge(self.own, row, now_ms);
        if says == RowSays::Here {
            arrival.row = Some(row.clone());
            if arrival.held == Held::Unasked {
                self.read_holdings(user, out);
            }
        }
        says
    }

    pub(super) fn holdings_read(&mut self, user: UserId, question: HoldingsQuestion, has: Belongings) {
        if let Some(arrival) = self.by_user.get_mut(&user)
            && arrival.held == Held::Asked(question)
        {
            arrival.held = Held::Read(has);
        }
    }

    /// Takes a player whom the row has named, once its holdings are known too.
    pub(super) fn take_arrived(&mut self, user: UserId) -> Option<Arrived> {
        let is_complete = |arrival: &Arrival| arrival.row.is_some() && matches!(arrival.held, Held::Read(_));
        if !self.by_user.get(&user).is_some_and(is_complete) {
            return None;
        }
        let arrival = self.by_user.remove(&user)?;
        let (Some(row), Held::Read(has)) = (arrival.row, arrival.held) else {
            return None;
        };
        let early = arrival.early.into_iter();
        Some(Arrived {
            row,
            has,
            sender: arrival.sender,
            early: early.map(|(_, lane, word)| (lane, word)).collect(),
            refresh: arrival.refresh,
        })
    }

    /// Nobody is to arrive.
    pub(super) fn turn_away(&mut self, user: UserId) -> Option<TurnedAway> {
        let arrival = self.by_user.remove(&user)?;
        let sender = arrival.sender.filter(|_| arrival.committed);
        Some(TurnedAway {
            done: sender.map(|sender| (arrival.epoch, sender)),
            lane: arrival.early.first().map(|(_, lane, _)| *lane),
        })
    }

    /// Forgets who did not come: shadows and messages that are too old.
    pub(super) fn take_over(&mut self, now_ms: u64) -> Vec<UserId> {
        let over = self.by_user.extract_if(.., |_, arrival| {
            let early = &mut arrival.early;
            early.retain(|(at_ms, ..)| now_ms.saturating_sub(*at_ms) < EARLY_MS);
            let is_shadow = arrival.sender.is_some() && now_ms.saturating_sub(arrival.since_ms) < SHADOW_MS;
            !is_shadow && arrival.early.is_empty()
        });
        over.map(|(user, _)| user).collect()
    }

    /// Reads rows again whose time has come.
    pub(super) fn read_again(&mut self, now_ms: u64, out: &mut Outgoing) {
        let arrivals = self.by_user.iter();
        let due = arrivals.filter(|(_, arrival)| !arrival.reading && arrival.read_at_ms <= now_ms);
        let users: Vec<UserId> = due.map(|(user, _)| *user).collect();
        for user in users {
            self.read_row(user, now_ms, out);
        }
    }

    /// Has the holdings of an arrival read once more; whether there is one.
    pub(in crate::region) fn refresh_again(&mut self, user: UserId) -> bool {
        let arrival = self.by_user.get_mut(&user);
        arrival.map(|arrival| arrival.refresh = true).is_some()
    }

    /// Whether exactly this row is what an arrival waits for.
    pub(in crate::region) fn is_due(&self, row: &PlayerRow) -> bool {
        self.by_user.get(&row.user).is_some_and(|arrival| {
            let attempt = arrival.sender.map(|sender| sender.attempt);
            arrival.epoch == row.owner_epoch && attempt == Some(row.attempt)
        })
    }

    /// Whether the user may be about to arrive.
    pub(in crate::region) fn expects(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    pub(in crate::region) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Arrivals that a source has announced.
    fn announced(&self) -> usize {
        let arrivals = self.by_user.values();
        arrivals.filter(|arrival| arrival.sender.is_some()).count()
    }

    fn entry(&mut self, user: UserId, epoch: OwnerEpoch, now_ms: u64) -> &mut Arrival {
        let entry = self.by_user.entry(user);
        entry.or_insert_with(|| Arrival::new(epoch, now_ms))
    }
}

/// What a target does that leaves out a rule on purpose.
#[cfg(feature = "broken-rules")]
impl Arrivals {
    /// Without R3 or R7, the row as it would be if the handover had been committed.
    pub(super) fn presumed(&self, without: Option<super::rule::HandoverRule>, row: PlayerRow) -> PlayerRow {
        use super::rule::HandoverRule;
        let Some(arrival) = self.by_user.get(&row.user) else {
            return row;
        };
        let rule = if arrival.committed {
            HandoverRule::ReadBeforeActive
        } else {
            HandoverRule::NoSelfPromotion
        };
        match arrival.sender.filter(|_| without == Some(rule)) {
            None => row,
            Some(sender) => PlayerRow {
                owner: Some(self.own.node),
                region: self.own.region,
                region_epoch: self.own.region_epoch,
                owner_epoch: arrival.epoch,
                attempt: sender.attempt,
                ..row
            },
        }
    }
}

#[cfg(test)]
mod tests;
