//! A proxy's links to auth nodes, and what it asks over them: to open boxes that it cannot open itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use net::link::{DrivenLink, HandedLink, Heard, LinkContext, LinkId, LinkTarget, drive_as, keep_linked};
use node::addresses::dialed;
use node::dial_plan::Dialed;
use protocol::Code;
use protocol::identity::{ClientPublic, Role};
use protocol::ids::{Lane, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::auth;
use protocol::message::checked::CheckedAnswer;
use protocol::message::family::{AuthToProxy, ProxyToAuth};
use protocol::message::subscription::Topology;
use protocol::ticket::TICKET_BYTES;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use super::topology_news::TopologyNews;

/// How long an answer may take: less than a handshake, so that the client hears why it is not let in.
const PATIENCE: Duration = Duration::from_secs(4);
type AuthLink = DrivenLink<ProxyToAuth>;

/// No link to the auth node is up, or it does not answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away;

/// The links that are up, and who waits for an answer.
#[derive(Default)]
pub(super) struct AuthLinks {
    up: Mutex<BTreeMap<NodeUuid, AuthLink>>,
    /// No longer than there are handshakes and requests.
    asked: Mutex<BTreeMap<u64, Waiting>>,
    numbers: AtomicU64,
}

struct Waiting {
    link: LinkId,
    answer: oneshot::Sender<CheckedAnswer>,
}

/// A question that is forgotten when nobody waits for its answer any more.
struct Asked<'a>(&'a AuthLinks, u64);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.asked().remove(&self.1);
    }
}

impl AuthLinks {
    /// Whether a link to this node is up.
    pub(super) fn is_up(&self, uuid: NodeUuid) -> bool {
        self.up().contains_key(&uuid)
    }

    /// What the auth node `to` says that a box is sealed to.
    ///
    /// # Errors
    /// It is away, or does not answer.
    pub(super) async fn ask(
        &self,
        to: NodeUuid,
        (client, sealed): (ClientPublic, &[u8]),
        ticket: Option<&[u8; TICKET_BYTES]>,
    ) -> Result<CheckedAnswer, Away> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        let _asked = Asked(self, number);
        {
            // Under one lock with its end: whoever is noted for a link hears when that is over.
            let up = self.up();
            let link = up.get(&to).ok_or(Away)?;
            let waiting = Waiting {
                link: link.id,
                answer,
            };
            self.asked().insert(number, waiting);
            link.say(ProxyToAuth::from(auth::Ask {
                number,
                client: Bytes::copy_from_slice(&client.to_bytes()),
                sealed: Bytes::copy_from_slice(sealed),
                ticket: ticket.map_or_else(Bytes::new, |ticket| Bytes::copy_from_slice(ticket)),
            }));
        }
        let answer = timeout(PATIENCE, answered).await;
        answer.ok().and_then(Result::ok).ok_or(Away)
    }

    fn take(&self, uuid: NodeUuid, link: AuthLink) {
        if let Some(older) = self.up().insert(uuid, link) {
            older.close(Code::DuplicateLink);
        }
    }

    fn answered(&self, by: LinkId, answer: CheckedAnswer) {
        let mut asked = self.asked();
        // Nobody answers what another one was asked; who waits no longer needs nothing.
        if asked
            .get(&answer.number)
            .is_some_and(|waiting| waiting.link == by)
            && let Some(waiting) = asked.remove(&answer.number)
        {
            let _ = waiting.answer.send(answer);
        }
    }

    fn ended(&self, uuid: NodeUuid, link: LinkId) {
        let mut up = self.up();
        if up.get(&uuid).is_some_and(|now| now.id == link) {
            up.remove(&uuid);
        }
        self.asked().retain(|_, waiting| waiting.link != link);
    }

    fn close(&self, uuid: NodeUuid) {
        if let Some(link) = self.up().get(&uuid) {
            link.close(Code::NotInTopology);
        }
    }

    fn up(&self) -> MutexGuard<'_, BTreeMap<NodeUuid, AuthLink>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dials auth nodes, and hears them.
#[derive(Clone)]
pub(super) struct AuthDialer {
    pub(super) links: Arc<AuthLinks>,
    pub(super) context: Arc<LinkContext>,
    pub(super) news: Arc<TopologyNews>,
    pub(super) refusals: Arc<Refusals>,
    /// To whoever takes topologies up.
    pub(super) offered: Arc<dyn Fn(NodeNumber, Topology) + Send + Sync>,
}

impl AuthDialer {
    /// Keeps one auth node linked until `stop`.
    pub(super) async fn dial(self, (number, uuid): Dialed, stop: CancellationToken) {
        let in_force = Arc::clone(&self.news.topology);
        let address = move || dialed(&in_force.view().topology().auth(number)?.proxy);
        let target = LinkTarget {
            address: Arc::new(address),
            responder: uuid,
            role: Role::Auth,
            lane: Lane::FIRST,
        };
        let this = self.clone();
        let hand_over = move |link| this.clone().own((number, uuid), link);
        keep_linked(Arc::clone(&self.context), target, hand_over, stop).await;
        self.links.close(uuid);
    }

    fn own(self, (number, uuid): Dialed, link: HandedLink) {
        let (links, in_force) = (Arc::clone(&self.links), Arc::clone(&self.news.topology));
        let (clock, id) = (self.context.clock, link.id);
        let version = move || in_force.view().version();
        let up = |link: AuthLink| links.take(uuid, link);
        let hear = move |heard| self.hear((number, uuid), id, heard);
        if let Err(error) = drive_as(link, clock, version, up, hear) {
            tracing::warn!(%error, "a link to an auth node cannot be served");
            links.ended(uuid, id);
        }
    }

    fn hear(&self, (number, uuid): Dialed, id: LinkId, heard: Heard<AuthToProxy>) {
        match heard {
            Heard::Message(AuthToProxy::Answer(answer)) => match CheckedAnswer::try_from(answer) {
                Ok(answer) => self.links.answered(id, answer),
                Err(error) => {
                    self.refusals.count("auth_answer");
                    tracing::warn!(%error, "an auth node says what it may not");
                }
            },
            Heard::Message(AuthToProxy::GetTopology(asked)) => {
                if let Some(topology) = self.news.answer(&asked) {
                    self.say(uuid, topology.into());
                }
            }
            Heard::Message(AuthToProxy::Topology(topology)) => (self.offered)(number, topology),
            Heard::Message(AuthToProxy::Heartbeat(heartbeat)) | Heard::Heartbeat(heartbeat) => {
                let theirs = TopologyVersion(heartbeat.topology_version);
                if let Some(question) = self.news.question(theirs) {
                    self.say(uuid, question.into());
                }
            }
            Heard::Ended(reason) => {
                tracing::debug!(?reason, %number, "a link to an auth node is over");
                self.links.ended(uuid, id);
            }
        }
    }

    fn say(&self, uuid: NodeUuid, message: ProxyToAuth) {
        if let Some(link) = self.links.up().get(&uuid) {
            link.say(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::ClientKey;

    #[tokio::test]
    async fn sd_3_without_a_link_whoever_asks_hears_so_at_once_and_nothing_is_kept() {
        let links = AuthLinks::default();
        let client = ClientKey::from_seed(&[4; 32]).public();
        let asking = links.ask(NodeUuid([1; 16]), (client, b"a box"), None);
        let answer = timeout(Duration::from_secs(1), asking).await;
        assert!(matches!(answer, Ok(Err(Away))), "{answer:?}");
        assert!(links.asked().is_empty());
        assert!(!links.is_up(NodeUuid([1; 16])));
    }
}
