//! What players say: inputs (in order, some lost), commands (exactly once, in order) and acknowledgements; and what they
//! are told: acknowledgements of commands and events.

use game::{CommandKind, GameCommand, GameInput};
use protocol::ids::{EntityId, EventNumber, InputNumber, LiveLane, NodeNumber, OwnerEpoch, UserId};
use protocol::message::checked::{CheckedCommand, InputRun, UserSays, UserWord};
use protocol::message::family::ProxyToServer;
use protocol::message::player::{CommandAck, CommandClass};

use super::calling::{Callback, Commanded};
use super::entity::EntityKey;
use super::forwardings::Whereabouts;
use super::player::{Phase, Player, QueuedCommand, Received};
use super::publication::Subscriber;
use super::rules::Rules;
use super::state::RegionState;
use super::waiting_inputs::WaitingInputs;
use super::words::ProxyWord;

impl RegionState {
    /// A word of a user: for the player, if it is here, at this epoch and bound to this proxy.
    pub(super) fn user_says(&mut self, lane: LiveLane, word: UserWord) {
        let (user, epoch) = (word.user, word.owner_epoch);
        let Some(player) = self.bound_player(lane, user, epoch) else {
            return self.early(lane, word);
        };
        let is_frozen = matches!(player.phase, Phase::Frozen(_) | Phase::Leaving);
        let login = player.bound.session_generation;
        match word.says {
            UserSays::Inputs(run) => self.inputs(user, run),
            UserSays::Command(of, _) | UserSays::EventAck(of, _) if of != login => self.count("login_over"),
            UserSays::Command(..) if is_frozen => {}
            UserSays::Command(_, command) => self.command(lane, (user, epoch), command),
            UserSays::EventAck(_, number) => self.event_ack(user, number),
        }
    }

    fn inputs(&mut self, user: UserId, run: InputRun) {
        let player = self
            .players
            .get(&user)
            .filter(|player| player.phase == Phase::Active);
        let Some((key, given)) = player.map(|player| (player.key, player.last_input)) else {
            return;
        };
        let entity = self.entities.get_mut(key);
        if entity.is_some_and(|entity| entity.inputs.take_run(run, given)) {
            self.with_input.push(key);
        }
    }

