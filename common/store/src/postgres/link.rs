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

/// How long looking for a host that writes may take for something that need not hold a store.
const CONNECT_WITHIN: Duration = Patience::USUAL.connecting;
/// The pause before a second attempt to connect; doubled with each further one …
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// How often a call is repeated that has collided with another one.
const COLLISIONS_MAX: u32 = 4;
/// Why an answer does not count.
const FORMER: &str = "it was answered by a database of an older generation, a former primary";

/// How long a link waits for its database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Looking for a host that writes, all of them together.
    connecting: Duration,
    /// One call. Whoever waits for a lock is told sooner, by the database; what takes longer is a database that is gone, or that
    /// waits for its standby.
    calling: Duration,
    /// Everything that somebody waits for.
    all: Duration,
    /// The longest pause between two attempts to connect.
    pause_max: Duration,
}

impl Patience {
    pub(super) const USUAL: Self = Self {
        connecting: Duration::from_secs(5),
        calling: Duration::from_secs(5),
        all: Duration::from_secs(60),
        pause_max: Duration::from_secs(2),
    };
    /// For leases: whoever is not heard of for 3 s is taken for dead.
    pub(super) const BRIEF: Self = Self {
        connecting: Duration::from_millis(1500),
        calling: Duration::from_secs(2),
        all: Duration::from_secs(2),
        pause_max: Duration::from_millis(500),
    };
}

/// A thread's way to the database.
#[derive(Debug)]
pub(super) struct Link {
    /// Always there but while the link is dropped.
    runtime: Option<Runtime>,
    line: Line,
}

/// All of it but its run time.
#[derive(Debug)]
struct Line {
    address: PostgresAddress,
    known: Arc<Known>,
    patience: Patience,
    session: Option<Session>,
    /// How many there were.
    sessions: u64,
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
    pub(super) fn new(
        address: &PostgresAddress,
        known: &Arc<Known>,
        patience: Patience,
    ) -> std::io::Result<Self> {
        Ok(Self {
            runtime: Some(Builder::new_current_thread().enable_all().build()?),
            line: Line {
                address: address.clone(),
                known: Arc::clone(known),
                patience,
                session: None,
                sessions: 0,
                again: Again {
                    pause: PAUSE_FIRST,
                    at: None,
                    said: String::new(),
                },
            },
        })
    }

    /// Which store was found.
    pub(super) fn identity(&self) -> StoreIdentity {
        self.line.known.identity()
    }

    /// How many connections there were: another number, another session.
    pub(super) fn sessions(&self) -> u64 {
        self.line.sessions
    }

    /// Connects, unless there is a connection.
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.line.open()),
            None => Err(self.line.again.refusal()),
        }
    }

    /// Calls a function of the database. Blocks.
    pub(super) fn call(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.line.call(statement, parameters)),
            None => Err(Failure::Not(self.line.again.refusal())),
        }
    }

    /// The generation that the host of this connection is at by now.
    pub(super) fn saw(&mut self, generation: u16) {
        if let Some(session) = &mut self.line.session {
            session.generation = session.generation.max(generation);
        }
        self.line.known.raised(generation);
    }

    /// Does something with a database that need not hold a store yet.
    pub(super) fn alone<T, E: From<StoreError>>(
        address: &PostgresAddress,
        work: impl AsyncFnOnce(&Client) -> Result<T, E>,
    ) -> std::io::Result<Result<T, E>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            let connected = timeout(CONNECT_WITHIN, connect(address, &address.config)).await;
            let (client, _) = connected.map_err(|_| nobody_writes(address, CONNECT_WITHIN))??;
            work(&client).await
        }))
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        let (Some(session), Some(runtime)) = (self.line.session.take(), &self.runtime) else {
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

    fn failed(&mut self, error: &StoreError, pause_max: Duration) {
        let jitter = self.pause.mul_f64(rand::random_range(0.5..1.0));
        self.at = Some(Instant::now() + jitter);
        self.pause = (self.pause * 2).min(pause_max);
        self.said = what(error);
    }
}

