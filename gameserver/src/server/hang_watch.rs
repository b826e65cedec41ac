//! Sees rules that do not come back from a call. Their region can do nothing about it, nor can any other of the process, so
//! the process ends, and names the method. A command at which it happened is written down as refused before, so that it
//! hangs neither the next process nor a server that takes the region over.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use node::life::{Fatal, Loss, Owners};
use prost::Message as _;
use protocol::ids::{NodeNumber, RegionNumber, StateVersion, UserId};
use protocol::message::handover::PlayerState;
use store::request::DurableCommit;
use store::{
    CommitOutcome, PlayerRow, PlayerSave, Serving, StoreHandle, StorePort, StoreReply, StoreRequest,
    StoreResult,
};

use crate::region::{Call, Calling, Commanded};

/// In the same call for so many successive looks, which are 100 ms apart, rules count as hanging.
const LOOKS_MAX: u32 = 20;
/// How long it may take to write the command down.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was sent before may have written the row meanwhile: so often it is tried.
const TRIES_MAX: usize = 4;
/// Why there is nothing to write any more.
const OF_ANOTHER: &str = "its player is another server's by now";

/// What the rules of the regions of a process are at. Clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<Mutex<BTreeMap<RegionNumber, Calling>>>);

impl Calls {
    /// Of a region that is about to be made.
    pub(super) fn of(&self, region: RegionNumber) -> Calling {
        let calling = Calling::default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(region, calling.clone());
        calling
    }

    fn look(&self) -> Vec<(RegionNumber, Call)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = all
            .iter()
            .filter_map(|(region, calling)| Some((*region, calling.look()?)));
        calls.collect()
    }
}

/// Watches as long as it is there.
pub(super) struct HangWatch {
    /// The watch keeps no store open.
    _store: Arc<StoreHandle>,
}

impl HangWatch {
    /// Looks whenever the pulses of `owners` are looked at.
    pub(super) fn start(owners: &Owners, calls: &Calls, store: StoreHandle, node: NodeNumber) -> Self {
        let store = Arc::new(store);
        let (weak, calls, fails) = (Arc::downgrade(&store), calls.clone(), owners.clone());
        let mut hanging = Hanging::default();
        owners.at_each_look(move || {
            if let Some((region, call)) = hanging.look(&calls.look()) {
                end(fails.clone(), weak.clone(), node, region, call);
            }
        });
        Self { _store: store }
    }
}

/// How often each call was seen.
#[derive(Debug, Default)]
struct Hanging {
    seen: Vec<(RegionNumber, Call, u32)>,
    is_told: bool,
}

impl Hanging {
    /// Takes a look in; the first call that hangs, once.
    fn look(&mut self, now: &[(RegionNumber, Call)]) -> Option<(RegionNumber, Call)> {
        let looks = |seen: &[(RegionNumber, Call, u32)], one: &(RegionNumber, Call)| {
            let before = seen.iter().find(|(region, call, _)| (*region, *call) == *one);
            before.map_or(1, |(_, _, looks)| looks + 1)
        };
        let seen = now.iter().map(|one| (one.0, one.1, looks(&self.seen, one)));
        self.seen = seen.collect();
        let hung = self.seen.iter().find(|(_, _, looks)| *looks >= LOOKS_MAX);
        let hung = hung.map(|(region, call, _)| (*region, *call));
        hung.filter(|_| !std::mem::replace(&mut self.is_told, true))
    }
}

/// Ends the process, once what rules hang at is written down.
fn end(owners: Owners, store: Weak<StoreHandle>, node: NodeNumber, region: RegionNumber, call: Call) {
    let Call {
        callback, command, ..
    } = call;
    tracing::error!(%region, callback, "the rules of the game do not come back: the process ends");
    let fatal = Fatal {
        thread: "world".to_owned(),
        loss: Loss::Hung(callback),
    };
    let failing = owners.clone();
    let write = move || {
        if let (Some(command), Some(store)) = (command, store.upgrade()) {
            let Commanded { user, number, .. } = command;
            match refuse(&store, node, command) {
                Ok(()) => tracing::warn!(%user, number, "the command is refused when it comes again"),
                Err(why) => tracing::error!(%user, number, why, "the command may come again as it is"),
            }
        }
        owners.fail(fatal);
    };
    // Without a thread nothing is written down.
    if std::thread::Builder::new()
        .name("refuse".to_owned())
        .spawn(write)
        .is_err()
    {
        failing.fail(Fatal {
            thread: "world".to_owned(),
            loss: Loss::Hung(callback),
        });
    }
}

/// Asks one thing after the other, for a thread that may wait.
struct Asking {
    port: StorePort,
    woken: Receiver<()>,
    until: Instant,
}

impl Asking {
    fn ask(&self, request: StoreRequest) -> Result<StoreResult, &'static str> {
        self.port.send(0, request);
        let mut answers = Vec::new();
        while answers.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now());
            self.woken
                .recv_timeout(left)
                .map_err(|_| "the store does not answer in time")?;
            self.port.take_answers(&mut answers);
        }
        answers
            .pop()
            .map(|answer| answer.result)
            .ok_or("the store does not answer")
    }

    /// Whether somebody else owns the player by now, or serves the region in which it stands and will own it.
    fn is_of_another(&self, user: UserId, node: NodeNumber) -> Result<bool, &'static str> {
        let Ok(StoreReply::Owner(Some(owner))) = self.ask(StoreRequest::ReadOwner { user })? else {
            return Err("its player's row cannot be read");
        };
        let region = owner.region;
        let Ok(StoreReply::Service(newest)) = self.ask(StoreRequest::ReadService { region })? else {
            return Err("it cannot be read who serves its player's region");
        };
        Ok(owner.node != Some(node) || newest.is_none_or(|serving| serving.node != node))
    }
}