    fn command(&mut self, lane: LiveLane, (user, epoch): (UserId, OwnerEpoch), command: CheckedCommand) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let command = QueuedCommand {
            number: command.number.0,
            kind: match command.class {
                CommandClass::Soft => CommandKind::Soft,
                CommandClass::Durable => CommandKind::Durable,
            },
            body: command.body,
        };
        match player.commands.receive(command) {
            Received::First => self.with_commands.push_back(user),
            Received::Queued => {}
            Received::Refused => {
                let number = player.commands.ack();
                self.acknowledge(lane, user, epoch, number);
            }
        }
    }

    fn event_ack(&mut self, user: UserId, number: EventNumber) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        if number.0 > player.events.last() {
            return self.count("event_ack_unissued");
        }
        player.events.acknowledge(number.0);
        player.writes.mark(self.now.mono_ms);
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
    fn early(&mut self, lane: LiveLane, word: UserWord) {
        let (user, epoch) = (word.user, word.owner_epoch);
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
                if let Some(at) = self.forwardings.get(user)
                    && at.owner_epoch >= epoch
                {
                    return self.tell_proxy(lane, at.elsewhere(user));
                }
                self.keep_early(lane, word);
            }
        }
    }

    /// The player is here, and a proxy believes to be bound to it and is not: it has to join again.
    fn disown(&mut self, lane: LiveLane, user: UserId, epoch: OwnerEpoch) {
        let here = Whereabouts {
            node: NodeNumber(0),
            region: self.config.number,
            owner_epoch: epoch,
        };
        self.tell_proxy(lane, here.elsewhere(user));
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

    fn is_up(&mut self, lane: LiveLane) -> bool {
        let is_up = self.proxies.is_up(lane);
        if !is_up {
            self.count("lane_not_up");
        }
        is_up
    }

    pub(super) fn proxy_says(&mut self, lane: LiveLane, message: ProxyToServer) {
        let word = match ProxyWord::check(message) {
            Ok(word) => word,
            Err(label) => return self.count(label),
        };
        let may_speak = match word.user() {
            Some(user) => self.may_speak(lane, user),
            None => self.is_up(lane),
        };
        if !may_speak {
            return;
        }
        match word {
            ProxyWord::OfUser(word) => self.user_says(lane, word),
            ProxyWord::Leave(leave) => self.leave(lane, leave),
            ProxyWord::Subscribe(cells) => self.subscribe(Subscriber::Lane(lane.at), &cells),
            ProxyWord::Unsubscribe(cells) => self.unsubscribe(Subscriber::Lane(lane.at), &cells),
        }
    }

    /// Phase: gives each entity the inputs that wait for it.
    pub(super) fn take_inputs(&mut self, rules: &mut Rules) {
        let mut waiting = std::mem::take(&mut self.with_input);
        for key in waiting.drain(..) {
            let Some((entity, given, mut inputs)) = self.inputs_of(key) else {
                continue;
            };
            rules.call(Callback::Input, |logic| {
                let mut last = given;
                for (number, body) in inputs.drain() {
                    let input = GameInput {
                        number: InputNumber(number),
                        missed: number.saturating_sub(last + 1),
                        body: &body,
                    };
                    logic.input(self, entity, input);
                    last = number;
                }
            });
            if let Some(entity) = self.entities.get_mut(key) {
                entity.inputs.put_back(inputs);
            }
        }
        // The game may have put inputs for the next tick meanwhile.
        waiting.append(&mut self.with_input);
        self.with_input = waiting;
    }

    /// Takes the inputs of an entity, unless it is of a player who may not move now; and the last one that was given before.
    fn inputs_of(&mut self, key: EntityKey) -> Option<(EntityId, u64, WaitingInputs)> {
        let entity = self.entities.get_mut(key)?;
        let newest = entity.inputs.newest()?;
        let Some(user) = entity.user else {
            return Some((entity.id, 0, std::mem::take(&mut entity.inputs)));
        };
        let player = self.players.get_mut(&user)?;
        if player.phase != Phase::Active {
            entity.inputs.clear();
            return None;
        }
        let given = std::mem::replace(&mut player.last_input, newest);
        player.writes.mark(self.now.mono_ms);
        Some((entity.id, given, std::mem::take(&mut entity.inputs)))
    }

    /// Phase: applies the commands that wait, each player's in order. Without rules they wait on.
    pub(super) fn take_commands(&mut self, rules: &mut Rules) {
        let mut later = Vec::new();
        if !rules.are_well() {
            return;
        }
        while let Some(user) = self.with_commands.pop_front() {
            while rules.are_well()
                && let Some(command) = self.next_command(user)
            {
                #[cfg(feature = "fault-injection")]
                for command in self.tamper(user, command) {
                    self.apply_command(user, &command, rules);
                }
                #[cfg(not(feature = "fault-injection"))]
                self.apply_command(user, &command, rules);
            }
            if self
                .players
                .get(&user)
                .is_some_and(|player| !player.commands.is_empty())
            {
                later.push(user);
            }
            // Where they panicked at a command, what was done in this tick is done again.
            if rules.are_well() {
                self.acknowledge_commands(user);
            }
        }
        self.with_commands.extend(later);
    }

    /// The player's next command, unless it has to wait.
    fn next_command(&mut self, user: UserId) -> Option<QueuedCommand> {
        let player = self.players.get_mut(&user)?;
        let at = self.entities.get(player.key)?.at;
        let next = player.commands.next()?;
        let waits = match next.kind {
            CommandKind::Soft => false,
            // Beyond the margin the crossing comes first: a write under way would hold it up.
            CommandKind::Durable => {
                let leaves =
                    self.rect.distance(at) > self.margin || player.teleport.is_some_and(|to| to.is_due);
                player.events.is_full() || leaves || !player.writes.has_room()
            }
        };
        if waits || player.phase != Phase::Active {
            return None;
        }
        player.commands.take_next()
    }

    fn apply_command(&mut self, user: UserId, command: &QueuedCommand, rules: &mut Rules) {
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        player.commands.apply(command);
        #[cfg(feature = "broken-rules")]
        if self.config.without == Some(super::HandoverRule::ToldOnceStored) {
            player.commands.hold_nothing();
        }
        player.writes.mark(now_ms);
        if command.kind == CommandKind::Durable {
            player.writes.owe_commit();
        }
        let (entity, session) = (player.entity, player.bound.session_generation);
        let commanded = Commanded {
            user,
            session,
            number: command.number,
        };
        let hung = player.refused_command == command.number;
        if hung || self.broken_commands.has(user, session, command.number) {
            // It is over, and durably, so that it is repeated neither here nor where the player goes.
            player.writes.owe_commit();
            return self.count(if hung { "command_hung" } else { "command_panicked" });
        }
        self.commanding = Some((user, command.kind, command.number));
        let command = GameCommand {
            user,
            entity,
            number: protocol::ids::CommandNumber(command.number),
            kind: command.kind,
            body: &command.body,
        };
        match rules.command(commanded, |logic| logic.command(self, command)) {
            Some(()) => self.commanding = None,
            None => self.note_broken_command(),
        }
    }

    /// Tells the proxy of commands that need not wait (any longer).
    pub(super) fn acknowledge_commands(&mut self, user: UserId) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        if let Some(number) = player.commands.take_news()
            && let Some(lane) = player.bound.lane
        {
            let epoch = player.epoch;
            self.acknowledge(lane, user, epoch, number);
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
}
