//! Whom operators keep out, as this process has read it from the store: read before anybody is let in, and twice a second from then
//! on. While the store is away, what was read last counts.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::clock::wall_ms;
use protocol::frame::Close;
use protocol::ids::{SessionGeneration, UserId};
use protocol::limits::TICKET_LIFETIME_MS_MAX;
use store::sanction::{Barred, Ending, FOREVER_MS, SanctionPage, Sanctions, Subject, Taken};
use store::{AccountReply, AccountRequest, Mutes, StoreError, StoreHandle, StoreReply, StoreRequest};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock::utc;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Tickets are renewed for so long though the store does not answer: as long as one lives.
const UNREAD_MAX: Duration = Duration::from_millis(TICKET_LIFETIME_MS_MAX);

/// See the module.
#[derive(Debug)]
pub struct SanctionBoard(Mutex<Board>);

#[derive(Debug)]
struct Board {
    sanctions: Sanctions,
    read_at: Instant,
}

impl SanctionBoard {
    /// Reads everything that counts.
    ///
    /// # Errors
    /// As the store answers.
    pub async fn load(store: &StoreHandle) -> Result<Self, StoreError> {
        let read_at = Instant::now();
        let (sanctions, _) = read_all(store).await?;
        Ok(Self(Mutex::new(Board { sanctions, read_at })))
    }

    /// Reads what is new until `stop`; each time, `changed` hears of whom something new was read, after it counts here.
    pub async fn keep(
        &self,
        store: StoreHandle,
        stop: CancellationToken,
        mut changed: impl FnMut(&[Subject]),
    ) {
        let mut is_away = false;
        while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
            match self.look(&store, &mut changed).await {
                Ok(()) => is_away = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "what operators do to users is not read: what was read last counts");
                    }
                }
            }
        }
    }

    /// Reads what is behind what is known, and tells of each portion at once: the next one may fail. A store that has lost something is
    /// read anew as a whole first.
    async fn look(
        &self,
        store: &StoreHandle,
        changed: &mut impl FnMut(&[Subject]),
    ) -> Result<(), StoreError> {
        let read_at = Instant::now();
        loop {
            let after = self.lock().sanctions.read_to();
            let page = page(store, after).await?;
            let taken = self.lock().sanctions.take(page, wall_ms());
            match taken {
                Taken::More(subjects) => changed(&subjects),
                Taken::All(subjects) => {
                    self.lock().read_at = read_at;
                    changed(&subjects);
                    return Ok(());
                }
                Taken::Anew => {
                    let (sanctions, subjects) = read_all(store).await?;
                    *self.lock() = Board { sanctions, read_at };
                    changed(&subjects);
                    return Ok(());
                }
            }
        }
    }

    /// Whose sessions have to end because of what was done to this one, and what they are told.
    #[must_use]
    pub fn ending(&self, subject: Subject) -> Option<(Ending, Close)> {
        let ending = self.lock().sanctions.ending(subject, wall_ms());
        ending.map(|(whose, barred)| (whose, goodbye(&barred)))
    }

    /// Whether somebody from there may try to log in.
    ///
    /// # Errors
    /// Its network is banned.
    pub fn check_network(&self, from: IpAddr) -> Result<(), Barred> {
        self.lock().sanctions.check_network(from, wall_ms())
    }

    /// Whether a user may log in.
    ///
    /// # Errors
    /// The user is banned.
    pub fn check_user(&self, user: UserId) -> Result<(), Barred> {
        self.lock().sanctions.check_user(user, wall_ms())
    }

    /// Whether a session, and its ticket, still count.
    ///
    /// # Errors
    /// The user is banned, or the session was ended.
    pub fn check_session(&self, user: UserId, generation: SessionGeneration) -> Result<(), Barred> {
        self.lock().sanctions.check_session(user, generation, wall_ms())
    }

    /// Who may say nothing to others, and until when.
    #[must_use]
    pub fn mutes(&self) -> Mutes {
        self.lock().sanctions.mutes(wall_ms())
    }

    /// Whether it was read lately enough for tickets to be renewed.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.lock().read_at.elapsed() < UNREAD_MAX
    }

    /// Whether a session was not ended, whether or not its user is banned by now: for whoever has no own word to say of bans.
    ///
    /// # Errors
    /// The session was ended.
    pub fn check_generation(&self, user: UserId, generation: SessionGeneration) -> Result<(), Barred> {
        self.lock().sanctions.check_generation(user, generation)
    }

    /// Whatever panicked with it has left it whole.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that counts, and whom it is about.
