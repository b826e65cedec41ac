//! The threads and tasks that a node cannot do without. One that ends or panics, or that is stuck for too long, is the
//! end of the node: [`Owners::failed`] says which. Tasks for one connection are guests and not listed here
//! (`net::panics::guest`).

use super::fatal::{Fatal, Loss};
use super::pulse::Pulse;
use super::watchdog::{Patience, Standing, Watch};
use net::panics::{caught, message};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;

/// How a thread or task came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to end.
    AsAsked,
    /// It was not, and says why it ended.
    ByItself(String),
}

impl Ended {
    /// For what ends when `stop` is cancelled, and at no other time.
    #[must_use]
    pub fn by(stop: &CancellationToken) -> Self {
        if stop.is_cancelled() {
            Self::AsAsked
        } else {
            Self::ByItself("nobody had asked it to".to_owned())
        }
    }
}

/// What a node cannot do without. Clones are one; each node of a process has its own.
#[derive(Clone, Debug, Default)]
pub struct Owners(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    watched: Mutex<Vec<Watched>>,
    looks: Mutex<Looks>,
    fatal: OnceLock<Fatal>,
    failed: CancellationToken,
}

/// What else is done at each look.
#[derive(Default)]
struct Looks(Vec<Box<dyn FnMut() + Send>>);

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Looks({})", self.0.len())
    }
}

#[derive(Debug)]
struct Watched {
    name: String,
    pulse: Pulse,
    watch: Watch,
}

/// A thread that was started here.
#[derive(Clone, Debug)]
pub struct OwnerThread(CancellationToken);

