//! A store that is exact, immediate and as faulty as a test wants it: for simulations under a made-up clock.
//!
//! A pure core: [`SimulatedStore::handle_request`] takes a request in, [`tick`](SimulatedStore::tick) moves time,
//! [`take_answers`](SimulatedStore::take_answers) brings answers out. Equal calls give equal answers.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod account_rows;
mod accounts;
mod creatures;
mod faults;
mod game_states;
mod guests;
mod leases;
mod regions;
mod reports;
mod sessions;
mod tables;
mod trades;
mod valuables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use faults::{Fault, FaultPlan, FaultRates};
pub use tables::{Condition, Tables};

use crate::{Store, StoreAnswer, StoreError, StoreRequest, StoreResult};

/// Tables with faults in front of them.
#[derive(Clone, Debug, Default)]
pub struct SimulatedStore {
    tables: Tables,
    faults: FaultPlan,
    requests: u64,
    // Keyed by time, then arrival, so that what is due at one time happens in order of arrival.
    late: BTreeMap<(u64, u64), Late>,
    answers: Vec<StoreAnswer>,
}

#[derive(Clone, Debug)]
struct Late {
    request: StoreRequest,
    correlation: Option<u64>,
}

impl SimulatedStore {
    /// An empty store.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    /// The rows as they are, for checks.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Replaces what goes wrong from now on; what is late already stays late.
    pub fn set_faults(&mut self, faults: FaultPlan) {
        self.faults = faults;
    }

    /// Has the statements lack a condition from now on, or none.
    pub fn leave_out(&mut self, condition: impl Into<Option<Condition>>) {
        self.tables.leave_out(condition.into());
    }

    /// Carries out a request at once and without faults: to prepare a scene, or to look at one.
    ///
    /// # Errors
    /// As [`Tables::apply`].
    pub fn apply(&mut self, request: &StoreRequest) -> StoreResult {
        self.tables.apply(request)
    }

    /// Takes a request in. Its answer comes out under `correlation`, now or at a later tick.
    pub fn handle_request(&mut self, correlation: u64, request: StoreRequest, now_ms: u64) {
        self.tick(now_ms);
        let number = self.requests;
        self.requests += 1;
        let unknown = || Err(StoreError::Unknown("simulated".to_owned()));
        let result = match self.faults.fault(number, now_ms) {
            None => self.tables.apply(&request),
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("simulated".to_owned())),
            Some(Fault::UnknownLost) => unknown(),
            Some(Fault::UnknownApplied) => self.tables.apply(&request).and_then(|_| unknown()),
            Some(Fault::UnknownLate(delay_ms)) => {
                self.late.insert(
                    (now_ms + delay_ms, number),
                    Late {
                        request,
                        correlation: None,
                    },
                );
                unknown()
            }
            Some(Fault::Slow(delay_ms)) => {
                let late = Late {
                    request,
                    correlation: Some(correlation),
                };
                self.late.insert((now_ms + delay_ms, number), late);
                return;
            }
        };
        self.answers.push(StoreAnswer { correlation, result });
    }

    /// When something late happens next, milliseconds.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.late.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    /// Lets everything happen that is due by now.
    pub fn tick(&mut self, now_ms: u64) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let (due_ms, _) = *entry.key();
            let Late { request, correlation } = entry.remove();
            self.tables.set_now_ms(due_ms);
            let result = self.tables.apply(&request);
            self.answers
                .extend(correlation.map(|correlation| StoreAnswer { correlation, result }));
        }
        self.tables.set_now_ms(now_ms);
    }

    /// Answers ready since the last call, in order.
    pub fn take_answers(&mut self) -> Vec<StoreAnswer> {
        std::mem::take(&mut self.answers)
    }
}

/// A simulated store behind the trait, without faults. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct SharedSimulatedStore(Arc<Mutex<SimulatedStore>>);

impl SharedSimulatedStore {
    /// Moves the store's clock.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).tick(now_ms);
    }
}

impl Store for SharedSimulatedStore {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|request| store.apply(request)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreReply;
    use protocol::ids::{NodeNumber, UserId};

    fn plan(fault: Fault) -> FaultPlan {
        FaultPlan {
            script: BTreeMap::from([(0, fault)]),
            ..FaultPlan::default()
        }
    }

    /// Sends the first guest request under `fault`; says what was answered by each time, and who the next guest is.
    fn outcome(fault: Fault) -> (usize, Option<StoreResult>, u64) {
        let mut store = SimulatedStore::new(plan(fault));
        store.handle_request(7, StoreRequest::NextGuest, 100);
        let at_once = store.take_answers();
        store.tick(store.next_due_ms().unwrap_or(100));
        let answers: Vec<_> = at_once.iter().cloned().chain(store.take_answers()).collect();
        assert_eq!(answers.len(), 1, "exactly one answer");
        let Ok(StoreReply::Guest(UserId(next))) = store.apply(&StoreRequest::NextGuest) else {
            panic!()
        };
        (
            at_once.len(),
            answers.first().map(|answer| answer.result.clone()),
            next - (1 << 40),
        )
    }

    #[test]
    fn each_fault_applies_or_not_as_it_says() {
        let unknown = Some(Err(StoreError::Unknown("simulated".to_owned())));
        let first = Some(Ok(StoreReply::Guest(UserId(1 << 40))));
        assert_eq!(outcome(Fault::Slow(20)), (0, first, 1));
        assert_eq!(outcome(Fault::UnknownApplied), (1, unknown.clone(), 1));
        assert_eq!(outcome(Fault::UnknownLate(20)), (1, unknown.clone(), 1));
        assert_eq!(outcome(Fault::UnknownLost), (1, unknown, 0));
        assert_eq!(outcome(Fault::Unavailable).2, 0);
    }

    #[test]
    fn windows_and_seeds_repeat_exactly() {
        let rates = FaultRates {
            slow: 100,
            unavailable: 100,
            unknown_applied: 100,
            unknown_lost: 100,
            unknown_late: 100,
        };
        let run = |seed| {
            let mut store = SimulatedStore::new(FaultPlan {
                rates,
                seed,
                away: vec![50..60, 70..72],
                ..FaultPlan::default()
            });
            for now_ms in 0..200 {
                store.handle_request(now_ms, StoreRequest::StartNode { node: NodeNumber(1) }, now_ms);
            }
            store.tick(10_000);
            store.take_answers()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        let failed = |answer: &&StoreAnswer| matches!(answer.result, Err(StoreError::Unavailable(_)));
        let answers = run(5);
        assert!(
            answers
                .iter()
                .filter(|answer| (50..60).contains(&answer.correlation))
                .all(|a| failed(&a))
        );
        assert_eq!(answers.len(), 200, "every request is answered");
    }
}
