//! What the rules keep of their region, and of the world: what is known of it, and what the store has not yet.

use bytes::Bytes;
use game::limits::{REGION_STATE_BYTES_MAX, WORLD_STATE_MS_MAX};
use protocol::ids::StateVersion;
use store::{GameState, Serving, StateOf, StoreRequest};

/// What is kept of one of them.
#[derive(Debug)]
struct Kept {
    of: StateOf,
    /// `None` until the store has said it.
    state: Option<Bytes>,
    /// What a new beginning goes back to: the store has it, or is to have it.
    safe: Bytes,
    /// Of the row that was read last.
    serial: u64,
    version: StateVersion,
    is_changed: bool,
    is_under_way: bool,
    /// It is to be written at once: it was changed when the drain began.
    is_owed: bool,
    /// Not written before, milliseconds.
    due_ms: u64,
}

impl Kept {
    fn new(of: StateOf) -> Self {
        Self {
            of,
            state: None,
            safe: Bytes::new(),
            serial: 0,
            version: StateVersion(0),
            is_changed: false,
            is_under_way: false,
            is_owed: false,
            due_ms: 0,
        }
    }

    /// The question for what is newer than what is known.
    fn question(&self) -> StoreRequest {
        StoreRequest::ReadGameState {
            of: self.of,
            after: self.serial,
        }
    }

    /// What the store says; whether that is news.
    fn read(&mut self, found: Option<GameState>) -> bool {
        let is_first = self.state.is_none();
        if let Some(GameState { serial, state }) = found
            && serial > self.serial
        {
            self.serial = serial;
            self.safe = state;
        } else if !is_first {
            return false;
        }
        self.state = Some(self.safe.clone());
        true
    }

    fn set(&mut self, state: &[u8]) -> bool {
        let Some(before) = &mut self.state else {
            return false;
        };
        if state.len() > REGION_STATE_BYTES_MAX {
            return false;
        }
        if before != state {
            *before = Bytes::copy_from_slice(state);
            self.is_changed = true;
        }
        true
    }

    /// The next write, if it is time for one.
    fn begin(&mut self, serving: Serving, now_ms: u64) -> Option<StoreRequest> {
        if !self.is_changed || self.is_under_way || (now_ms < self.due_ms && !self.is_owed) {
            return None;
        }
        self.is_owed = false;
        let state = self.state.clone()?;
        self.safe = state.clone();
        self.version = StateVersion(self.version.0.saturating_add(1));
        (self.is_changed, self.is_under_way) = (false, true);
        Some(self.write(serving, state))
    }

    fn write(&self, serving: Serving, state: Bytes) -> StoreRequest {
        StoreRequest::SaveGameState {
            serving,
            of: self.of,
            version: self.version,
            state,
        }
    }

    fn begin_anew(&mut self) {
        if self.state.is_some() {
            self.state = Some(self.safe.clone());
        }
        (self.is_changed, self.is_owed) = (false, false);
    }

    /// In a drain what rules change from then on is not waited for: they may change it in each tick, for ever.
    fn unwritten(&self, draining: bool) -> usize {
        let waits = if draining { self.is_owed } else { self.is_changed };
        usize::from(waits || self.is_under_way)
    }
}

/// What one region keeps.
#[derive(Debug)]
pub(super) struct Keeping {
    region: Kept,
    world: Kept,
    writes_world: bool,
    /// When the world's is looked for again, milliseconds; never while a look has no answer.
    look_ms: Option<u64>,
}

impl Keeping {
    pub(super) fn new(serving: Serving, writes_world: bool) -> Self {
        Self {
            region: Kept::new(StateOf::Region(serving.region)),
            world: Kept::new(StateOf::World),
            writes_world,
            look_ms: None,
        }
    }

    fn of_mut(&mut self, of: StateOf) -> &mut Kept {
        match of {
            StateOf::Region(_) => &mut self.region,
            StateOf::World => &mut self.world,
        }
    }

    pub(super) fn region(&self) -> Option<&[u8]> {
        self.region.state.as_deref()
    }

    pub(super) fn world(&self) -> Option<&[u8]> {
        self.world.state.as_deref()
    }

    pub(super) fn set_region(&mut self, state: &[u8]) -> bool {
        self.region.set(state)
    }

    pub(super) fn set_world(&mut self, state: &[u8]) -> bool {
        self.writes_world && self.world.set(state)
    }

    /// Whether both are known.
    pub(super) fn is_known(&self) -> bool {
        self.region.state.is_some() && self.world.state.is_some()
    }

    /// Of those that the store has not as they are.
    pub(super) fn unwritten(&self, draining: bool) -> usize {
        self.region.unwritten(draining) + self.world.unwritten(draining)
    }

    /// What is changed by now is to be written before the end.
    pub(super) fn drain(&mut self) {
        for kept in [&mut self.region, &mut self.world] {
            kept.is_owed = kept.is_changed;
        }
    }

    /// The question for what is newer than what is known.
    pub(super) fn question(&mut self, of: StateOf) -> StoreRequest {
        self.of_mut(of).question()
    }

    /// What the store says. Whether the rules are to hear that they know more.
    pub(super) fn read(&mut self, of: StateOf, found: Option<GameState>, now_ms: u64) -> bool {
        if of == StateOf::World && !self.writes_world {
            self.look_ms = Some(now_ms + WORLD_STATE_MS_MAX);
        }
        self.of_mut(of).read(found) && self.is_known()
    }

    /// The question for a newer state of the world, if it is time for one.
    pub(super) fn look(&mut self, now_ms: u64) -> Option<StoreRequest> {
        self.look_ms.take_if(|look_ms| *look_ms <= now_ms)?;
        Some(self.world.question())
    }

    /// The next write, if it is time for one.
    pub(super) fn begin(&mut self, of: StateOf, serving: Serving, now_ms: u64) -> Option<StoreRequest> {
        self.of_mut(of).begin(serving, now_ms)
    }

    /// The write that is under way: sent again it changes nothing twice.
    pub(super) fn again(&mut self, of: StateOf, serving: Serving) -> StoreRequest {
        let kept = self.of_mut(of);
        kept.write(serving, kept.safe.clone())
    }

    /// It is answered, and no other one begins before that time, milliseconds.
    pub(super) fn end(&mut self, of: StateOf, due_ms: u64) {
        let kept = self.of_mut(of);
        (kept.is_under_way, kept.due_ms) = (false, due_ms);
    }

    /// What was not on its way to the store yet was done by rules that panicked.
    pub(super) fn begin_anew(&mut self) {
        self.region.begin_anew();
        self.world.begin_anew();
    }
}
