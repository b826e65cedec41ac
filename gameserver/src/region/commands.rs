//! What players say: inputs (the newest wins), commands (exactly once, in order) and acknowledgements; and what they
//! are told: acknowledgements of commands and events.

use bytes::Bytes;
use protocol::ids::{LiveLane, OwnerEpoch, UserId};
use protocol::limits::{COMMAND_BYTES_MAX, COMMAND_WINDOW, INPUT_BYTES_MAX, INPUTS_REPEATED_MAX, NUMBER_MAX};
use protocol::message::family::ProxyToServer;
use protocol::message::player::{Command, CommandAck, CommandClass, Elsewhere, Event, EventAck, Inputs};
use sha2::{Digest as _, Sha256};

use super::handover::arrival::EarlyMessage;
use super::player::{Phase, Player, QueuedCommand};
use super::publication::Subscriber;
use super::state::RegionState;
use crate::logic::{CommandKind, GameLogic};

/// The hash chain over applied commands: `SHA256(h ‖ number u64 ‖ bytes)`.
pub(super) fn chain(hash: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(hash)
        .chain_update(number.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

impl RegionState {
    pub(super) fn inputs(&mut self, lane: LiveLane, message: Inputs) {
        let (user, epoch) = (UserId(message.user), OwnerEpoch(message.owner_epoch));
        let too_long = message.inputs.iter().any(|input| input.len() > INPUT_BYTES_MAX);
        if too_long || message.inputs.len() > INPUTS_REPEATED_MAX || message.number > NUMBER_MAX {
            return self.count("input_too_long");
        }
        let Some(player) = self.bound_player(lane, user, epoch) else {
            return self.early(lane, user, epoch, EarlyMessage::Inputs(message));
        };
        // The newest wins; those repeated behind it are older.
        let (key, last, phase) = (player.key, player.last_input, player.phase);
        let (Some(newest), Phase::Active) = (message.inputs.into_iter().next(), phase) else {
            return;
        };
        let Some(entity) = self.entities.get_mut(key) else {
            return;
        };
        let waiting = entity.input.as_ref().map(|(number, _)| *number);
        if message.number > last.max(waiting.unwrap_or(0)) {
            entity.input = Some((message.number, newest));
            if waiting.is_none() {
                self.with_input.push(key);
            }
        }
    }

    pub(super) fn command(&mut self, lane: LiveLane, message: Command) {
        let (user, epoch) = (UserId(message.user), OwnerEpoch(message.owner_epoch));
        if message.body.len() > COMMAND_BYTES_MAX {
            return self.count("command_too_long");
        }
        let kind = match CommandClass::try_from(message.class) {
            Ok(CommandClass::Soft) => CommandKind::Soft,
            Ok(CommandClass::Durable) => CommandKind::Durable,
            Err(_) => return self.count("command_class_unknown"),
        };
        let Some(player) = self.bound_player(lane, user, epoch) else {
            return self.early(lane, user, epoch, EarlyMessage::Command(message));
        };
        if matches!(player.phase, Phase::Frozen(_) | Phase::Leaving) {
            return;
        }
        let expected = player.last_command + player.commands.len() as u64 + 1;
        if message.number != expected || player.commands.len() >= COMMAND_WINDOW {
            // Repeated, or a gap: either way the proxy learns where to go on.
            let number = player.command_ack();
            return self.acknowledge(lane, user, epoch, number);
        }
        let number = message.number;
        player.commands.push_back(QueuedCommand {
            number,
            kind,
            body: message.body,
        });
        if player.commands.len() == 1 {
            self.with_commands.push_back(user);
        }
    }

    pub(super) fn event_ack(&mut self, lane: LiveLane, message: &EventAck) {
        let (user, epoch) = (UserId(message.user), OwnerEpoch(message.owner_epoch));
        let now_ms = self.now.mono_ms;
        if message.number > NUMBER_MAX {
            return self.count("event_ack_too_large");
        }
        let Some(player) = self.bound_player(lane, user, epoch) else {
            return self.early(lane, user, epoch, EarlyMessage::EventAck(*message));
        };
        if message.number > player.events.last() {
            return self.count("event_ack_unissued");
        }
        player.events.acknowledge(message.number);
        player.dirty_since_ms.get_or_insert(now_ms);
    }

    /// The player, if it is here at this epoch and this proxy speaks for it. What comes from a wrong proxy or at an
    /// older epoch is counted by [`early`](Self::early).
    fn bound_player(&mut self, lane: LiveLane, user: UserId, epoch: OwnerEpoch) -> Option<&mut Player> {
        let player = self.players.get_mut(&user)?;
        if player.epoch != epoch || player.bound.lane != Some(lane) {
            return None;
        }
        if !player.proxy_trusts {
            player.proxy_trusts = true;
            self.send_events(user);
        }
        self.players.get_mut(&user)
    }

    /// A message for a player that is not here at that epoch: too old, too early, or for somebody else.
    fn early(&mut self, lane: LiveLane, user: UserId, epoch: OwnerEpoch, message: EarlyMessage) {
        let here = self
            .players
            .get(&user)
            .map(|player| (player.epoch, player.bound.lane));
        match here {
            Some((at, bound)) if at >= epoch => {
                self.count(if at == epoch {
                    "player_wrong_proxy"
                } else {
                    "player_stale_epoch"
                });
                // It has missed that another session took over, or that its own was given up: its join is answered.
                if bound != Some(lane) {
                    self.disown(lane, user, at);
                }
            }
            _ => {
                if let Some(stub) = self.stubs.get(&user).copied()
                    && stub.owner_epoch >= epoch
                {
                    return self.elsewhere(lane, user, &stub);
                }
                self.keep_early(lane, user, epoch, message);
            }
        }
    }

    /// The player is here, and a proxy believes to be bound to it and is not: it has to join again.
    fn disown(&mut self, lane: LiveLane, user: UserId, epoch: OwnerEpoch) {
        let elsewhere = Elsewhere {
            user: user.0,
            node: 0,
            region: self.config.number.0,
            owner_epoch: epoch.0,
        };
        self.tell_proxy(lane, elsewhere);
    }

    /// Messages that came before their player did.
    pub(super) fn replay(&mut self, messages: Vec<(LiveLane, EarlyMessage)>) {
        for (lane, message) in messages {
            match message {
                EarlyMessage::Inputs(message) => self.inputs(lane, message),
                EarlyMessage::Command(message) => self.command(lane, message),
                EarlyMessage::EventAck(message) => self.event_ack(lane, &message),
            }
        }
    }

    /// Whether this lane is up and the one of this user: it is what makes one writer of each player at a proxy.
    pub(super) fn may_speak(&mut self, lane: LiveLane, user: UserId) -> bool {
        let speaks = self.proxies.speaks_for(lane, user);
        if !speaks {
            let is_up = self.proxies.is_up(lane);
            self.count(if is_up { "player_wrong_lane" } else { "lane_not_up" });
        }
        speaks
    }

    fn may_speak_of(&mut self, lane: LiveLane, message: &ProxyToServer) -> bool {
        let user = match message {
            ProxyToServer::Inputs(message) => message.user,
            ProxyToServer::Command(message) => message.user,
            ProxyToServer::EventAck(message) => message.user,
            ProxyToServer::Leave(message) => message.user,
            ProxyToServer::Join(_)
            | ProxyToServer::Subscribe(_)
            | ProxyToServer::Unsubscribe(_)
            | ProxyToServer::Heartbeat(_)
            | ProxyToServer::GetTopology(_)
            | ProxyToServer::Topology(_) => {
                let is_up = self.proxies.is_up(lane);
                if !is_up {
                    self.count("lane_not_up");
                }
                return is_up;
            }
        };
        self.may_speak(lane, UserId(user))
    }

    pub(super) fn proxy_says(&mut self, lane: LiveLane, message: ProxyToServer) {
        if !self.may_speak_of(lane, &message) {
            return;
        }
        match message {
            ProxyToServer::Inputs(message) => self.inputs(lane, message),
            ProxyToServer::Command(message) => self.command(lane, message),
            ProxyToServer::EventAck(message) => self.event_ack(lane, &message),
            ProxyToServer::Leave(message) => self.leave(lane, &message),
            ProxyToServer::Subscribe(message) => self.subscribe(Subscriber::Lane(lane.at), &message),
            ProxyToServer::Unsubscribe(message) => self.unsubscribe(Subscriber::Lane(lane.at), &message),
            ProxyToServer::Join(_) => self.count("join_unverified"),
            ProxyToServer::Heartbeat(_) | ProxyToServer::GetTopology(_) | ProxyToServer::Topology(_) => {
                self.count("not_for_a_region");
            }
        }
    }

    /// Phase: applies the newest input of each entity.
    pub(super) fn take_inputs(&mut self, logic: &mut dyn GameLogic) {
        let mut waiting = std::mem::take(&mut self.with_input);
        for key in waiting.drain(..) {
            let Some(entity) = self.entities.get_mut(key) else {
                continue;
            };
            let Some((number, input)) = entity.input.take() else {
                continue;
            };
            let (id, user) = (entity.id, entity.user);
            if let Some(user) = user {
                let now_ms = self.now.mono_ms;
                let Some(player) = self.players.get_mut(&user) else {
                    continue;
                };
                if player.phase != Phase::Active {
                    continue;
                }
                player.last_input = player.last_input.max(number);
                player.dirty_since_ms.get_or_insert(now_ms);
            }
            logic.input(self, id, &input);
        }
        // The game may have put inputs for the next tick meanwhile.
        waiting.append(&mut self.with_input);
        self.with_input = waiting;
    }

    /// Phase: applies the commands that wait, each player's in order.
    pub(super) fn take_commands(&mut self, logic: &mut dyn GameLogic) {
        let mut later = Vec::new();
        while let Some(user) = self.with_commands.pop_front() {
            while let Some(command) = self.next_command(user) {
                #[cfg(feature = "fault-injection")]
                for command in self.tamper(user, command) {
                    self.apply_command(user, &command, logic);
                }
                #[cfg(not(feature = "fault-injection"))]
                self.apply_command(user, &command, logic);
            }
            if self
                .players
                .get(&user)
                .is_some_and(|player| !player.commands.is_empty())
            {
                later.push(user);
            }
            self.acknowledge_commands(user);
        }
        self.with_commands.extend(later);
    }

    /// The player's next command, unless it has to wait.
    fn next_command(&mut self, user: UserId) -> Option<QueuedCommand> {
        let player = self.players.get_mut(&user)?;
        let at = self.entities.get(player.key)?.at;
        let next = player.commands.front()?;
        let waits = match next.kind {
            CommandKind::Soft => false,
            // Beyond the margin the crossing comes first: a write under way would hold it up.
            CommandKind::Durable => {
                player.events.is_full()
                    || self.rect.distance(at) > self.margin
                    || player.changes.len() >= store::limits::HOLDING_CHANGES_MAX
            }
        };
        if waits || player.phase != Phase::Active {
            return None;
        }
        player.commands.pop_front()
    }

    fn apply_command(&mut self, user: UserId, command: &QueuedCommand, logic: &mut dyn GameLogic) {
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        player.chain_hash = chain(&player.chain_hash, command.number, &command.body);
        player.last_command = player.last_command.max(command.number);
        player.dirty_since_ms.get_or_insert(now_ms);
        if command.kind == CommandKind::Durable {
            player.hold_command(command.number);
        }
        let entity = player.entity;
        self.commanding = Some((user, command.kind, command.number));
        let command = crate::logic::GameCommand {
            user,
            entity,
            number: protocol::ids::CommandNumber(command.number),
            kind: command.kind,
            body: &command.body,
        };
        logic.command(self, command);
        self.commanding = None;
    }

    /// Tells the proxy of commands that need not wait (any longer).
    pub(super) fn acknowledge_commands(&mut self, user: UserId) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let number = player.command_ack();
        if number > player.told_command {
            player.told_command = number;
            if let Some(lane) = player.bound.lane {
                let epoch = player.epoch;
                self.acknowledge(lane, user, epoch, number);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, lane: LiveLane, user: UserId, epoch: OwnerEpoch, number: u64) {
        let player = self.players.get(&user);
        let ack = CommandAck {
            user: user.0,
            owner_epoch: epoch.0,
            number,
            session_generation: player.map_or(0, |player| player.bound.session_generation.0),
        };
        self.tell_proxy(lane, ack);
    }

    /// Sends the events that may go out.
    pub(super) fn send_events(&mut self, user: UserId) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let (Some(lane), epoch) = (player.bound.lane, player.epoch) else {
            return;
        };
        if !player.proxy_trusts {
            return;
        }
        let effects = &mut self.effects;
        let session_generation = player.bound.session_generation.0;
        player.events.send(|number, body: Bytes| {
            let event = Event {
                user: user.0,
                owner_epoch: epoch.0,
                number,
                body,
                session_generation,
            };
            effects.push(super::RegionEffect::ToProxy(lane.at, event.into()));
        });
    }
}
