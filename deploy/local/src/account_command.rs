//! `regionmesh account`: what operators do to users and networks. It is a row in the store, which every node reads by itself.

use crate::account_store::{ask, line, open, unexpected};
use crate::answers;
use crate::command_line::{
    AccountCommand, AccountStore, BanArguments, DeleteArguments, KickArguments, MuteArguments,
    ResetArguments, UnbanArguments, UnmuteArguments,
};
use node::OsEntropy;
use node::clock::utc;
use node::life::Failure;
use protocol::ShownLines;
use protocol::entropy::array;
use protocol::ids::UserId;
use protocol::name::PlayerName;
use protocol::network::Network;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::sanction::FOREVER_MS;
use store::{
    Account, AccountKey, AccountReply, AccountRequest, NewSanction, NodeStore, Sanction, SanctionKind,
    Subject,
};

pub(crate) fn run(command: &AccountCommand) -> ExitCode {
    let said = match command {
        AccountCommand::Kick(arguments) => kick(arguments),
        AccountCommand::Ban(arguments) => ban(arguments),
        AccountCommand::Unban(arguments) => unban(arguments),
        AccountCommand::Reset(arguments) => reset(arguments),
        AccountCommand::Delete(arguments) => delete(arguments),
        AccountCommand::Mute(arguments) => mute(arguments),
        AccountCommand::Unmute(arguments) => unmute(arguments),
        AccountCommand::Reports(arguments) => crate::reports_command::run(arguments),
        AccountCommand::List(arguments) => list(&arguments.store.place, arguments.all),
    };
    match said {
        Ok(text) => answers::printed(&text),
        Err(failure) => answers::refused(&failure),
    }
}

fn kick(arguments: &KickArguments) -> Result<String, Failure> {
    let why = &arguments.why;
    let subject = user_of(&arguments.user, &why.store)?;
    let done = sanction(subject, SanctionKind::Kick, None, (&why.reason, &why.store))?;
    Ok(format!(
        "{} is kicked: its sessions end within a second\n",
        name_of(done.subject)
    ))
}

fn ban(arguments: &BanArguments) -> Result<String, Failure> {
    let (for_ms, why) = (arguments.duration.map(milliseconds), &arguments.why);
    let subject = subject_of(&arguments.subject, &why.store)?;
    let done = sanction(subject, SanctionKind::Ban, for_ms, (&why.reason, &why.store))?;
    Ok(format!("{}: sessions end within a second\n", described(&done)))
}

fn unban(arguments: &UnbanArguments) -> Result<String, Failure> {
    let why = &arguments.why;
    let subject = subject_of(&arguments.subject, &why.store)?;
    let done = sanction(subject, SanctionKind::Unban, None, (&why.reason, &why.store))?;
    Ok(format!("{} is banned no more\n", name_of(done.subject)))
}

fn mute(arguments: &MuteArguments) -> Result<String, Failure> {
    let (for_ms, why) = (arguments.duration.map(milliseconds), &arguments.why);
    let subject = user_of(&arguments.user, &why.store)?;
    let done = sanction(subject, SanctionKind::Mute, for_ms, (&why.reason, &why.store))?;
    Ok(format!("{}: nobody hears it within a second\n", described(&done)))
}

