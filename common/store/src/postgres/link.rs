//! One connection of one thread: made when it is needed, given up as soon as it is doubtful, and made again with pauses that
//! grow and are not alike. A call is one round trip.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::node_handshake::StoreIdentity;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Config, Row};

use super::address::PostgresAddress;
use super::fault::{self, Failure};
use super::parameter::Parameter;
use super::schema::{self, Hello};
use super::tls::Secrecy;
use crate::StoreError;

/// How long one call may take. Whoever waits for a lock is told sooner, by the database; what takes longer is a database that is
/// gone, or that waits for its standby.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How long looking for a host that writes may take, all of them together.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The pause before a second attempt to connect; doubled with each further one …
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// … up to this.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a call is repeated that has collided with another one.
const COLLISIONS_MAX: u32 = 4;
/// Why an answer does not count.
const FORMER: &str = "it was answered by a database of an older generation, a former primary";

/// A thread's way to the database.
#[derive(Debug)]
pub(super) struct Link {
    /// Always there but while the link is dropped.
    runtime: Option<Runtime>,
    address: PostgresAddress,
    known: Arc<Known>,
    session: Option<Session>,
    again: Again,
}

/// What all connections of a store have to find.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Hello>>, Mutex<Option<String>>);

#[derive(Debug)]
struct Session {
    client: Client,
    /// The newest that its host has been seen at.
    generation: u16,
    warning: Warning,
}

/// When to try again.
#[derive(Debug)]
struct Again {
    pause: Duration,
    at: Option<Instant>,
    said: String,
}

impl Known {
    /// Whether this is what we work on: no other world, and no older state of it.
    fn may_be(&self, found: &Hello) -> Result<(), StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(known) if known.world != found.world => Err(StoreError::Unavailable(format!(
                "the database holds world {} now, and this node works on world {}",
                found.world, known.world
            ))),
            Some(known) if known.generation > found.generation => Err(StoreError::Unavailable(format!(
                "the database has generation {}, and this node has seen {}: it is a former primary or was set back",
                found.generation, known.generation
            ))),
            _ => Ok(()),
        }
    }

    /// Takes what a connection has found, unless another one has found more meanwhile.
    fn compare(&self, found: Hello) -> Result<(), StoreError> {
        self.may_be(&found)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(())
    }

    /// Generation that has been seen.
    pub(super) fn raised(&self, generation: u16) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_mut() {
            known.generation = known.generation.max(generation);
        }
    }

    /// The newest that any of our connections has seen.
    fn generation(&self) -> u16 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or(0, |known| known.generation)
    }

    /// Why what the database confirms may be lost, if that is why it was refused.
    pub(super) fn risk(&self) -> Option<String> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn at_risk(&self, risk: Option<&str>) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = risk.map(str::to_owned);
    }

    pub(super) fn identity(&self) -> StoreIdentity {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .map_or_else(StoreIdentity::default, |known| StoreIdentity {
                world: known.world,
                copy: known.copy,
            })
    }
}

impl Link {
    pub(super) fn new(address: &PostgresAddress, known: &Arc<Known>) -> std::io::Result<Self> {
        Ok(Self {
            runtime: Some(Builder::new_current_thread().enable_all().build()?),
            address: address.clone(),
            known: Arc::clone(known),
            session: None,
            again: Again {
                pause: PAUSE_FIRST,
                at: None,
                said: String::new(),
            },
        })
    }

    /// Which store was found.
    pub(super) fn identity(&self) -> StoreIdentity {
        self.known.identity()
    }