async fn read_all(store: &StoreHandle) -> Result<(Sanctions, Vec<Subject>), StoreError> {
    let (mut all, mut about) = (Sanctions::default(), Vec::new());
    loop {
        match all.take(page(store, all.read_to()).await?, wall_ms()) {
            Taken::All(subjects) => {
                about.extend(subjects);
                return Ok((all, about));
            }
            Taken::More(subjects) => about.extend(subjects),
            Taken::Anew => (all, about) = (Sanctions::default(), Vec::new()),
        }
    }
}

/// What somebody is told who is not let in, or has to go.
#[must_use]
pub fn goodbye(barred: &Barred) -> Close {
    let (reason, retry_ms) = match barred {
        Barred::Kicked { reason } => (reason.clone(), 0),
        Barred::Banned { until_ms, reason } if *until_ms == FOREVER_MS => (reason.clone(), 0),
        Barred::Banned { until_ms, reason } => {
            let until = format!("until {}", utc(*until_ms));
            let left = until_ms.saturating_sub(wall_ms());
            let reason = match reason.as_str() {
                "" => until,
                reason => format!("{until}: {reason}"),
            };
            (reason, u32::try_from(left).unwrap_or(0))
        }
    };
    Close {
        retry_ms,
        reason,
        ..barred.code().into()
    }
}

