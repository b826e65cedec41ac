//! Proxies: whom each session trusts. An epoch never goes down, and nothing goes to or comes from a lower one.

use protocol::ids::{NodeNumber, OwnerEpoch, ProxyLane, UserId};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use proxy::edge::SessionView;
use proxy::shard::ShardEffect;

use super::Checks;

impl Checks {
    /// Before a proxy hears a message: whether it has to refuse it.
    pub(crate) fn expect(
        &mut self,
        message: &ServerToProxy,
        mut sessions: impl Iterator<Item = SessionView>,
    ) {
        let (user, epoch) = match message {
            ServerToProxy::Output(output) => (output.user, output.owner_epoch),
            ServerToProxy::CommandAck(ack) => (ack.user, ack.owner_epoch),
            ServerToProxy::Event(event) => (event.user, event.owner_epoch),
            _ => return,
        };
        let session = sessions.find(|session| session.user == UserId(user));
        let owner = session.and_then(|session| session.owner);
        let trusted = owner.map(|(_, _, epoch)| epoch);
        if trusted.is_some_and(|trusted| OwnerEpoch(epoch) < trusted) {
            self.refusal_due = Some(format!(
                "H9: a proxy that trusts {trusted:?} accepted {message:?}"
            ));
        }
    }

    /// After anything that a proxy did.
    pub(crate) fn routes(
        &mut self,
        at: ProxyLane,
        life: u32,
        sessions: impl Iterator<Item = SessionView>,
        effects: &[ShardEffect],
        said: &[(NodeNumber, ProxyToServer)],
    ) {
        if let Some(due) = self.refusal_due.take()
            && !effects.contains(&ShardEffect::Count("output_late"))
        {
            self.fail(due);
        }
        let mut trusted = Vec::new();
        for session in sessions {
            let Some((owner, _, epoch)) = session.owner else {
                continue;
            };
            trusted.push((session.user, owner, epoch));
            let seen = self.routes.entry((at, life, session.handle)).or_insert(epoch);
            let before = std::mem::replace(seen, epoch);
            let user = session.user;
            if epoch < before {
                return self.fail(format!(
                    "H9: proxy {at} went from epoch {before} to {epoch} of user {user}"
                ));
            }
            if self.row(user).is_none_or(|row| row.owner_epoch < epoch) {
                return self.fail(format!(
                    "H9: proxy {at} trusts epoch {epoch} of user {user}, ahead of the row"
                ));
            }
        }
        for (server, message) in said {
            let (user, epoch) = match message {
                ProxyToServer::Inputs(message) => (message.user, message.owner_epoch),
                ProxyToServer::Command(message) => (message.user, message.owner_epoch),
                ProxyToServer::EventAck(message) => (message.user, message.owner_epoch),
                _ => continue,
            };
            let mut own = trusted.iter().filter(|(of, ..)| of.0 == user).peekable();
            if own.peek().is_some() && !own.any(|(_, owner, of)| owner == server && of.0 == epoch) {
                self.fail(format!(
                    "H9: proxy {at} routes user {user} to server {server} at epoch {epoch}"
                ));
            }
        }
    }
}