    /// Connects, unless there is a connection.
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        let Self {
            runtime,
            address,
            known,
            session,
            again,
        } = self;
        let Some(runtime) = runtime else {
            return Err(again.refusal());
        };
        runtime.block_on(open(session, address, known, again))
    }

    /// Calls a function of the database. Blocks.
    pub(super) fn call(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let Self {
            runtime,
            address,
            known,
            session,
            again,
        } = self;
        let Some(runtime) = runtime else {
            return Err(Failure::Not(again.refusal()));
        };
        runtime.block_on(async {
            let mut collisions = 0;
            loop {
                open(session, address, known, again).await.map_err(Failure::Not)?;
                let Some(open) = session.as_ref() else {
                    return Err(Failure::Not(again.refusal()));
                };
                let called = open.call(statement, parameters).await;
                // A former primary goes on answering.
                let called = match known.generation() > open.generation {
                    true => Err(Failure::Unknown(FORMER.to_owned())),
                    false => called,
                };
                match called {
                    Err(Failure::Collided(_)) if collisions < COLLISIONS_MAX => collisions += 1,
                    Err(failure) => {
                        if matches!(failure, Failure::Unknown(_) | Failure::Elsewhere(_))
                            || open.client.is_closed()
                        {
                            *session = None;
                        }
                        return Err(failure);
                    }
                    Ok(rows) => return Ok(rows),
                }
                sleep(Duration::from_millis(1).mul_f64(rand::random_range(0.0..f64::from(4 << collisions))))
                    .await;
            }
        })
    }

    /// The generation that the host of this connection is at by now.
    pub(super) fn saw(&mut self, generation: u16) {
        if let Some(session) = &mut self.session {
            session.generation = session.generation.max(generation);
        }
        self.known.raised(generation);
    }

    /// Does something with a database that need not hold a store yet.
    pub(super) fn alone<T, E: From<StoreError>>(
        address: &PostgresAddress,
        work: impl AsyncFnOnce(&Client) -> Result<T, E>,
    ) -> std::io::Result<Result<T, E>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            let connected = timeout(CONNECT_WITHIN, connect(address, &address.config)).await;
            let (client, _) = connected.map_err(|_| nobody_writes(address))??;
            work(&client).await
        }))
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        let (Some(session), Some(runtime)) = (self.session.take(), &self.runtime) else {
            return;
        };
        runtime.block_on(async {
            drop(session);
            // Its task says farewell.
            yield_now().await;
            yield_now().await;
        });
    }
}

impl Drop for Link {
    /// Also where a run time must not wait for another one to end.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Again {
    fn refusal(&self) -> StoreError {
        StoreError::Unavailable(self.said.clone())
    }

    fn failed(&mut self, error: &StoreError) {
        let jitter = self.pause.mul_f64(rand::random_range(0.5..1.0));
        self.at = Some(Instant::now() + jitter);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.said = what(error);
    }
}

/// Makes sure that there is a connection, as far as one can see without asking.
async fn open(
    session: &mut Option<Session>,
    address: &PostgresAddress,
    known: &Known,
    again: &mut Again,
) -> Result<(), StoreError> {
    if let Some(open) = session {
        // While nobody called, nobody looked whether the database has hung up.
        yield_now().await;
        yield_now().await;
        if !open.client.is_closed() && open.generation >= known.generation() {
            return Ok(());
        }
        *session = None;
    }
    if again.at.is_some_and(|at| Instant::now() < at) {
        return Err(again.refusal());
    }
    let connected = match timeout(CONNECT_WITHIN, enter(address, known)).await {
        Ok(connected) => connected,
        Err(_) => Err(nobody_writes(address)),
    };
    match connected {
        Ok(connected) => {
            if again.at.take().is_some() {
                tracing::info!(%address, "the database is back");
            }
            again.pause = PAUSE_FIRST;
            *session = Some(connected);
            Ok(())
        }
        Err(error) => {
            again.failed(&error);
            Err(error)
        }
    }
}

fn nobody_writes(address: &PostgresAddress) -> StoreError {
    let seconds = CONNECT_WITHIN.as_secs();
    StoreError::Unavailable(format!(
        "no host of {address} that writes has answered for {seconds} s"
    ))
}