impl OwnerThread {
    /// Resolves when it has ended, in whatever way.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Owners {
    /// Starts a thread. `run` is given its pulse, and touches it where its loop waits and works.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn thread(
        &self,
        name: impl Into<String>,
        patience: Patience,
        run: impl FnOnce(&Pulse) -> Ended + Send + 'static,
    ) -> io::Result<OwnerThread> {
        let (owners, name, over) = (self.clone(), name.into(), CancellationToken::new());
        let pulse = self.watch(name.clone(), patience);
        let thread = OwnerThread(over.clone());
        let over = over.drop_guard();
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| run(&pulse)));
            owners.note_end(&name, ended.map_err(|payload| message(&*payload)));
            drop(over);
        })?;
        Ok(thread)
    }

    /// Wraps the future of a task, to be spawned by the caller. Dropping it says nothing.
    pub fn task<F: Future<Output = Ended>>(
        &self,
        name: &str,
        future: F,
    ) -> impl Future<Output = ()> + use<F> {
        let (owners, name) = (self.clone(), name.to_owned());
        async move {
            let ended = caught(future).await;
            owners.note_end(&name, ended);
        }
    }

    /// As [`task`](Self::task), for what ends when `stop` is cancelled, and at no other time.
    pub fn task_until<F: Future<Output = ()>>(
        &self,
        name: &str,
        stop: &CancellationToken,
        future: F,
    ) -> impl Future<Output = ()> + use<F> {
        let stop = stop.clone();
        self.task(name, async move {
            future.await;
            Ended::by(&stop)
        })
    }

    /// A pulse to be watched from now on, for a loop that is not started here.
    #[must_use]
    pub fn watch(&self, name: impl Into<String>, patience: Patience) -> Pulse {
        let pulse = Pulse::default();
        self.watched().push(Watched {
            name: name.into(),
            pulse: pulse.clone(),
            watch: Watch::new(patience),
        });
        pulse
    }

    /// Has `look` called with every look at the pulses, for what they do not show. It must not wait.
    pub fn at_each_look(&self, look: impl FnMut() + Send + 'static) {
        self.looks().0.push(Box::new(look));
    }

    /// The node ends for this reason; the first one counts.
    pub fn fail(&self, fatal: Fatal) {
        tracing::error!(thread = fatal.thread, loss = %fatal.loss, "the node cannot go on");
        let _ = self.0.fatal.set(fatal);
        self.0.failed.cancel();
    }

    /// Resolves when the node cannot go on.
    pub async fn failed(&self) -> Fatal {
        loop {
            self.0.failed.cancelled().await;
            // Set before the token was cancelled.
            if let Some(fatal) = self.fatal() {
                return fatal;
            }
        }
    }

    /// Why the node cannot go on, if it cannot.
    #[must_use]
    pub fn fatal(&self) -> Option<Fatal> {
        self.0.fatal.get().cloned()
    }

    /// One look at every pulse, every [`LOOK_EVERY`](super::LOOK_EVERY) by the looker's own running. Warns once for
    /// each stall; a thread that is lost ends the node.
    pub fn look(&self) {
        for look in &mut self.looks().0 {
            look();
        }
        let mut lost = None;
        for watched in self.watched().iter_mut() {
            let (thread, before) = (&watched.name, watched.watch.standing());
            match (before, watched.watch.look(watched.pulse.sight())) {
                (Standing::Well, Standing::Slow(looks) | Standing::Stalled(looks)) => {
                    tracing::warn!(thread, looks, "a thread does not come round");
                }
                (Standing::Slow(_) | Standing::Stalled(_), Standing::Well) => {
                    tracing::warn!(thread, "a thread comes round again");
                }
                (_, Standing::Lost(looks)) => {
                    lost = lost.or_else(|| {
                        Some(Fatal {
                            thread: thread.clone(),
                            loss: Loss::Stalled(looks),
                        })
                    });
                }
                _ => {}
            }
        }
        if let Some(fatal) = lost.filter(|_| self.fatal().is_none()) {
            self.fail(fatal);
        }
    }

    /// Every watched thread with its standing at the last look.
    #[must_use]
    pub fn standings(&self) -> Vec<(String, Standing)> {
        let watched = self.watched();
        let standing = |watched: &Watched| (watched.name.clone(), watched.watch.standing());
        watched.iter().map(standing).collect()
    }

    fn note_end(&self, name: &str, ended: Result<Ended, String>) {
        // What was asked to end is no longer watched; the rest stays on the list as it was.
        let loss = match ended {
            Ok(Ended::AsAsked) => return self.watched().retain(|watched| watched.name != name),
            Ok(Ended::ByItself(why)) => Loss::Ended(why),
            Err(said) => Loss::Panicked(said),
        };
        self.fail(Fatal {
            thread: name.to_owned(),
            loss,
        });
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.0.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    async fn failed(owners: &Owners) -> Fatal {
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, owners.failed()).await.unwrap()
    }

    #[tokio::test]
    async fn a_thread_that_panics_or_ends_by_itself_fails_its_node_by_name_and_no_other_node() {
        let (one, other) = (Owners::default(), Owners::default());
        let asked = other
            .thread("shard-0", Patience::HOT, |_| Ended::AsAsked)
            .unwrap();
        let thread = one.thread("shard-0", Patience::HOT, |_| panic!("out of cheese"));
        thread.unwrap().ended().await;
        asked.ended().await;
        assert_eq!(failed(&one).await.to_string(), "shard-0 panicked: out of cheese");
        assert_eq!((other.fatal(), other.standings().len()), (None, 0));
        let ended = other.thread("world", Patience::HOT, |_| {
            Ended::ByItself("no socket".to_owned())
        });
        ended.unwrap().ended().await;
        assert_eq!(
            failed(&other).await.to_string(),
            "world ended by itself: no socket"
        );
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_by_itself_fails_its_node_and_one_that_was_stopped_does_not() {
        let stop = CancellationToken::new();
        let owners = Owners::default();
        drop(owners.task("dropped", std::future::pending()));
        stop.cancel();
        owners.task("stopped", async { Ended::by(&stop) }).await;
        assert_eq!(owners.fatal(), None);
        owners.task("dial gs-b", async { panic!("lost its way") }).await;
        assert_eq!(
            failed(&owners).await.to_string(),
            "dial gs-b panicked: lost its way"
        );
        let owners = Owners::default();
        owners
            .task("accept", async { Ended::by(&CancellationToken::new()) })
            .await;
        assert_eq!(
            failed(&owners).await.to_string(),
            "accept ended by itself: nobody had asked it to"
        );
    }

    #[tokio::test]
    async fn a_thread_that_never_comes_round_is_not_ready_and_then_lost_but_not_while_it_waits() {
        let owners = Owners::default();
        let (go_on, gone_on) = mpsc::channel::<()>();
        let (working, works) = mpsc::channel();
        let stuck = move |pulse: &Pulse| {
            pulse.begin_work();
            let _ = working.send(());
            let _ = gone_on.recv();
            pulse.begin_wait();
            Ended::AsAsked
        };
        let thread = owners.thread("world", Patience::HOT, stuck).unwrap();
        let _waiting = owners.watch("idle", Patience::HOT);
        works.recv().unwrap();
        for _ in 0..10 {
            owners.look();
        }
        let standings = owners.standings();
        assert_eq!(standings[0], ("world".to_owned(), Standing::Stalled(10)));
        assert_eq!(standings[1], ("idle".to_owned(), Standing::Well));
        assert_eq!(owners.fatal(), None);
        for _ in 10..100 {
            owners.look();
        }
        assert_eq!(
            failed(&owners).await.to_string(),
            "world has been stuck for 100 looks"
        );
        drop(go_on);
        thread.ended().await;
    }
}
