//! Where a region makes the mistake that it is told to make on purpose. Only in builds with the feature
//! `fault-injection`.

use protocol::ids::UserId;

use super::faults::Fault;
use super::player::QueuedCommand;
use super::state::RegionState;

/// Commands that a region applies properly first.
const PROPER: u64 = 20;

impl RegionState {
    /// What is applied in place of `command`.
    pub(super) fn tamper(&mut self, user: UserId, command: QueuedCommand) -> Vec<QueuedCommand> {
        self.mischief.applied += 1;
        if matches!(&self.mischief.held, Some((holder, _)) if *holder == user)
            && let Some((_, earlier)) = self.mischief.held.take()
        {
            self.mischief.done = true;
            return vec![command, earlier];
        }
        if self.mischief.done || self.mischief.held.is_some() || self.mischief.applied <= PROPER {
            return vec![command];
        }
        match self.config.fault {
            Fault::None | Fault::DoubleHolding | Fault::Panic => vec![command],
            Fault::DropCommand => {
                self.mischief.done = true;
                self.skip(user, command.number);
                Vec::new()
            }
            Fault::DoubleCommand => {
                self.mischief.done = true;
                vec![command.clone(), command]
            }
            Fault::SwapCommands => {
                self.skip(user, command.number);
                self.mischief.held = Some((user, command));
                Vec::new()
            }
        }
    }

    /// The end of this region, and of all that its thread has.
    #[expect(clippy::panic, reason = "what it is for")]
    pub(super) fn panic_if_told(&self) {
        if self.config.fault == Fault::Panic {
            panic!("told to");
        }
    }

    /// The command counts as applied and is not.
    fn skip(&mut self, user: UserId, number: u64) {
        let now_ms = self.now.mono_ms;
        if let Some(player) = self.players.get_mut(&user) {
            player.commands.skip(number);
            player.writes.mark(now_ms);
        }
    }

    /// Whether the holding that is being taken stays where it lies.
    pub(super) fn holding_stays(&mut self) -> bool {
        let stays = self.config.fault == Fault::DoubleHolding && !self.mischief.done;
        self.mischief.done |= stays;
        stays
    }
}