/// Connects to the store that we work on, and to no other: of the hosts that write, the one that is farthest. A former primary that came
/// back, or never went, also writes.
async fn enter(address: &PostgresAddress, known: &Known) -> Result<Session, StoreError> {
    let (mut best, mut refused): (Option<(Session, Hello)>, Vec<StoreError>) = (None, Vec::new());
    for host in address.hosts() {
        let found = match meet(address, &host, known).await {
            Ok(found) => found,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        let far = |hello: &Hello| (hello.generation, hello.timeline);
        if best.as_ref().is_none_or(|(_, best)| far(best) < far(&found.1)) {
            best = Some(found);
        }
    }
    let Some((mut session, mut hello)) = best else {
        return Err(of_all(refused));
    };
    if hello.is_promoted {
        let before = hello.generation;
        hello.generation = schema::follow(&session.client).await?;
        tracing::warn!(
            generation = hello.generation,
            before,
            "the database is in another history than before: a standby was promoted, and a generation has begun"
        );
        session.generation = hello.generation;
    }
    known.compare(hello)?;
    Ok(session)
}

/// Why none of the hosts will do.
fn of_all(mut refused: Vec<StoreError>) -> StoreError {
    let lasts = |error: &StoreError| !matches!(error, StoreError::Unavailable(_));
    let foremost = refused.iter().position(lasts);
    if let Some(foremost) = foremost {
        return refused.swap_remove(foremost);
    }
    let each: Vec<String> = refused.iter().map(what).collect();
    StoreError::Unavailable(each.join("; "))
}

/// What is wrong, without the words that say so.
fn what(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(what) => what.clone(),
        error => error.to_string(),
    }
}

/// Connects to one host, and hears which store it has.
async fn meet(
    address: &PostgresAddress,
    host: &Config,
    known: &Known,
) -> Result<(Session, Hello), StoreError> {
    let (client, warning) = connect(address, host).await?;
    let hello = schema::hello(&client).await?;
    known.may_be(&hello)?;
    let risk = risk(address, &hello);
    known.at_risk(risk);
    if let Some(risk) = risk {
        return Err(StoreError::Unavailable(risk.to_owned()));
    }
    let session = Session {
        client,
        generation: hello.generation,
        warning,
    };
    Ok((session, hello))
}

/// Why what this host confirms may be lost when it is, unless the operator insists.
fn risk(address: &PostgresAddress, hello: &Hello) -> Option<&'static str> {
    if address.accepts_loss {
        return None;
    }
    if !matches!(hello.synchronous_commit.as_str(), "on" | "remote_apply") {
        return Some(
            "its synchronous_commit is below on, so what was confirmed may be lost and epochs be given out twice: set it to on, \
             or insist with accept_loss=yes in the address",
        );
    }
    if address.config.get_hosts().len() > 1 && hello.synchronous_standby_names.is_empty() {
        return Some(
            "its address names several hosts, and the one that writes has no synchronous standby, so a promotion may lose what was confirmed and \
             give epochs out twice: name one in synchronous_standby_names, or insist with accept_loss=yes in the address",
        );
    }
    None
}

type Warning = Arc<Mutex<Option<String>>>;

async fn connect(address: &PostgresAddress, hosts: &Config) -> Result<(Client, Warning), StoreError> {
    let secrecy = Secrecy(address.trust.clone());
    let connected = hosts.connect(secrecy).await;
    let (client, mut connection) = connected.map_err(|error| fault::of_connecting(&error))?;
    let warning = Warning::default();
    let heard = Arc::clone(&warning);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message
                && notice.parsed_severity() == Some(Severity::Warning)
            {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice.message().to_owned());
            }
        }
    });
    Ok((client, warning))
}

impl Session {
    async fn call(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        // Unnamed statements, so that a pooler may stand in between.
        let called = timeout(CALL_WITHIN, self.client.query_typed(statement, parameters)).await;
        // A commit that its standby has not got is answered like any other, but for a warning.
        let warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (called, warning) {
            (Err(_), _) => Err(Failure::Unknown(format!(
                "the database has not answered within {} s",
                CALL_WITHIN.as_secs()
            ))),
            (Ok(Err(error)), _) => Err(fault::of_call(&error)),
            (Ok(Ok(_)), Some(warning)) => Err(Failure::Unknown(warning)),
            (Ok(Ok(rows)), None) => Ok(rows),
        }
    }
}
