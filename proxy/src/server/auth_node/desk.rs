//! What an auth node does for the proxies that ask it: opens boxes, and does what is in them. Many questions are under way at once;
//! what one costs is bounded by the pool of passwords.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use net::key_work::key_work;
use net::link::{DrivenLink, HandedLink, Heard, LinkContext, LinkId, drive_as, recheck};
use net::panics::guest;
use node::telemetry::Metric;
use protocol::Code;
use protocol::identity::NodeKey;
use protocol::ids::{ClusterId, NodeUuid, TopologyVersion};
use protocol::message::auth;
use protocol::message::checked::CheckedAsk;
use protocol::message::family::{AuthToProxy, ProxyToAuth};
use protocol::message::subscription::Topology;
use protocol::sealed_deed::Deed;
use protocol::ticket::{AccountKind, Ticket};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::server::auth::{AuthRole, Granted, Ownership, Proof, TurnedAway};
use crate::server::topology_news::TopologyNews;

/// Questions under way at once; one more is told BUSY.
const QUESTIONS_MAX: usize = 1_024;
/// When to try again then, milliseconds.
const BUSY_RETRY_MS: u32 = 1_000;
/// Bytes of a reason on its way.
const REASON_BYTES_MAX: usize = 255;

pub(super) const ASKED: &str = "regionmesh_auth_asked_total";
pub(super) const PASSWORDS: &str = "regionmesh_auth_passwords_total";

/// Every metric that an auth node counts beside those of its links.
pub(super) const METRICS: &[Metric] = &[
    Metric::counter(
        ASKED,
        "What proxies asked for clients, by result: the code of the answer.",
    ),
    Metric::counter(
        PASSWORDS,
        "Passwords that were checked or set, each at the cost of argon2id.",
    ),
];

type Link = DrivenLink<AuthToProxy>;

/// See the module.
pub(super) struct Desk {
    pub(super) auth: Arc<AuthRole>,
    pub(super) own: (ClusterId, NodeUuid, NodeKey),
    pub(super) context: Arc<LinkContext>,
    pub(super) news: Arc<TopologyNews>,
    /// Where questions are worked on.
    runtime: Handle,
    up: Mutex<BTreeMap<LinkId, Link>>,
    room: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn new(
        auth: Arc<AuthRole>,
        own: (ClusterId, NodeUuid, NodeKey),
        (context, news): (Arc<LinkContext>, Arc<TopologyNews>),
    ) -> Self {
        Self {
            auth,
            own,
            context,
            news,
            runtime: Handle::current(),
            up: Mutex::default(),
            room: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        }
    }

    /// A proxy has come.
    pub(super) fn take(self: &Arc<Self>, link: HandedLink) {
        let (id, clock) = (link.id, self.context.clock);
        let (desk, in_force) = (Arc::clone(self), Arc::clone(&self.news.topology));
        let handle = Arc::new(OnceLock::new());
        let heard_by = Arc::clone(&handle);
        let up = |link: Link| {
            self.up().insert(id, link.clone());
            let _ = handle.set(link);
        };
        let hear = move |heard| {
            if let Some(link) = heard_by.get() {
                desk.hear(link, heard);
            }
        };
        if let Err(error) = drive_as(link, clock, move || in_force.view().version(), up, hear) {
            tracing::warn!(%error, "the link of a proxy cannot be served");
            self.up().remove(&id);
        }
    }

    /// Whoever may not be linked by the topology in force is told so.
    pub(super) fn recheck(&self) {
        let up: Vec<Link> = self.up().values().cloned().collect();
        for link in up {
            if let Err(code) = recheck(&link.peer, &*self.context.directory) {
                link.close(code);
            }
        }
    }

    /// Says goodbye to everybody.
    pub(super) fn close(&self) {
        for link in self.up().values() {
            link.close(Code::Draining);
        }
    }

    /// How many proxies are linked.
    pub(super) fn linked(&self) -> usize {
        self.up().len()
    }

