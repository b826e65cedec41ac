//! Rows that the database answers with, as replies to requests. Numbers that do not fit are damage, never a panic.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    CommandNumber, EpochExhausted, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, SessionGeneration,
    TopologyVersion, UserId,
};
use tokio_postgres::Row;

use super::fields::{Fields, PLAYER_COLUMNS, chain_hash, damaged, holding, player, some};
use super::ops::Ops;
use super::outcome::Outcome;
use crate::holding::{Belongings, Holding};
use crate::reply::{Chain, CommitOutcome, HoldingCount, SaveOutcome};
use crate::request::StoreRequest;
use crate::row::{GameState, OwnerRecord, PlayerRow, PlayerSave, Serving, StaleGuest};
use crate::{StoreError, StoreReply, StoreResult};

/// What an answer is made of, in the order in which [`Answer`] reads it. A macro, since statements are put together while
/// compiling.
macro_rules! answer_columns {
    () => {
        "a.op, a.outcome, a.n1, a.n2, a.n3, a.n4, a.bytes, (a.p).user_id, (a.p).owner, (a.p).region, (a.p).region_epoch, \
         (a.p).owner_epoch, (a.p).attempt, (a.p).version, (a.p).entity, (a.p).home_cell, (a.p).session_generation, \
         (a.p).attach_no, (a.p).proxy, (a.p).last_input, (a.p).last_command, (a.p).chain_hash, (a.p).state, \
         (a.h).id, (a.h).kind, (a.h).user_id, (a.h).region, (a.h).x, (a.h).y, (a.h).trade, (a.h).payload"
    };
}
pub(super) use answer_columns;

/// One row of an answer. What it holds of a damaged row is told where it is asked for.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    numbers: [Option<i64>; 4],
    bytes: Option<Vec<u8>>,
    player: Result<Option<PlayerRow>, StoreError>,
    holding: Result<Option<Holding>, StoreError>,
}

/// The rows of a batch, by op.
#[derive(Debug)]
pub(super) struct Answers(Vec<Vec<Answer>>);

impl Answers {
    /// Sorts rows out; none of them may name an op beyond `ops`.
    pub(super) fn read(rows: &[Row], ops: usize) -> Result<Self, StoreError> {
        let mut answers: Vec<Vec<Answer>> = (0..ops).map(|_| Vec::new()).collect();
        for row in rows {
            let mut fields = Fields { row, next: 0 };
            let number: i32 = fields.take()?;
            let of = usize::try_from(number)
                .ok()
                .and_then(|number| answers.get_mut(number.checked_sub(1)?));
            of.ok_or_else(|| damaged("an answer to nothing"))?
                .push(Answer::read(&mut fields)?);
        }
        Ok(Self(answers))
    }

    /// The reply to a request that has become these ops.
    pub(super) fn reply(&self, request: &StoreRequest, ops: Ops) -> StoreResult {
        let answers = self.0.get(ops).unwrap_or_default();
        // Of many writes in one request, one that meets a damaged row does not fail the others.
        match request {
            StoreRequest::SavePlayers { saves, .. } => return Ok(StoreReply::Saved(saved(saves, answers)?)),
            StoreRequest::CommitDurable { commits, .. } => {
                let saves = commits.iter().map(|commit| &commit.save);
                return Ok(StoreReply::Committed(committed(saves, answers)?));
            }
            _ => {}
        }
        judge(request, answers)?;
        if request.class() == crate::request::RequestClass::Read {
            read(request, answers)
        } else {
            written(request, answers)
        }
    }

    /// What was said of a request that is one op, if anything.
    pub(super) fn of_request(&self, request: &StoreRequest, ops: Ops) -> Result<&[Answer], StoreError> {
        let answers = self.0.get(ops).unwrap_or_default();
        judge(request, answers)?;
        Ok(answers.first().map_or(&[], Vec::as_slice))
    }

    /// What was said of a request that is one op.
    pub(super) fn of_one(&self, request: &StoreRequest, ops: Ops) -> Result<&[Answer], StoreError> {
        let answers = self.0.get(ops).unwrap_or_default();
        judge(request, answers)?;
        some(answers.first()).map(Vec::as_slice)
    }
}

/// What became of a request as a whole, where that is no reply.
fn judge(request: &StoreRequest, answers: &[Vec<Answer>]) -> Result<(), StoreError> {
    let mut all = answers.iter().flatten();
    all.try_for_each(|answer| answer.judge(request))
}

