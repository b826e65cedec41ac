//! The census: what the store says was applied for whom, who holds what, and which region simulates whom. Whoever counts
//! whether anything was lost or doubled compares it with what players were told.

use std::collections::BTreeSet;
use std::time::Duration;

use node::admin::StatusBoard;
use protocol::ids::UserId;
use serde_json::{Value, json};
use store::limits::CENSUS_ROWS_MAX;
use store::reply::HoldingCount;
use store::{Holder, Holding, StoreHandle, StoreReply, StoreRequest};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::world_mailbox::{Mailbox, Order, Search};
use crate::region::Whereabouts;

/// Questions that may wait.
const QUESTIONS_MAX: usize = 16;
/// How long the world may take to say who is here.
const WORLD_PATIENCE: Duration = Duration::from_secs(2);

struct Question {
    query: String,
    answer: oneshot::Sender<Result<Value, String>>,
}

/// Whom a question is for, and what it asks.
#[derive(Debug, PartialEq)]
enum Asked {
    Store(StoreRequest),
    World(BTreeSet<UserId>),
}

/// Answers `/census`. From the store: `?chains=7,9` the command chains of these users, `?holdings=ID` all holdings above
/// this id, a page at a time; `?holdings=` from the first one; `?counts=` how many of each
/// kind there are, and were ever made and destroyed. From the world: `?players=7,9` which of these users are in
/// which region of this server.
pub(super) struct CensusTask {
    store: StoreHandle,
    world: Mailbox,
    questions: mpsc::Receiver<Question>,
}

impl CensusTask {
    /// From now on questions asked of `board` wait for the task.
    pub(super) fn new(board: &StatusBoard, store: StoreHandle, world: Mailbox) -> Self {
        // The board outlives the store, which closes when the last handle is gone: it gets a channel instead of one.
        let (to, questions) = mpsc::channel(QUESTIONS_MAX);
        board.answer_census(move |query| {
            let to = to.clone();
            Box::pin(async move {
                let (answer, answered) = oneshot::channel();
                let full = |_| "too many ask, or the server stops".to_owned();
                to.try_send(Question { query, answer }).map_err(full)?;
                answered
                    .await
                    .unwrap_or_else(|_| Err("the server stops".to_owned()))
            })
        });
        Self {
            store,
            world,
            questions,
        }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                question = self.questions.recv() => {
                    let Some(question) = question else { return };
                    let answer = self.answer(&question.query).await;
                    let _ = question.answer.send(answer);
                }
            }
        }
    }

    async fn answer(&self, query: &str) -> Result<Value, String> {
        match asked(query)? {
            Asked::Store(request) => {
                let reply = self.store.ask(request).await;
                let reply = reply.map_err(|error| error.to_string())?;
                answer(reply).ok_or_else(|| "the store gave another answer".to_owned())
            }
            Asked::World(users) => self.find(users).await,
        }
    }

    async fn find(&self, users: BTreeSet<UserId>) -> Result<Value, String> {
        let (found, answer) = oneshot::channel();
        self.world.send(Order::Find(Box::new(Search { users, found })));
        match tokio::time::timeout(WORLD_PATIENCE, answer).await {
            Ok(Ok(players)) => Ok(whereabouts(&players)),
            Ok(Err(_)) => Err("the server stops".to_owned()),
            Err(_) => Err("the world does not answer: its thread is busy or stuck".to_owned()),
        }
    }
}

fn asked(query: &str) -> Result<Asked, String> {
    let usage =
        || "ask for ?chains=USER,USER or ?players=USER,USER or ?holdings=AFTER or ?counts=".to_owned();
    let users = |named: &str| -> Result<Vec<UserId>, String> {
        let users = named.split(',').take(CENSUS_ROWS_MAX);
        let users: Result<_, _> = users.map(|user| user.parse().map(UserId)).collect();
        users.map_err(|_| usage())
    };
    match query.split_once('=') {
        Some(("chains", named)) => {
            let users = users(named)?;
            Ok(Asked::Store(StoreRequest::ReadChains { users }))
        }
        Some(("players", named)) => Ok(Asked::World(users(named)?.into_iter().collect())),
        Some(("holdings", after)) => {
            let after = match after {
                "" => None,
                after => Some(after.parse().map_err(|_| usage())?),
            };
            Ok(Asked::Store(StoreRequest::AllHoldings { after }))
        }
        Some(("counts", "")) => Ok(Asked::Store(StoreRequest::CountHoldings)),
        _ => Err(usage()),
    }
}

