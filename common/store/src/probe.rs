//! Asks the store something for ever, so that a node knows whether it answers also while nobody plays. What is asked
//! takes the lock of writers and room on the disk, and changes nothing: a store that only reads is of no use to a login.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::{StoreError, StoreHandle, StoreRequest};

/// Pause between an answer and the next question.
const PAUSE: Duration = Duration::from_secs(2);
/// A store that is silent for so long does not answer.
const SILENCE: Duration = Duration::from_secs(1);

/// What the probe has found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeNews {
    /// It answers, and took so long, milliseconds.
    #[error("answered within {0} ms")]
    Answers(u64),
    /// It has not answered for so long, seconds.
    #[error("has not answered for {0} s")]
    Silent(u64),
    /// It answers that it cannot.
    #[error(transparent)]
    Fails(StoreError),
}

impl ProbeNews {
    /// Whether writes are taken.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Answers(_))
    }
}

/// Asks for ever, and tells of each answer and of each second without one.
pub async fn probe(store: StoreHandle, mut tell: impl FnMut(ProbeNews)) {
    loop {
        let asked = Instant::now();
        let mut answer = std::pin::pin!(store.ask(StoreRequest::Probe));
        let mut silent_s = 0;
        let result = loop {
            match timeout(SILENCE, &mut answer).await {
                Ok(result) => break result,
                Err(_) => {
                    silent_s += SILENCE.as_secs();
                    tell(ProbeNews::Silent(silent_s));
                }
            }
        };
        let took_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        tell(result.map_or_else(ProbeNews::Fails, |_| ProbeNews::Answers(took_ms)));
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Store, StoreReply, StoreResult, StoreSettings};

    /// Answers one batch for each word, the first one that there is no room.
    struct Slow {
        may: Mutex<Receiver<()>>,
        asked: Mutex<usize>,
    }

    impl Store for Slow {
        fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
            let _ = self.may.lock().unwrap().recv();
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            let answer = |_: &StoreRequest| match *asked {
                1 => Err(StoreError::Full("/data".to_owned())),
                _ => Ok(StoreReply::Probed),
            };
            requests.iter().map(answer).collect()
        }
    }

    #[tokio::test]
    async fn silence_is_told_each_second_and_then_what_the_store_says() {
        let (word, may) = channel();
        let store: Arc<dyn Store> = Arc::new(Slow {
            may: Mutex::new(may),
            asked: Mutex::new(0),
        });
        let (handle, _threads) = StoreHandle::spawn(&store, StoreSettings::default()).unwrap();
        let (to, mut news) = tokio::sync::mpsc::unbounded_channel();
        let probing = tokio::spawn(probe(handle, move |one| drop(to.send(one))));
        for seconds in [1, 2] {
            assert_eq!(news.recv().await, Some(ProbeNews::Silent(seconds)));
        }
        word.send(()).unwrap();
        word.send(()).unwrap();
        let mut said = news.recv().await;
        while let Some(ProbeNews::Silent(_)) = said {
            said = news.recv().await;
        }
        assert_eq!(said, Some(ProbeNews::Fails(StoreError::Full("/data".to_owned()))));
        assert!(matches!(news.recv().await, Some(ProbeNews::Answers(_))));
        probing.abort();
    }
}