/// Who was to have which region.
fn not_candidate(request: &StoreRequest) -> StoreError {
    let (node, region) = match request {
        StoreRequest::ServeRegion { node, region, .. } => (*node, *region),
        StoreRequest::TakeOver { taker, holder } => (taker.node, holder.service.region),
        StoreRequest::GiveRegion { from, to } => (*to, from.region),
        _ => return damaged("an answer to another question"),
    };
    StoreError::NotCandidate { node, region }
}

fn read(request: &StoreRequest, answers: &[Vec<Answer>]) -> StoreResult {
    let all = || answers.iter().flatten();
    let first = all().next();
    Ok(match request {
        StoreRequest::StoreGeneration => {
            StoreReply::StoreGeneration(some(first)?.small(0, "store generation")?)
        }
        StoreRequest::ReadService { region } => StoreReply::Service(service(*region, first)?),
        StoreRequest::RegionsInUse => {
            let regions = all().map(|answer| answer.small(0, "region").map(RegionNumber));
            StoreReply::Regions(regions.collect::<Result<_, _>>()?)
        }
        StoreRequest::LoadPlayer { .. } => StoreReply::Player(first.map_or(Ok(None), Answer::player)?),
        StoreRequest::ReadOwner { .. } => StoreReply::Owner(first.map(owner).transpose()?),
        StoreRequest::ReadSession { .. } => {
            StoreReply::Session(SessionGeneration(first.map_or(Ok(0), |answer| answer.number(0))?))
        }
        StoreRequest::HoldingsOnGround { .. } | StoreRequest::AllHoldings { .. } => {
            StoreReply::Holdings(holdings(all())?)
        }
        StoreRequest::HoldingsOf { .. } => {
            let offers = all().find(|answer| answer.outcome == Outcome::End);
            StoreReply::Belongings(Belongings {
                holdings: holdings(all())?,
                offer_ends_ms: offers.map(|answer| answer.number(0)).transpose()?,
            })
        }
        StoreRequest::ReadGameState { .. } => StoreReply::GameState(first.map(game_state).transpose()?),
        StoreRequest::CountHoldings => StoreReply::HoldingCounts(counts(answers)?),
        StoreRequest::ReadChains { users } => {
            let chains = users
                .iter()
                .zip(answers)
                .filter_map(|(user, said)| Some(chain(*user, said.first()?)));
            StoreReply::Chains(chains.collect::<Result<_, _>>()?)
        }
        StoreRequest::OverdueOffers { .. } => {
            let users = all().map(|answer| answer.number(0).map(UserId));
            StoreReply::Offerers(users.collect::<Result<_, _>>()?)
        }
        StoreRequest::StaleGuests { .. } => {
            let guests = all().filter(|answer| answer.outcome == Outcome::Applied);
            let end = some(all().find(|answer| answer.outcome == Outcome::End))?;
            StoreReply::StaleGuests {
                guests: guests.map(stale).collect::<Result<_, _>>()?,
                next: end.numbers[0].map(user),
            }
        }
        _ => return Err(damaged("an answer to another question")),
    })
}

