//! All threads of a swarm: started, told what to do, asked, and joined.

use std::sync::{Arc, RwLock};
use std::time::Instant;

use client::{Carrier, ConnectOptions};
use game::bot::Givers;
use tokio::sync::{mpsc, oneshot};

use crate::args::Args;
use crate::bot::{Record, Rules};
use crate::logins;
use crate::run_error::RunError;
use crate::sockets::Sharing;
use crate::swarm_thread::{self, Share};
use crate::timetable::Beats;
use crate::words::{Look, Word};

/// The threads of a swarm.
pub(crate) struct Swarm {
    words: Vec<mpsc::UnboundedSender<Word>>,
    threads: Vec<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl Swarm {
    /// Starts the threads; bots begin to come at once.
    pub(crate) fn start(
        args: &Args,
        rules: &Arc<Rules>,
        (options, carrier): (&ConnectOptions, &Carrier),
    ) -> std::io::Result<Self> {
        let mut swarm = Self {
            words: Vec::new(),
            threads: Vec::new(),
        };
        let givers = Arc::new(RwLock::new(Givers::new()));
        let began = Instant::now();
        let (errands, logins) = logins::start()?;
        swarm.threads.push(logins);
        let threads = args.threads();
        for thread in 0..threads {
            let (to, words) = mpsc::unbounded_channel();
            let share = Share {
                indices: (thread..args.players).step_by(threads as usize).collect(),
                players: args.players,
                beats: Beats::new(args.input_period_us(), thread, threads),
                sharing: Sharing::part(args.sockets, thread, threads),
                rules: Arc::clone(rules),
                options: options.clone(),
                carrier: carrier.clone(),
                givers: Arc::clone(&givers),
                began,
                login_every_us: 1_000_000 / u64::from(args.logins.max(1)),
                words,
                errands: errands.clone(),
            };
            let name = format!("bots-{thread}");
            let builder = std::thread::Builder::new().name(name);
            swarm
                .threads
                .push(builder.spawn(move || swarm_thread::run(share))?);
            swarm.words.push(to);
        }
        Ok(swarm)
    }

    /// Tells all threads the same.
    pub(crate) fn tell(&self, word: impl Fn() -> Word) {
        for words in &self.words {
            let _ = words.send(word());
        }
    }

    /// What has been counted since the last look.
    pub(crate) async fn look(&self) -> Look {
        sum(self.ask(Word::Look).await)
    }

    /// The same, and what counts ends with it.
    pub(crate) async fn end_measuring(&self) -> Look {
        sum(self.ask(Word::EndMeasuring).await)
    }

    /// What all bots have done so far.
    pub(crate) async fn report(&self) -> Vec<Record> {
        self.ask(Word::Report).await.into_iter().flatten().collect()
    }

    /// What each thread answers. All are asked before the first answer is waited for, since each answers when it wakes.
    async fn ask<T>(&self, word: impl Fn(oneshot::Sender<T>) -> Word) -> Vec<T> {
        let ask = |words: &mpsc::UnboundedSender<Word>| {
            let (reply, answer) = oneshot::channel();
            let _ = words.send(word(reply));
            answer
        };
        let asked: Vec<_> = self.words.iter().map(ask).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.extend(answer.await);
        }
        answers
    }

    /// Waits until all threads have ended. An error if one of them did not do its part.
    pub(crate) async fn stop(&mut self) -> Result<(), RunError> {
        self.tell(|| Word::Stop);
        let threads = std::mem::take(&mut self.threads);
        let join = move || {
            for thread in threads {
                let name = thread.thread().name().unwrap_or_default().to_owned();
                match thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        return Err(RunError::Thread {
                            name,
                            why: error.to_string(),
                        });
                    }
                    Err(_) => {
                        return Err(RunError::Thread {
                            name,
                            why: "it panicked".to_owned(),
                        });
                    }
                }
            }
            Ok(())
        };
        tokio::task::spawn_blocking(join)
            .await
            .map_err(std::io::Error::from)?
    }
}

fn sum(looks: Vec<Look>) -> Look {
    let mut all = Look::default();
    looks.into_iter().for_each(|look| all.add(look));
    all
}
