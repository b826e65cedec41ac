//! What clients say: inputs by datagram or TCP, commands, acknowledgements. The road down starts here.

use bytes::Bytes;
use prost::Message as _;
use protocol::datagram::ConnectionId;
use protocol::ids::EventNumber;
use protocol::message::checked::{CheckedCommand, CheckedInput};
use protocol::message::client;
use protocol::message::family::{ClientToProxy, ProxyToServer};
use protocol::message::player;
use protocol::{Code, Entropy};

use super::Edge;
use super::commands::Taken;
use super::effect::{DatagramRoad, DatagramSink, EdgeEffect};
use super::input::SessionHandle;
use super::path::Arrived;
use super::session::Transport;

impl Edge {
    /// Takes a datagram, decrypting it in place. What is not from a session of this shard is dropped before any crypto.
    pub fn handle_datagram(
        &mut self,
        from: impl Into<DatagramRoad>,
        datagram: &mut [u8],
        now_ms: u64,
        entropy: &mut dyn Entropy,
        sink: &mut dyn DatagramSink,
    ) {
        let cid = ConnectionId::of(datagram);
        let Some(handle) = cid.and_then(|cid| self.by_cid.get(&cid.0)).copied() else {
            let late = cid.is_some_and(|cid| self.closed_paths.has(&cid.0));
            let reason = if late {
                "datagram_late"
            } else {
                "datagram_unknown_cid"
            };
            self.effects.push(EdgeEffect::Refused(reason));
            return;
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        match session.path.open(from.into(), datagram, now_ms, entropy, sink) {
            Ok(Arrived::Data(plain)) => {
                session.heard_awake_ms = self.awake.now_ms();
                // The message is small and its inputs outlive the datagram's buffer.
                let Ok(input) = client::Input::decode(Bytes::copy_from_slice(plain)) else {
                    self.effects.push(EdgeEffect::Refused("datagram_malformed"));
                    return;
                };
                session.transport = Transport::Udp;
                self.input(handle, input, now_ms);
            }
            Ok(Arrived::Handled) => {}
            Err(label) => self.effects.push(EdgeEffect::Refused(label)),
        }
    }

    pub(super) fn client_message(&mut self, handle: SessionHandle, message: ClientToProxy, now_ms: u64) {
        if let Some(session) = self.sessions.get_mut(handle.0) {
            session.heard_awake_ms = self.awake.now_ms();
        }
        match message {
            ClientToProxy::Attach(attach) => self.attach(handle, attach, now_ms),
            ClientToProxy::Input(input) => self.input_by_tcp(handle, input, now_ms),
            ClientToProxy::Command(command) => self.command(handle, command, now_ms),
            ClientToProxy::EventAck(ack) => self.event_ack(handle, ack),
            ClientToProxy::Logout(client::Logout {}) => self.logout(handle, now_ms),
            ClientToProxy::Ping(ping) => {
                let answer = client::Ping {
                    sent_at_us: 0,
                    echo_us: ping.sent_at_us,
                };
                self.effects.push(EdgeEffect::ToClient(handle, answer.into()));
            }
        }
    }

    fn input_by_tcp(&mut self, handle: SessionHandle, input: client::Input, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        session.transport = Transport::Tcp;
        self.input(handle, input, now_ms);
    }

    fn input(&mut self, handle: SessionHandle, input: client::Input, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let Ok(input) = CheckedInput::try_from(input) else {
            self.effects.push(EdgeEffect::Refused("input_malformed"));
            return;
        };
        if !session.input_rate.take(1, now_ms) {
            self.effects.push(EdgeEffect::Refused("input_rate"));
            return;
        }
        session.sight.acknowledge(input.ack);
        session.pace_ms = u64::from(input.pace_ms);
        let new = session.inputs.take(input, now_ms);
        if let Some(owner) = session.route.playing().filter(|_| new)
            && let Some(message) = session.inputs.message(session.user, owner.epoch.0)
        {
            self.effects
                .push(EdgeEffect::ToServer(owner.node, ProxyToServer::from(message)));
        }
    }

    fn command(&mut self, handle: SessionHandle, command: client::Command, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let checked = CheckedCommand::try_from(command).ok();
        let Some(command) = checked.filter(|_| session.attached.is_some()) else {
            self.effects.push(EdgeEffect::Refused("command_malformed"));
            self.end(handle, Code::Protocol, now_ms);
            return;
        };
        if !session.command_rate.take(1, now_ms) {
            self.effects.push(EdgeEffect::Refused("command_rate"));
            self.end(handle, Code::RateLimited, now_ms);
            return;
        }
        match session.commands.take(&command, now_ms) {
            Taken::New => {
                if let Some(owner) = session.route.playing() {
                    let message = player::Command {
                        user: session.user.0,
                        owner_epoch: owner.epoch.0,
                        number: command.number.0,
                        class: command.class.into(),
                        body: command.body,
                        session_generation: session.generation.0,
                    };
                    self.effects
                        .push(EdgeEffect::ToServer(owner.node, message.into()));
                }
            }
            Taken::Repeated => {
                let ack = client::CommandAck {
                    number: session.commands.acked().0,
                };
                self.effects.push(EdgeEffect::ToClient(handle, ack.into()));
            }
            Taken::OutOfWindow => {
                self.effects.push(EdgeEffect::Refused("command_window"));
                self.end(handle, Code::Protocol, now_ms);
            }
        }
    }

    fn event_ack(&mut self, handle: SessionHandle, ack: client::EventAck) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let Ok(number) = EventNumber::try_from(ack) else {
            self.effects.push(EdgeEffect::Refused("event_ack_malformed"));
            return;
        };
        if let Some(attached) = &mut session.attached {
            attached.acked_event = attached.acked_event.max(number.0);
        }
        if let Some(owner) = session.route.playing() {
            let message = player::EventAck {
                user: session.user.0,
                owner_epoch: owner.epoch.0,
                number: number.0,
                session_generation: session.generation.0,
            };
            self.effects
                .push(EdgeEffect::ToServer(owner.node, message.into()));
        }
    }
}