impl Line {
    /// Makes sure that there is a connection, as far as one can see without asking.
    async fn open(&mut self) -> Result<(), StoreError> {
        if let Some(open) = &self.session {
            // While nobody called, nobody looked whether the database has hung up.
            yield_now().await;
            yield_now().await;
            if !open.client.is_closed() && open.generation >= self.known.generation() {
                return Ok(());
            }
            self.session = None;
        }
        if self.again.at.is_some_and(|at| Instant::now() < at) {
            return Err(self.again.refusal());
        }
        let within = self.patience.connecting;
        let connected = match timeout(within, enter(&self.address, &self.known, within)).await {
            Ok(connected) => connected,
            Err(_) => Err(nobody_writes(&self.address, within)),
        };
        match connected {
            Ok(connected) => {
                if self.again.at.take().is_some() {
                    tracing::info!(address = %self.address, "the database is back");
                }
                self.again.pause = PAUSE_FIRST;
                self.session = Some(connected);
                self.sessions += 1;
                Ok(())
            }
            Err(error) => {
                self.again.failed(&error, self.patience.pause_max);
                Err(error)
            }
        }
    }

    async fn call(&mut self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        let began = Instant::now();
        let mut collisions = 0;
        loop {
            self.open().await.map_err(Failure::Not)?;
            let Some(open) = &self.session else {
                return Err(Failure::Not(self.again.refusal()));
            };
            let rest = self.patience.all.saturating_sub(began.elapsed());
            let within = self.patience.calling.min(rest);
            let called = open.call(statement, parameters, within).await;
            // A former primary goes on answering.
            let called = match self.known.generation() > open.generation {
                true => Err(Failure::Unknown(FORMER.to_owned())),
                false => called,
            };
            match called {
                Err(Failure::Collided(_)) if collisions < COLLISIONS_MAX => collisions += 1,
                Err(failure) => {
                    if matches!(failure, Failure::Unknown(_) | Failure::Elsewhere(_))
                        || open.client.is_closed()
                    {
                        self.session = None;
                    }
                    return Err(failure);
                }
                Ok(rows) => return Ok(rows),
            }
            sleep(Duration::from_millis(1).mul_f64(rand::random_range(0.0..f64::from(4 << collisions))))
                .await;
        }
    }
}

fn nobody_writes(address: &PostgresAddress, within: Duration) -> StoreError {
    let seconds = within.as_secs_f32();
    StoreError::Unavailable(format!(
        "no host of {address} that writes has answered for {seconds} s"
    ))
}

/// Connects to the store that we work on, and to no other: of the hosts that write, the one that is farthest. A former primary that came
/// back, or never went, also writes.
async fn enter(address: &PostgresAddress, known: &Known, within: Duration) -> Result<Session, StoreError> {
    let (mut best, mut refused): (Option<(Session, Hello)>, Vec<StoreError>) = (None, Vec::new());
    let hosts = address.hosts();
    // One that is silent leaves time for the others.
    let each = within / u32::try_from(hosts.len()).unwrap_or(u32::MAX).max(1);
    for host in hosts {
        let met = timeout(each, meet(address, &host, known)).await;
        let found = match met.unwrap_or_else(|_| Err(silent(each))) {
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

fn silent(within: Duration) -> StoreError {
    let seconds = within.as_secs_f32();
    StoreError::Unavailable(format!("a host has not answered for {seconds} s"))
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
    async fn call(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
        within: Duration,
    ) -> Result<Vec<Row>, Failure> {
        // Unnamed statements, so that a pooler may stand in between.
        let called = timeout(within, self.client.query_typed(statement, parameters)).await;
        // A commit that its standby has not got is answered like any other, but for a warning.
        let warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (called, warning) {
            (Err(_), _) => Err(Failure::Unknown(format!(
                "the database has not answered within {} s",
                within.as_secs_f32()
            ))),
            (Ok(Err(error)), _) => Err(fault::of_call(&error)),
            (Ok(Ok(_)), Some(warning)) => Err(Failure::Unknown(warning)),
            (Ok(Ok(rows)), None) => Ok(rows),
        }
    }
}