fn written(request: &StoreRequest, answers: &[Vec<Answer>]) -> StoreResult {
    let first = some(answers.iter().flatten().next())?;
    let applied = first.outcome == Outcome::Applied;
    Ok(match request {
        StoreRequest::Probe => StoreReply::Probed,
        StoreRequest::RaiseStoreGeneration => {
            StoreReply::StoreGeneration(first.small(0, "store generation")?)
        }
        StoreRequest::NoteTopology { .. } => StoreReply::NewestTopology(TopologyVersion(first.number(0)?)),
        StoreRequest::ServeRegion { .. } if applied => StoreReply::Serving(RegionEpoch(first.number(0)?)),
        StoreRequest::ServeRegion { region, .. } => StoreReply::Service(service(*region, Some(first))?),
        StoreRequest::InsertPlayer { .. } => match (first.outcome, first.player()?) {
            (Outcome::NotServing, _) | (_, None) => StoreReply::NotServing(first.epoch()),
            (Outcome::Applied, Some(row)) => StoreReply::Inserted(row),
            (_, Some(row)) => StoreReply::Exists(row),
        },
        StoreRequest::Activate { .. } | StoreRequest::Reclaim { .. } if applied => {
            StoreReply::Activated(some(first.player()?)?)
        }
        StoreRequest::Activate { .. }
        | StoreRequest::ExtendSession { .. }
        | StoreRequest::EndSession { .. }
            if first.outcome == Outcome::SessionOver =>
        {
            StoreReply::SessionOver
        }
        StoreRequest::ExtendSession { .. } => StoreReply::SessionExtended,
        StoreRequest::PassPlayers { .. } if applied => StoreReply::Passed,
        StoreRequest::Release { .. } if applied => StoreReply::Released,
        StoreRequest::RebindSession { .. } if applied => StoreReply::Rebound,
        StoreRequest::Activate { .. }
        | StoreRequest::Reclaim { .. }
        | StoreRequest::PassPlayers { .. }
        | StoreRequest::Release { .. }
        | StoreRequest::RebindSession { .. } => {
            let rows = answers
                .iter()
                .flatten()
                .filter_map(|answer| answer.player().transpose());
            StoreReply::Refused(rows.collect::<Result<_, _>>()?)
        }
        StoreRequest::NextGuest => StoreReply::Guest(UserId(first.number(0)?)),
        StoreRequest::RaiseSession { .. } => StoreReply::Session(SessionGeneration(first.number(0)?)),
        StoreRequest::SeedHoldings { .. } => StoreReply::Seeded(first.number(0)?),
        StoreRequest::CommitGround { .. } => StoreReply::GroundCommitted(first.commit()?),
        StoreRequest::SaveGameState { .. } => StoreReply::GameStateSaved(match first.outcome {
            Outcome::Applied => SaveOutcome::Applied,
            Outcome::Older => SaveOutcome::Older,
            _ => SaveOutcome::Fenced,
        }),
        StoreRequest::CancelOverdue { .. } => StoreReply::TradesCancelled(first.small(0, "trades")?),
        StoreRequest::ForgetGuests { .. } if applied => forgotten(answers)?,
        StoreRequest::CloseRegion { .. } if applied => StoreReply::RegionClosed {
            players: first.small(0, "players")?,
            holdings: first.small(1, "holdings")?,
        },
        StoreRequest::ForgetGuests { .. } | StoreRequest::CloseRegion { .. } => {
            StoreReply::NotServing(first.epoch())
        }
        StoreRequest::ForgetSessions { .. } => StoreReply::SessionsForgotten {
            sessions: first.number(0)?,
            next: first.numbers[1].map(user),
        },
        _ => return Err(damaged("an answer to another question")),
    })
}

fn game_state(answer: &Answer) -> Result<GameState, StoreError> {
    Ok(GameState {
        serial: answer.number(0)?,
        state: Bytes::from(answer.bytes.clone().unwrap_or_default()),
    })
}

impl Answer {
    fn read(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            outcome: Outcome::of(fields.take()?).ok_or_else(|| damaged("an outcome"))?,
            numbers: [fields.take()?, fields.take()?, fields.take()?, fields.take()?],
            bytes: fields.take()?,
            player: {
                let at = fields.next;
                let player = player(fields);
                fields.next = at + PLAYER_COLUMNS;
                player
            },
            holding: holding(fields),
        })
    }

    fn judge(&self, request: &StoreRequest) -> Result<(), StoreError> {
        match self.outcome {
            Outcome::Exhausted => Err(EpochExhausted(self.number(0)?).into()),
            Outcome::NoReceiver => Err(StoreError::Invalid("a holding of a user who has no row")),
            Outcome::Forbidden => Err(StoreError::Invalid(match request {
                StoreRequest::StartNode { .. } => "a node has used up its starts: give it a new number",
                _ => "the store generations are used up",
            })),
            Outcome::NotCandidate => Err(not_candidate(request)),
            Outcome::Damaged => Err(StoreError::Corrupt(self.words())),
            _ => Ok(()),
        }
    }

    fn words(&self) -> String {
        String::from_utf8_lossy(self.bytes.as_deref().unwrap_or_default()).into_owned()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    pub(super) fn optional(&self, at: usize) -> Option<u64> {
        let number = self.numbers.get(at).copied().flatten();
        number.map(i64::cast_unsigned)
    }

    pub(super) fn number(&self, at: usize) -> Result<u64, StoreError> {
        self.optional(at).ok_or_else(|| damaged("a number is missing"))
    }

    fn small<T: TryFrom<u64>>(&self, at: usize, what: &'static str) -> Result<T, StoreError> {
        T::try_from(self.number(at)?).map_err(|_| damaged(what))
    }

    fn epoch(&self) -> Option<RegionEpoch> {
        self.optional(0).map(RegionEpoch)
    }

    fn player(&self) -> Result<Option<PlayerRow>, StoreError> {
        self.player.clone()
    }

    fn commit(&self) -> Result<CommitOutcome, StoreError> {
        Ok(match self.outcome {
            Outcome::Applied => CommitOutcome::Applied,
            Outcome::Older => CommitOutcome::Older,
            Outcome::Elsewhere => CommitOutcome::HolderMismatch(self.number(0)?),
            Outcome::NoReceiver => CommitOutcome::NoReceiver(self.number(0)?),
            Outcome::TradeClosed => CommitOutcome::TradeClosed(self.number(0)?),
            _ => CommitOutcome::FencedByEpoch,
        })
    }
}