fn whereabouts(players: &[Whereabouts]) -> Value {
    let players: Vec<Value> = players
        .iter()
        .map(|player| {
            json!({
                "user": player.user.0,
                "region": player.region.0,
                "settled": player.is_settled,
            })
        })
        .collect();
    json!({ "players": players })
}

fn answer(reply: StoreReply) -> Option<Value> {
    match reply {
        StoreReply::Chains(chains) => {
            let chains: Vec<Value> = chains
                .iter()
                .map(|chain| {
                    json!({
                        "user": chain.user.0,
                        "last_command": chain.last_command.0,
                        "chain_hash": node::files::hex(&chain.chain_hash),
                    })
                })
                .collect();
            Some(json!({ "chains": chains }))
        }
        StoreReply::Holdings(holdings) => {
            let last_page = holdings.len() < CENSUS_ROWS_MAX;
            let holdings: Vec<Value> = holdings.iter().map(holding).collect();
            Some(json!({"holdings": holdings, "last_page": last_page}))
        }
        StoreReply::HoldingCounts(counts) => {
            let counts: Vec<Value> = counts.iter().map(count).collect();
            Some(json!({ "counts": counts }))
        }
        _ => None,
    }
}

fn count(count: &HoldingCount) -> Value {
    json!({
        "kind": count.kind,
        "held": count.held,
        "on_ground": count.on_ground,
        "in_trades": count.in_trades,
        "seeded": count.seeded,
        "minted": count.minted,
        "burned": count.burned,
    })
}

fn holding(holding: &Holding) -> Value {
    match holding.holder {
        Holder::User(user) => json!({"id": holding.id, "kind": holding.kind, "user": user.0}),
        Holder::Trade(trade) => json!({"id": holding.id, "kind": holding.kind, "trade": trade.0}),
        Holder::Ground { region, .. } => {
            json!({"id": holding.id, "kind": holding.kind, "region": region.0})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{CommandNumber, RegionNumber};
    use store::reply::Chain;

    #[test]
    fn questions_are_understood_or_refused_with_the_usage() {
        let users = vec![UserId(7), UserId(9)];
        let of_store = |request| Ok(Asked::Store(request));
        assert_eq!(asked("chains=7,9"), of_store(StoreRequest::ReadChains { users }));
        for (query, after) in [("holdings=", None), ("holdings=5", Some(5))] {
            assert_eq!(asked(query), of_store(StoreRequest::AllHoldings { after }));
        }
        assert_eq!(asked("counts="), of_store(StoreRequest::CountHoldings));
        let users = BTreeSet::from([UserId(7), UserId(9)]);
        assert_eq!(asked("players=9,7,9"), Ok(Asked::World(users)));
        for nonsense in [
            "",
            "chains",
            "chains=",
            "chains=x",
            "holdings=-1",
            "players=",
            "things=1",
        ] {
            assert!(asked(nonsense).unwrap_err().contains("?chains="), "{nonsense}");
        }
    }

    #[test]
    fn answers_say_who_has_what() {
        let chain = Chain {
            user: UserId(7),
            last_command: CommandNumber(3),
            chain_hash: [0xab; 32],
        };
        let chains = answer(StoreReply::Chains(vec![chain])).unwrap();
        assert_eq!(chains["chains"][0]["chain_hash"], "ab".repeat(32));
        let holdings = vec![
            Holding {
                id: 1,
                kind: 3,
                holder: Holder::User(UserId(7)),
                payload: bytes::Bytes::new(),
            },
            Holding {
                id: 2,
                kind: 3,
                holder: Holder::Ground {
                    region: RegionNumber(4),
                    x: 1.0,
                    y: 2.0,
                },
                payload: bytes::Bytes::new(),
            },
        ];
        let holdings = answer(StoreReply::Holdings(holdings)).unwrap();
        assert_eq!(holdings["holdings"][0], json!({"id": 1, "kind": 3, "user": 7}));
        assert_eq!(holdings["holdings"][1], json!({"id": 2, "kind": 3, "region": 4}));
        assert_eq!(holdings["last_page"], true);
        let counts = vec![HoldingCount {
            held: 2,
            minted: 3,
            burned: 1,
            ..HoldingCount::none(7)
        }];
        let counts = answer(StoreReply::HoldingCounts(counts)).unwrap();
        assert_eq!(
            (&counts["counts"][0]["kind"], &counts["counts"][0]["minted"]),
            (&json!(7), &json!(3))
        );
        assert_eq!(answer(StoreReply::Passed), None);
        let here = Whereabouts {
            user: UserId(7),
            region: RegionNumber(4),
            is_settled: true,
        };
        assert_eq!(
            whereabouts(&[here]),
            json!({"players": [{"user": 7, "region": 4, "settled": true}]})
        );
    }
}