    /// A topology that a peer or the disk offers. Waits for the disk.
    pub(super) fn offer(&self, offered: &Topology) {
        match self.news.offer(offered) {
            Ok(Some(view)) => {
                tracing::info!(version = %view.version(), "a newer topology is in force");
                self.news.keep();
                self.recheck();
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a topology is refused"),
        }
    }

    fn hear(self: &Arc<Self>, link: &Link, heard: Heard<ProxyToAuth>) {
        match heard {
            Heard::Message(ProxyToAuth::Ask(ask)) => match CheckedAsk::try_from(ask) {
                Ok(ask) => self.serve(link.clone(), ask),
                Err(error) => {
                    tracing::warn!(%error, "a proxy asks what it may not");
                    link.close(Code::Protocol);
                }
            },
            Heard::Message(ProxyToAuth::GetTopology(asked)) => {
                if let Some(topology) = self.news.answer(&asked) {
                    link.say(topology.into());
                }
            }
            Heard::Message(ProxyToAuth::Topology(topology)) => self.offer(&topology),
            Heard::Message(ProxyToAuth::Heartbeat(heartbeat)) | Heard::Heartbeat(heartbeat) => {
                let theirs = TopologyVersion(heartbeat.topology_version);
                if let Some(question) = self.news.question(theirs) {
                    link.say(question.into());
                }
            }
            Heard::Ended(reason) => {
                tracing::debug!(?reason, proxy = %link.peer.number, "the link of a proxy is over");
                self.up().remove(&link.id);
            }
        }
    }

    fn serve(self: &Arc<Self>, link: Link, ask: CheckedAsk) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            let busy = TurnedAway {
                retry_ms: BUSY_RETRY_MS,
                ..Code::Busy.into()
            };
            return link.say(answer(ask.number, Err(busy)).into());
        };
        let desk = Arc::clone(self);
        let serving = async move {
            let (number, done) = (ask.number, desk.work(ask, net::clock::wall_ms()).await);
            drop(permit);
            link.say(answer(number, done).into());
        };
        self.runtime.spawn(guest("question", serving));
    }

    async fn work(&self, ask: CheckedAsk, wall_ms: u64) -> Result<Done, TurnedAway> {
        let CheckedAsk {
            client,
            sealed,
            ticket,
            ..
        } = ask;
        let (cluster_id, uuid, key) = self.own.clone();
        let opened = key_work(move || Deed::open(&sealed, (uuid, &key), (cluster_id, client)));
        let opened = opened.await.map_err(|_| TurnedAway::from(Code::Busy))?;
        let deed = opened.map_err(|error| {
            tracing::debug!(%error, "a box does not open");
            TurnedAway {
                reason: "what was sealed cannot be opened: read join.json anew".to_owned(),
                ..Code::AuthFailed.into()
            }
        })?;
        let auth = &self.auth;
        let shown = ticket
            .map(|ticket| auth.verified(&ticket, client, wall_ms))
            .transpose()?;
        let whose = (guest_of(shown), client);
        let granted = match deed {
            Deed::LogIn { name, password } => auth.password(&name, &password, client, wall_ms).await,
            Deed::ShowToken { token, name } => auth.token((&token, &name), whose, wall_ms).await,
            Deed::Register { .. } if shown.is_some_and(has_account) => Err(TurnedAway {
                reason: "you have an account already".to_owned(),
                ..Code::Generic.into()
            }),
            Deed::Register { name, password } => auth.register(&name, &password, whose, wall_ms).await,
            Deed::Change {
                name,
                password,
                new_password,
            } => {
                let which = (name.as_str(), Proof::Password(password));
                auth.change_password(which, &new_password, client, wall_ms).await
            }
            Deed::Reset {
                name,
                code,
                new_password,
            } => {
                let which = (name.as_str(), Proof::Code(code));
                auth.change_password(which, &new_password, client, wall_ms).await
            }
            Deed::Delete { password } => {
                return self.delete(shown, Ownership::Password(password), wall_ms).await;
            }
            Deed::DeleteByToken { token } => {
                return self.delete(shown, Ownership::Token(token), wall_ms).await;
            }
        };
        granted.map(|granted| Done::Granted(Box::new(granted)))
    }

    async fn delete(
        &self,
        whose: Option<Ticket>,
        shown: Ownership,
        wall_ms: u64,
    ) -> Result<Done, TurnedAway> {
        let claims = whose.ok_or_else(|| TurnedAway::from(Code::TicketInvalid))?;
        let name = self.auth.delete_own(claims.user, shown, wall_ms).await?;
        Ok(Done::Deleted(name))
    }

    fn up(&self) -> MutexGuard<'_, BTreeMap<LinkId, Link>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was done.
enum Done {
    Granted(Box<Granted>),
    /// The account of this name is no more.
    Deleted(String),
}

fn has_account(claims: Ticket) -> bool {
    claims.account == AccountKind::Registered
}

/// Of an account the token's own counts, whoever shows it.
fn guest_of(shown: Option<Ticket>) -> Option<Ticket> {
    shown.filter(|claims| !has_account(*claims))
}

fn answer(number: u64, done: Result<Done, TurnedAway>) -> auth::Answer {
    let mut answer = auth::Answer {
        number,
        ..auth::Answer::default()
    };
    match done {
        Ok(Done::Granted(granted)) => {
            answer.name = granted.name;
            answer.ticket = Bytes::copy_from_slice(&granted.ticket.encode());
        }
        Ok(Done::Deleted(name)) => answer.name = name,
        Err(away) => {
            answer.code = u32::from(away.code.number());
            answer.retry_ms = away.retry_ms;
            let end = away.reason.floor_char_boundary(REASON_BYTES_MAX);
            away.reason
                .get(..end)
                .unwrap_or_default()
                .clone_into(&mut answer.reason);
        }
    }
    metrics::counter!(ASKED, "result" => answer.code.to_string()).increment(1);
    answer
}