fn saved(saves: &[PlayerSave], answers: &[Vec<Answer>]) -> Result<Vec<SaveOutcome>, StoreError> {
    let outcome = |(save, said): (&PlayerSave, &Vec<Answer>)| {
        let answer = some(said.first())?;
        Ok(match answer.outcome {
            Outcome::Applied => SaveOutcome::Applied,
            Outcome::Older => SaveOutcome::Older,
            Outcome::Damaged => nobodys(save, answer, SaveOutcome::Fenced),
            _ => SaveOutcome::Fenced,
        })
    };
    saves.iter().zip(answers).map(outcome).collect()
}

fn committed<'a>(
    saves: impl Iterator<Item = &'a PlayerSave>,
    answers: &[Vec<Answer>],
) -> Result<Vec<CommitOutcome>, StoreError> {
    let outcome = |(save, said): (&PlayerSave, &Vec<Answer>)| {
        let answer = some(said.first())?;
        match answer.outcome {
            Outcome::Damaged => Ok(nobodys(save, answer, CommitOutcome::FencedByEpoch)),
            _ => answer.commit(),
        }
    };
    saves.zip(answers).map(outcome).collect()
}

/// What cannot be written is owned by nobody.
fn nobodys<T>(save: &PlayerSave, answer: &Answer, outcome: T) -> T {
    let error = answer.words();
    tracing::error!(user = %save.user, %error, "the row of a player cannot be written");
    outcome
}

pub(super) fn service(region: RegionNumber, answer: Option<&Answer>) -> Result<Option<Serving>, StoreError> {
    let Some(answer) = answer.filter(|answer| answer.numbers[0].is_some()) else {
        return Ok(None);
    };
    Ok(Some(Serving {
        node: NodeNumber(answer.small(1, "node number")?),
        region,
        region_epoch: RegionEpoch(answer.number(0)?),
    }))
}

fn owner(answer: &Answer) -> Result<OwnerRecord, StoreError> {
    let node = answer.numbers[1].map(|_| answer.small(1, "owner").map(NodeNumber));
    Ok(OwnerRecord {
        node: node.transpose()?,
        region: RegionNumber(answer.small(2, "region")?),
        owner_epoch: OwnerEpoch(answer.number(0)?),
    })
}

fn chain(user: UserId, answer: &Answer) -> Result<Chain, StoreError> {
    Ok(Chain {
        user,
        last_command: CommandNumber(answer.number(0)?),
        chain_hash: chain_hash(answer.bytes.as_deref().unwrap_or_default())?,
    })
}

/// Each kind has two rows: where they are, and what was made and destroyed.
fn counts(answers: &[Vec<Answer>]) -> Result<Vec<HoldingCount>, StoreError> {
    let all: Vec<&Answer> = answers.iter().flatten().collect();
    let (pairs, _) = all.as_chunks::<2>();
    let count = |[there, made]: &[&Answer; 2]| {
        Ok(HoldingCount {
            kind: there.small(0, "kind")?,
            held: there.number(1)?,
            on_ground: there.number(2)?,
            in_trades: there.number(3)?,
            seeded: made.number(1)?,
            minted: made.number(2)?,
            burned: made.number(3)?,
        })
    };
    pairs.iter().map(count).collect()
}

fn stale(answer: &Answer) -> Result<StaleGuest, StoreError> {
    Ok(StaleGuest {
        user: UserId(answer.number(0)?),
        region: RegionNumber(answer.small(1, "region")?),
        home_cell: CellIndex(answer.small(2, "home_cell")?),
        owner_epoch: OwnerEpoch(answer.number(3)?),
    })
}

fn forgotten(answers: &[Vec<Answer>]) -> Result<StoreReply, StoreError> {
    let all = || answers.iter().flatten();
    let gone = all().filter(|answer| answer.outcome == Outcome::End).count();
    let mut holdings = holdings(all())?;
    holdings.sort_unstable_by_key(|holding| holding.id);
    Ok(StoreReply::Forgotten {
        guests: gone as u64,
        holdings,
    })
}

fn holdings<'a>(answers: impl Iterator<Item = &'a Answer>) -> Result<Vec<Holding>, StoreError> {
    answers
        .filter_map(|answer| answer.holding.clone().transpose())
        .collect()
}

fn user(number: i64) -> UserId {
    UserId(number.cast_unsigned())
}
