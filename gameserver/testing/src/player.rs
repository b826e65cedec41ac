//! A scripted player with the smallest proxy between itself and the servers: it follows its owner, repeats commands until
//! they are acknowledged, and acknowledges events.

use std::collections::VecDeque;

use bytes::Bytes;
use game::{CommandKind, RegionNumber};
use protocol::ids::{NodeNumber, OwnerEpoch, SessionGeneration, UserId};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::player::{Command, CommandClass, EventAck, Inputs};

/// One player.
#[derive(Debug, Default)]
pub(crate) struct Player {
    pub(crate) user: UserId,
    /// Who simulates it, as far as its proxy knows.
    pub(crate) node: NodeNumber,
    pub(crate) epoch: OwnerEpoch,
    /// The newest own state.
    pub(crate) own: Bytes,
    /// Events that the test has not taken.
    pub(crate) events: Vec<Bytes>,
    /// News that the test has not taken.
    pub(crate) news: Vec<(RegionNumber, Bytes)>,
    pub(crate) heard_at_ms: u64,
    pub(crate) acked: u64,
    input: u64,
    command: u64,
    event: u64,
    unacked: VecDeque<(u64, CommandClass, Bytes)>,
}

/// Everybody logs in once.
pub(crate) const LOGIN: SessionGeneration = SessionGeneration(1);

impl Player {
    pub(crate) fn new(user: UserId, node: NodeNumber, now_ms: u64) -> Self {
        Self {
            user,
            node,
            heard_at_ms: now_ms,
            ..Self::default()
        }
    }

    /// The newest event that it has.
    pub(crate) fn event(&self) -> u64 {
        self.event
    }

    pub(crate) fn input(&mut self, input: &[u8]) -> ProxyToServer {
        self.input += 1;
        Inputs {
            user: self.user.0,
            owner_epoch: self.epoch.0,
            number: self.input,
            inputs: vec![Bytes::copy_from_slice(input)],
        }
        .into()
    }

    /// Issues a command: its number, and what to send.
    pub(crate) fn command(&mut self, kind: CommandKind, body: &[u8]) -> (u64, ProxyToServer) {
        self.command += 1;
        let class = match kind {
            CommandKind::Soft => CommandClass::Soft,
            CommandKind::Durable => CommandClass::Durable,
        };
        let command = (self.command, class, Bytes::copy_from_slice(body));
        let message = self.message(&command);
        self.unacked.push_back(command);
        (self.command, message)
    }

    /// Takes what an owner said; what is to be sent then.
    pub(crate) fn hear(
        &mut self,
        node: NodeNumber,
        message: ServerToProxy,
        now_ms: u64,
    ) -> Vec<ProxyToServer> {
        match message {
            ServerToProxy::Joined(joined) if joined.owner_epoch >= self.epoch.0 => {
                (self.node, self.epoch) = (node, OwnerEpoch(joined.owner_epoch));
                self.heard_at_ms = now_ms;
                return self.repeated();
            }
            ServerToProxy::Moved(moved) if moved.from_epoch == self.epoch.0 => {
                let to = u16::try_from(moved.node).unwrap_or_default();
                (self.node, self.epoch) = (NodeNumber(to), OwnerEpoch(moved.owner_epoch));
                return self.repeated();
            }
            ServerToProxy::Output(output) if output.owner_epoch == self.epoch.0 => {
                self.own = output.own;
                self.heard_at_ms = now_ms;
            }
            ServerToProxy::Notify(news) => self.news.push((RegionNumber(news.region), news.body)),
            ServerToProxy::CommandAck(ack) => {
                self.acked = self.acked.max(ack.number);
                self.unacked.retain(|(number, ..)| *number > ack.number);
            }
            ServerToProxy::Event(event) if event.owner_epoch == self.epoch.0 => {
                if event.number > self.event {
                    self.event = event.number;
                    self.events.push(event.body);
                }
                return vec![self.event_ack()];
            }
            _ => {}
        }
        Vec::new()
    }

    /// What a new owner is to hear. It tells no event before its proxy has said something at its epoch.
    fn repeated(&self) -> Vec<ProxyToServer> {
        let commands = self.unacked.iter().map(|command| self.message(command));
        std::iter::once(self.event_ack()).chain(commands).collect()
    }

    fn event_ack(&self) -> ProxyToServer {
        EventAck {
            user: self.user.0,
            owner_epoch: self.epoch.0,
            number: self.event,
            session_generation: LOGIN.0,
        }
        .into()
    }

    fn message(&self, (number, class, body): &(u64, CommandClass, Bytes)) -> ProxyToServer {
        Command {
            user: self.user.0,
            owner_epoch: self.epoch.0,
            number: *number,
            class: (*class).into(),
            body: body.clone(),
            session_generation: LOGIN.0,
        }
        .into()
    }
}