/// Writes into the player's row that this command is to be refused.
fn refuse(store: &StoreHandle, node: NodeNumber, command: Commanded) -> Result<(), &'static str> {
    let (wake, woken) = channel();
    let asking = Asking {
        port: store.port(move || {
            // Who asks may have stopped waiting.
            let _ = wake.send(());
        }),
        woken,
        until: Instant::now() + PATIENCE,
    };
    let user = command.user;
    for _ in 0..TRIES_MAX {
        let read = asking.ask(StoreRequest::LoadPlayer { user })?;
        let Ok(StoreReply::Player(Some(row))) = read else {
            return Err("its player's row cannot be read");
        };
        let commits = vec![refusing(&row, node, command)?];
        let serving = Serving {
            node,
            region: row.region,
            region_epoch: row.region_epoch,
        };
        let answer = asking.ask(StoreRequest::CommitDurable { serving, commits })?;
        let Ok(StoreReply::Committed(outcomes)) = answer else {
            return Err("the store takes no write");
        };
        if outcomes == [CommitOutcome::Applied] {
            return Ok(());
        }
        // Else it was written meanwhile by what was sent before.
        if outcomes == [CommitOutcome::FencedByEpoch] && asking.is_of_another(user, node)? {
            return Err(OF_ANOTHER);
        }
    }
    Err("its player's row is written again and again")
}

/// The row as it is, but for the command.
fn refusing(row: &PlayerRow, node: NodeNumber, command: Commanded) -> Result<DurableCommit, &'static str> {
    let state = PlayerState::decode(row.body.state.clone()).map_err(|_| "its player's row is damaged")?;
    if row.owner != Some(node) {
        return Err(OF_ANOTHER);
    }
    if row.body.binding.session_generation != command.session {
        return Err("its session is over");
    }
    let state = PlayerState {
        refused_command: command.number,
        ..state
    };
    let mut body = row.body.clone();
    body.state = state.encode_to_vec().into();
    Ok(DurableCommit {
        save: PlayerSave {
            user: row.user,
            owner_epoch: row.owner_epoch,
            version: StateVersion(row.version.0 + 1),
            body,
        },
        changes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{AttemptId, EntityId, OwnerEpoch, SessionGeneration};
    use store::simulated::SharedSimulatedStore;
    use store::{PlayerBody, Store, StoreSettings};

    fn call(count: u64) -> Call {
        Call {
            count,
            callback: "tick",
            command: None,
        }
    }

    #[test]
    fn the_same_call_of_a_region_hangs_after_20_successive_looks_and_is_told_once() {
        let (east, west) = (RegionNumber(1), RegionNumber(2));
        let mut hanging = Hanging::default();
        let mut looks =
            |count: u32, now: &[(RegionNumber, Call)]| (0..count).filter_map(|_| hanging.look(now)).last();
        assert_eq!(looks(19, &[(east, call(1)), (west, call(1))]), None);
        assert_eq!(
            looks(1, &[(east, call(3))]),
            None,
            "it has moved, the other one waits"
        );
        assert_eq!(looks(18, &[(west, call(1)), (east, call(3))]), None);
        assert_eq!(
            looks(1, &[(west, call(3)), (east, call(3))]),
            Some((east, call(3)))
        );
        assert_eq!(looks(100, &[(east, call(3))]), None, "it is told once");
    }

    #[test]
    fn a_command_is_refused_in_its_players_row_until_another_server_has_come() {
        let store = SharedSimulatedStore::default();
        let ask = |request: StoreRequest| store.execute(&[request]).remove(0).unwrap();
        let (me, other, region, user) = (NodeNumber(1), NodeNumber(2), RegionNumber(1), UserId(11));
        let serve = |node, after| match ask(StoreRequest::ServeRegion { region, node, after }) {
            StoreReply::Serving(epoch) => epoch,
            reply => panic!("{reply:?}"),
        };
        let region_epoch = serve(me, None);
        let row = PlayerRow {
            user,
            owner: Some(me),
            region,
            region_epoch,
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(0),
            entity: EntityId(7),
            body: PlayerBody::default(),
        };
        ask(StoreRequest::InsertPlayer { row });
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let (handle, _threads) = StoreHandle::spawn(&shared, StoreSettings::default()).unwrap();
        let command = Commanded {
            user,
            session: SessionGeneration(0),
            number: 5,
        };
        assert_eq!(refuse(&handle, me, command), Ok(()));
        let StoreReply::Player(Some(row)) = ask(StoreRequest::LoadPlayer { user }) else {
            panic!("nobody");
        };
        let state = PlayerState::decode(row.body.state).unwrap();
        assert_eq!(state.refused_command, 5);
        // Who has come has not taken the player yet.
        serve(other, Some(region_epoch));
        assert_eq!(refuse(&handle, me, command), Err(OF_ANOTHER));
    }
}