async fn page(store: &StoreHandle, after: u64) -> Result<SanctionPage, StoreError> {
    let request = AccountRequest::ReadSanctions { after };
    match store.ask(StoreRequest::Account(request)).await? {
        StoreReply::Account(AccountReply::Sanctions(page)) => Ok(page),
        other => Err(StoreError::Corrupt(format!(
            "an answer to another question: {other:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use store::limits::SANCTIONS_READ_MAX;
    use store::simulated::SharedSimulatedStore;
    use store::{NewSanction, SanctionKind, Store, StoreResult, StoreSettings};

    const ANN: UserId = UserId(11);

    fn ask(store: &SharedSimulatedStore, request: StoreRequest) -> StoreReply {
        store.execute(&[request]).remove(0).unwrap()
    }

    fn kick(store: &SharedSimulatedStore) {
        ask(
            store,
            StoreRequest::Account(AccountRequest::Sanction(NewSanction {
                subject: Subject::User(ANN),
                kind: SanctionKind::Kick,
                for_ms: None,
                reason: String::new(),
            })),
        );
    }

    fn login(store: &SharedSimulatedStore) -> SessionGeneration {
        match ask(store, StoreRequest::RaiseSession { user: ANN }) {
            StoreReply::Session(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_was_done_before_counts_at_once_and_what_is_done_later_soon() {
        let store = SharedSimulatedStore::default();
        store.set_now_ms(wall_ms());
        let before = login(&store);
        kick(&store);
        let (handle, _threads) = StoreHandle::spawn(
            &(Arc::new(store.clone()) as Arc<dyn Store>),
            StoreSettings::default(),
        )
        .unwrap();
        let board = Arc::new(SanctionBoard::load(&handle).await.unwrap());
        assert!(board.check_session(ANN, before).is_err());
        let later = login(&store);
        assert_eq!(board.check_session(ANN, later), Ok(()));
        let (stop, (heard, mut hears)) = (CancellationToken::new(), tokio::sync::mpsc::unbounded_channel());
        let (keeper, until) = (Arc::clone(&board), stop.clone());
        let keeping = tokio::spawn(async move {
            let told = move |subjects: &[Subject]| {
                if !subjects.is_empty() {
                    let _ = heard.send(subjects.to_vec());
                }
            };
            keeper.keep(handle, until, told).await;
        });
        kick(&store);
        assert_eq!(hears.recv().await, Some(vec![Subject::User(ANN)]));
        assert!(
            board.check_session(ANN, later).is_err(),
            "it counts before it is told"
        );
        assert!(board.is_read());
        stop.cancel();
        keeping.await.unwrap();
    }
    /// Answers so many reads, and then none until it may again.
    #[derive(Clone)]
    struct Failing {
        inner: SharedSimulatedStore,
        reads: Arc<AtomicUsize>,
    }

    const ALL: usize = usize::MAX / 2;

    impl Store for Failing {
        fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
            let is_read = |request: &StoreRequest| {
                matches!(
                    request,
                    StoreRequest::Account(AccountRequest::ReadSanctions { .. })
                )
            };
            let take = |reads: usize| reads.checked_sub(1);
            let answer = |request: &StoreRequest| {
                let relaxed = Ordering::Relaxed;
                if is_read(request) && self.reads.fetch_update(relaxed, relaxed, take).is_err() {
                    return Err(StoreError::Unavailable("away".to_owned()));
                }
                self.inner.execute(std::slice::from_ref(request)).remove(0)
            };
            requests.iter().map(answer).collect()
        }
    }

    async fn failing() -> (Failing, StoreHandle, store::StoreThreads, SanctionBoard) {
        let inner = SharedSimulatedStore::default();
        inner.set_now_ms(wall_ms());
        let store = Failing {
            inner,
            reads: Arc::new(AtomicUsize::new(ALL)),
        };
        let shared = Arc::new(store.clone()) as Arc<dyn Store>;
        let (handle, threads) = StoreHandle::spawn(&shared, StoreSettings::default()).unwrap();
        let board = SanctionBoard::load(&handle).await.unwrap();
        (store, handle, threads, board)
    }

    fn ban(store: &SharedSimulatedStore, network: &str) {
        ask(
            store,
            StoreRequest::Account(AccountRequest::Sanction(NewSanction {
                subject: Subject::Network(protocol::network::Network::parse(network).unwrap()),
                kind: SanctionKind::Ban,
                for_ms: None,
                reason: String::new(),
            })),
        );
    }

    #[tokio::test]
    async fn what_was_read_before_the_store_failed_counts_and_is_told_and_the_rest_follows() {
        let (store, handle, _threads, board) = failing().await;
        let all = SANCTIONS_READ_MAX + 2;
        for number in 0..all {
            ban(
                &store.inner,
                &format!("10.{}.{}.0/24", number / 256, number % 256),
            );
        }
        store.reads.store(1, Ordering::Relaxed);
        let mut told = Vec::new();
        let looked = board
            .look(&handle, &mut |subjects: &[Subject]| {
                told.extend_from_slice(subjects);
            })
            .await;
        assert!(looked.is_err() && told.len() == SANCTIONS_READ_MAX, "{looked:?}");
        let from = |text: &str| board.check_network(text.parse().unwrap());
        assert!(from("10.0.0.9").is_err());
        assert_eq!(from("10.2.1.9"), Ok(()), "not read yet");
        store.reads.store(ALL, Ordering::Relaxed);
        let mut more = 0;
        board
            .look(&handle, &mut |subjects: &[Subject]| more += subjects.len())
            .await
            .unwrap();
        assert_eq!(more, 2, "and nothing twice");
        assert!(from("10.2.1.9").is_err());
    }

    #[tokio::test]
    async fn while_the_store_is_away_what_was_read_last_counts() {
        let (store, handle, _threads, board) = failing().await;
        let before = login(&store.inner);
        store.reads.store(0, Ordering::Relaxed);
        kick(&store.inner);
        assert!(board.look(&handle, &mut |_: &[Subject]| {}).await.is_err());
        assert_eq!(board.check_session(ANN, before), Ok(()));
        assert!(board.is_read(), "tickets are renewed for a while");
        // As if that had been for longer than a ticket lives.
        board.lock().read_at = Instant::now().checked_sub(UNREAD_MAX).unwrap();
        assert!(!board.is_read());
        assert!(board.look(&handle, &mut |_: &[Subject]| {}).await.is_err());
        assert!(!board.is_read(), "a read that failed is none");
        store.reads.store(ALL, Ordering::Relaxed);
        board.look(&handle, &mut |_: &[Subject]| {}).await.unwrap();
        assert!(board.is_read() && board.check_session(ANN, before).is_err());
    }
}
