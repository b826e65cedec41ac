//! `regionmesh account`, as clap reads it and as `--help` shows it.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Ends all sessions of a user, at every proxy, within a second
    ///
    /// The player leaves the world, and is told why. Its tickets count no more: an account logs in again, and a guest begins anew.
    Kick(KickArguments),
    /// Keeps a user or a network out, and ends the sessions that there are
    ///
    /// A guest who is banned may come back as another guest: ban the network it comes from.
    Ban(BanArguments),
    /// Lifts a ban before its time
    Unban(UnbanArguments),
    /// Has a user say nothing to others: words, and what else the game takes for speech
    ///
    /// The player plays on, and is told until when as it tries. The game holds it at once, on every server within a second.
    Mute(MuteArguments),
    /// Lifts a mute before its time
    Unmute(UnmuteArguments),
    /// Gives a code by which a forgotten password may be set, once and for an hour
    ///
    /// Tell the code to whoever the account is of, and to nobody else: it is as good as the password. The page asks for it where a
    /// password was forgotten. A newer code, and a password that is set, make it void.
    Reset(ResetArguments),
    /// Takes an account away for good: its name is free, and its sessions end
    ///
    /// The user is a guest again: what the player holds falls to the ground when guests are pruned.
    Delete(DeleteArguments),
    /// Lists what players have reported of one another, with the last lines that the reporter had heard; or closes one
    Reports(ReportsArguments),
    /// Lists who is banned or muted, until when, and why
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct KickArguments {
    /// The user, by number, or by the name of its account
    #[arg(value_name = "NAME|USER")]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) why: ReasonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BanArguments {
    /// The user, by number, or by the name of its account, or a network such as 203.0.113.0/24
    #[arg(value_name = "NAME|USER|NETWORK")]
    pub(crate) subject: String,
    /// How long, such as 30m, 12h or 7d [default: until it is lifted]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ban)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) why: ReasonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct UnbanArguments {
    /// The user, by number, or by the name of its account, or the network as it was banned
    #[arg(value_name = "NAME|USER|NETWORK")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) why: ReasonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct MuteArguments {
    /// The user, by number, or by the name of its account
    #[arg(value_name = "NAME|USER")]
    pub(crate) user: String,
    /// How long, such as 10m, 12h or 7d [default: until it is lifted]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ban)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) why: NoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct UnmuteArguments {
    /// The user, by number, or by the name of its account
    #[arg(value_name = "NAME|USER")]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) why: NoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// The account, by its name or the number of its user
    #[arg(value_name = "NAME|USER")]
    pub(crate) account: String,
    /// How long the code counts, such as 30m, 12h or 7d
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ban, default_value = "1h")]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) store: AccountStore,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The account, by its name or the number of its user
    #[arg(value_name = "NAME|USER")]
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) why: ReasonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Also what is over, or ended at once: kicks, other passwords and deleted accounts of the last half hour, and old bans and mutes
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) store: AccountStore,
}

#[derive(Debug, Args)]
pub(crate) struct ReportsArguments {
    /// As a JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Also those that are closed, for 90 days
    #[arg(long)]
    pub(crate) all: bool,
    /// Closes the report of this number: it is done with
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["json", "all"])]
    pub(crate) close: Option<u64>,
    /// What was done about it, for operators, at most 200 bytes
    #[arg(
        long,
        value_name = "TEXT",
        requires = "close",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
    #[command(flatten)]
    pub(crate) store: AccountStore,
}

#[derive(Debug, Args)]
pub(crate) struct ReasonArguments {
    /// What the player is told, at most 200 bytes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) store: AccountStore,
}

#[derive(Debug, Args)]
pub(crate) struct NoteArguments {
    /// For operators, as `regionmesh account list` shows it, at most 200 bytes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) store: AccountStore,
}

#[derive(Debug, Args)]
pub(crate) struct AccountStore {
    /// The store's file, or the address of a database, whose login is its owner's or an operator's; no password in it
    #[arg(long = "store", value_name = "FILE|ADDRESS")]
    pub(crate) place: PathBuf,
}

fn parse_ban(text: &str) -> Result<Duration, String> {
    let why = || format!("`{text}` is no time: write something like 30m, 12h or 7d");
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (number, unit) = text
        .char_indices()
        .last()
        .and_then(|(at, letter)| Some((text.get(..at)?, letter)))
        .ok_or_else(why)?;
    let (_, seconds) = units
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(why)?;
    let number: u64 = number.parse().map_err(|_| why())?;
    match number.checked_mul(seconds) {
        Some(whole) if whole > 0 => Ok(Duration::from_secs(whole)),
        _ => Err(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_last_from_seconds_to_years() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("12h", 43_200),
            ("3650d", 315_360_000),
        ] {
            assert_eq!(parse_ban(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in ["", "7", "d", "0d", "-1h", "1.5h", "7w", "99999999999999999d"] {
            assert!(parse_ban(wrong).is_err(), "{wrong}");
        }
    }
}