fn unmute(arguments: &UnmuteArguments) -> Result<String, Failure> {
    let why = &arguments.why;
    let subject = user_of(&arguments.user, &why.store)?;
    let done = sanction(subject, SanctionKind::Unmute, None, (&why.reason, &why.store))?;
    Ok(format!("{} is muted no more\n", name_of(done.subject)))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A network has a length, and whoever has a name with such a stroke in it is found by its number.
fn subject_of(wanted: &str, at: &AccountStore) -> Result<Subject, Failure> {
    if !wanted.contains('/') {
        return user_of(wanted, at);
    }
    Network::parse(wanted).map(Subject::Network).ok_or_else(|| {
        let what = "is no network: write one such as 203.0.113.0/24 or 2001:db8::/48";
        Failure::bad_input(format!("{} {what}", ShownLines(wanted)))
    })
}

/// By the number of a user, guest or not, or by the name of an account.
fn user_of(wanted: &str, at: &AccountStore) -> Result<Subject, Failure> {
    if let Ok(number) = wanted.parse() {
        return Ok(Subject::User(UserId(number)));
    }
    let store = open(&at.place)?;
    let account = account_of(&store, wanted)?;
    store.close();
    Ok(Subject::User(account.user))
}

/// The code is told once, and the store keeps no more of it than what it is known again by.
fn reset(arguments: &ResetArguments) -> Result<String, Failure> {
    let store = open(&arguments.store.place)?;
    let account = account_of(&store, &arguments.account)?;
    let code = code(&array(&mut OsEntropy));
    let allow = AccountRequest::AllowReset {
        user: account.user,
        code_hash: Sha256::digest(&code).into(),
        for_ms: milliseconds(arguments.duration),
    };
    let reply = ask(&store, allow)?;
    store.close();
    match reply {
        AccountReply::ResetUntil(until_ms) => Ok(format!(
            "{} sets a new password with this code, once, until {}:\n{code}\n",
            called(&account),
            utc(until_ms)
        )),
        AccountReply::NoAccount => Err(no_account(&arguments.account)),
        other => Err(unexpected(&other)),
    }
}

fn delete(arguments: &DeleteArguments) -> Result<String, Failure> {
    let reason = line("--reason", &arguments.why.reason)?;
    let store = open(&arguments.why.store.place)?;
    let account = account_of(&store, &arguments.account)?;
    let user = account.user;
    let was = None;
    let reply = ask(&store, AccountRequest::Delete { user, was, reason })?;
    store.close();
    match reply {
        AccountReply::Sanctioned(_) => Ok(format!(
            "the account of {} is no more: its sessions end within a second\n",
            called(&account)
        )),
        AccountReply::NoAccount => Err(no_account(&arguments.account)),
        other => Err(unexpected(&other)),
    }
}

/// By the number of a user, or by a name as its owner writes it.
fn account_of(store: &NodeStore, wanted: &str) -> Result<Account, Failure> {
    let key = match wanted.parse() {
        Ok(number) => AccountKey::User(UserId(number)),
        Err(_) => {
            let name = PlayerName::parse(wanted).map_err(Failure::bad_input)?;
            AccountKey::Fold(name.fold())
        }
    };
    match ask(store, AccountRequest::Read(key))? {
        AccountReply::Account(Some(account)) => Ok(*account),
        AccountReply::Account(None) => Err(no_account(wanted)),
        other => Err(unexpected(&other)),
    }
}

fn no_account(wanted: &str) -> Failure {
    Failure::bad_input(format!("there is no account {}", ShownLines(wanted)))
}

fn called(account: &Account) -> String {
    format!("{} (user {})", ShownLines(&account.name), account.user.0)
}

/// 100 bits in letters and digits that are not taken for one another, in groups that can be told by telephone.
fn code(bytes: &[u8; 20]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digits = bytes.map(|byte| char::from(DIGITS[usize::from(byte % 32)]));
    let groups = digits.chunks(5).map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}

fn list(place: &Path, all: bool) -> Result<String, Failure> {
    let rows = read_sanctions(place)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = milliseconds(now);
    let mut text = String::new();
    if all {
        for row in &rows {
            let _ = writeln!(text, "{} {}", utc(row.at_ms), described(row));
        }
        return Ok(text);
    }
    let mut in_force = BTreeMap::new();
    for row in &rows {
        match row.kind.lifts() {
            Some(kind) => drop(in_force.remove(&(kind as u8, row.subject))),
            None if row.kind.lasts() => drop(in_force.insert((row.kind as u8, row.subject), row)),
            None => {}
        }
    }
    for row in in_force.values().filter(|row| row.until_ms > now_ms) {
        let _ = writeln!(text, "{}", described(row));
    }
    match text.is_empty() {
        true => Ok("nobody is banned or muted\n".to_owned()),
        false => Ok(text),
    }
}

/// All that counts, in the order in which it was done.
fn read_sanctions(place: &Path) -> Result<Vec<Sanction>, Failure> {
    let store = open(place)?;
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = match ask(&store, AccountRequest::ReadSanctions { after })? {
            AccountReply::Sanctions(page) => page,
            other => return Err(unexpected(&other)),
        };
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    store.close();
    Ok(rows)
}

fn sanction(
    subject: Subject,
    kind: SanctionKind,
    for_ms: Option<u64>,
    (reason, at): (&str, &AccountStore),
) -> Result<Sanction, Failure> {
    let reason = line("--reason", reason)?;
    let store = open(&at.place)?;
    let new = NewSanction {
        subject,
        kind,
        for_ms,
        reason,
    };
    let reply = ask(&store, AccountRequest::Sanction(new))?;
    store.close();
    match reply {
        AccountReply::Sanctioned(sanction) => Ok(sanction),
        AccountReply::NoUser => Err(Failure::bad_input(format!(
            "{} has no account and never logged in to this world",
            name_of(subject)
        ))),
        AccountReply::NoneToLift => Err(Failure::bad_input(format!(
            "{} is not {}; `regionmesh account list` says who is",
            name_of(subject),
            if kind == SanctionKind::Unmute {
                "muted"
            } else {
                "banned"
            },
        ))),
        other => Err(unexpected(&other)),
    }
}

fn name_of(subject: Subject) -> String {
    match subject {
        Subject::User(user) => format!("user {}", user.0),
        Subject::Network(network) => format!("network {network}"),
    }
}

fn described(row: &Sanction) -> String {
    let what = match row.kind {
        SanctionKind::Kick => "was kicked",
        SanctionKind::Ban => "is banned",
        SanctionKind::Unban => "is banned no more",
        SanctionKind::Password => "has another password",
        SanctionKind::Deleted => "has an account no more",
        SanctionKind::Mute => "is muted",
        SanctionKind::Unmute => "is muted no more",
    };
    let until = match row.until_ms {
        _ if !row.kind.lasts() => String::new(),
        FOREVER_MS => " until it is lifted".to_owned(),
        until_ms => format!(" until {}", utc(until_ms)),
    };
    let reason = match row.reason.as_str() {
        // Said already.
        _ if row.kind == SanctionKind::Password => String::new(),
        "" => String::new(),
        reason => format!(" ({})", ShownLines(reason)),
    };
    format!("{} {what}{until}{reason}", name_of(row.subject))
}
