//! What the route of a player asks for, done; and what nobody answered, asked again.

use protocol::Code;
use protocol::message::family::ProxyToServer;
use protocol::message::{client, player};

use super::Edge;
use super::effect::EdgeEffect;
use super::input::SessionHandle;
use super::route::{LinkUp, Standing, Step};

/// An owner that says nothing of its player for so long is asked about at the store, again and again, milliseconds.
const OWNER_SILENCE_MS: u64 = 2_000;

impl Edge {
    /// Time passes: what was not answered is asked again.
    pub(super) fn retry(&mut self, now_ms: u64) {
        let overdue: Vec<SessionHandle> = self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.route.standing == Standing::Playing)
            .filter_map(|(key, session)| session.commands.is_overdue(now_ms).then_some(SessionHandle(key)))
            .collect();
        for handle in overdue {
            self.send_open_commands(handle);
        }
        let unheard: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| now_ms.saturating_sub(session.owner_heard_ms) >= OWNER_SILENCE_MS)
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in unheard {
            if let Some(session) = self.sessions.get_mut(handle.0) {
                session.owner_heard_ms = now_ms;
                let step = session.route.silent(now_ms);
                self.take_step(handle, step, now_ms);
            }
        }
        let waiting: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.route.waits())
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in waiting {
            let Some(session) = self.sessions.get_mut(handle.0) else {
                continue;
            };
            let step = session.route.tick(now_ms);
            self.take_step(handle, step, now_ms);
        }
    }

    /// A server came back: its players need not wait for the next retry.
    pub(super) fn rejoin_suspended(&mut self, now_ms: u64) {
        let suspended: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.route.standing, Standing::Suspended { .. }))
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in suspended {
            self.take_step(handle, Step::ReadOwner, now_ms);
        }
    }

    /// Does what the route says.
    pub(super) fn take_step(&mut self, handle: SessionHandle, step: Step, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        match step {
            Step::Stay => {}
            Step::ReadOwner => {
                let read = EdgeEffect::ReadOwner(session.user, session.route.trusted_epoch());
                self.effects.push(read);
            }
            Step::Join(node) => match session.join() {
                Some(join) if self.servers.link(node) == LinkUp::Yes => {
                    self.effects.push(EdgeEffect::ToServer(node, join.into()));
                }
                _ => {
                    session.route.suspend(now_ms);
                }
            },
            Step::Adopted => {
                session.owner_heard_ms = now_ms;
                self.adopted(handle);
            }
            Step::Suspended => {
                session.own.bytes.clear();
                session.own.only.clear();
                if !session.recovering_told {
                    session.recovering_told = true;
                    self.notice(handle, Code::WorldRecovering);
                }
            }
        }
    }

    /// A new owner, or the old one again: it gets the last inputs and every open command, the client hears of it.
    fn adopted(&mut self, handle: SessionHandle) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let Some(owner) = session.route.playing() else {
            return;
        };
        session.recovering_told = false;
        session.has_played = true;
        let playing = client::Playing {
            entity: session.own.entity.0,
            owner_epoch: owner.epoch.0,
            region: owner.region.0,
            node: u32::from(owner.node.0),
            last_input: session.own.input_ack,
            last_command: session.commands.acked().0,
        };
        self.effects.push(EdgeEffect::ToClient(handle, playing.into()));
        // The owner holds events back until it is spoken to at its epoch: only then does this proxy take them.
        let number = session
            .attached
            .as_ref()
            .map_or(0, |attached| attached.acked_event);
        let ack = player::EventAck {
            user: session.user.0,
            owner_epoch: owner.epoch.0,
            number,
            session_generation: session.generation.0,
        };
        self.effects.push(EdgeEffect::ToServer(owner.node, ack.into()));
        if let Some(inputs) = session.inputs.message(session.user, owner.epoch.0) {
            self.effects
                .push(EdgeEffect::ToServer(owner.node, ProxyToServer::from(inputs)));
        }
        self.send_open_commands(handle);
    }

    pub(super) fn send_open_commands(&mut self, handle: SessionHandle) {
        let Some(session) = self.sessions.get(handle.0) else {
            return;
        };
        let Some(owner) = session.route.playing() else {
            return;
        };
        let open = session
            .commands
            .open((session.user, session.generation), owner.epoch);
        self.effects
            .extend(open.map(|command| EdgeEffect::ToServer(owner.node, command.into())));
    }
}
