//! `regionmesh account`: what operators do to users and networks. It is a row in the store, which every node reads by itself.

use crate::answers;
use crate::command_line::{
    AccountCommand, BanArguments, DeleteArguments, KickArguments, ReasonArguments, ResetArguments,
    UnbanArguments,
};
use node::OsEntropy;
use node::clock::utc;
use node::life::Failure;
use protocol::entropy::array;
use protocol::ids::UserId;
use protocol::name::PlayerName;
use protocol::{Shown, ShownLines};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use store::limits::SANCTION_REASON_BYTES_MAX;
use store::sanction::FOREVER_MS;
use store::{
    Account, AccountKey, AccountReply, AccountRequest, NewSanction, NodeStore, Sanction, SanctionKind,
    Store as _, StoreReply, StoreRequest, Subject, is_database,
};

pub(crate) fn run(command: &AccountCommand) -> ExitCode {
    let said = match command {
        AccountCommand::Kick(arguments) => kick(arguments),
        AccountCommand::Ban(arguments) => ban(arguments),
        AccountCommand::Unban(arguments) => unban(arguments),
        AccountCommand::Reset(arguments) => reset(arguments),
        AccountCommand::Delete(arguments) => delete(arguments),
        AccountCommand::List(arguments) => list(&arguments.store.place),
    };
    match said {
        Ok(text) => answers::printed(&text),
        Err(failure) => answers::refused(&failure),
    }
}

fn kick(arguments: &KickArguments) -> Result<String, Failure> {
    let subject = Subject::User(arguments.user);
    let done = sanction(subject, SanctionKind::Kick, None, &arguments.why)?;
    Ok(format!(
        "{} is kicked: its sessions end within a second\n",
        name_of(done.subject)
    ))
}

fn ban(arguments: &BanArguments) -> Result<String, Failure> {
    let for_ms = arguments
        .duration
        .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let done = sanction(arguments.subject, SanctionKind::Ban, for_ms, &arguments.why)?;
    Ok(format!("{}: sessions end within a second\n", described(&done)))
}

fn unban(arguments: &UnbanArguments) -> Result<String, Failure> {
    let done = sanction(arguments.subject, SanctionKind::Unban, None, &arguments.why)?;
    Ok(format!("{} is banned no more\n", name_of(done.subject)))
}

/// The code is told once, and the store keeps no more of it than what it is known again by.
fn reset(arguments: &ResetArguments) -> Result<String, Failure> {
    let store = open(&arguments.store.place)?;
    let account = account_of(&store, &arguments.account)?;
    let code = code(&array(&mut OsEntropy));
    let allow = AccountRequest::AllowReset {
        user: account.user,
        code_hash: Sha256::digest(&code).into(),
        for_ms: u64::try_from(arguments.duration.as_millis()).unwrap_or(u64::MAX),
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
    let reason = reason(&arguments.why)?;
    let store = open(&arguments.why.store.place)?;
    let account = account_of(&store, &arguments.account)?;
    let user = account.user;
    let reply = ask(&store, AccountRequest::Delete { user, reason })?;
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

fn list(place: &Path) -> Result<String, Failure> {
    let store = open(place)?;
    let (mut bans, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = match ask(&store, AccountRequest::ReadSanctions { after })? {
            AccountReply::Sanctions(page) => page,
            other => return Err(unexpected(&other)),
        };
        for row in page.rows {
            match row.kind {
                SanctionKind::Kick | SanctionKind::Password | SanctionKind::Deleted => {}
                SanctionKind::Ban => drop(bans.insert(row.subject, row)),
                SanctionKind::Unban => drop(bans.remove(&row.subject)),
            }
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    store.close();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for ban in bans.values().filter(|ban| ban.until_ms > now_ms) {
        let _ = writeln!(text, "{}", described(ban));
    }
    match text.is_empty() {
        true => Ok("nobody is banned\n".to_owned()),
        false => Ok(text),
    }
}

fn sanction(
    subject: Subject,
    kind: SanctionKind,
    for_ms: Option<u64>,
    why: &ReasonArguments,
) -> Result<Sanction, Failure> {
    let reason = reason(why)?;
    let store = open(&why.store.place)?;
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
            "{} has never logged in to this world",
            name_of(subject)
        ))),
        AccountReply::NoBan => Err(Failure::bad_input(format!(
            "{} is not banned; `regionmesh account list` says who is",
            name_of(subject)
        ))),
        other => Err(unexpected(&other)),
    }
}

fn reason(why: &ReasonArguments) -> Result<String, Failure> {
    let reason = why.reason.trim().to_owned();
    if reason.len() > SANCTION_REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let what = format!("--reason is one line of at most {SANCTION_REASON_BYTES_MAX} bytes");
        return Err(Failure::bad_input(what));
    }
    Ok(reason)
}

fn open(place: &Path) -> Result<NodeStore, Failure> {
    // Opening would make one that is not there.
    if !is_database(place) && !place.exists() {
        let what = format!("{}: there is no store", Shown(place.display()));
        return Err(Failure::bad_input(what));
    }
    NodeStore::open(place).map_err(|error| match error.may_pass() {
        true => Failure::unreachable(error),
        false => Failure::bad_input(error),
    })
}

fn ask(store: &NodeStore, request: AccountRequest) -> Result<AccountReply, Failure> {
    let answered = store.execute(&[StoreRequest::Account(request)]).pop();
    match answered {
        Some(Ok(StoreReply::Account(reply))) => Ok(reply),
        Some(Ok(other)) => Err(unexpected(&other)),
        Some(Err(error)) => Err(Failure::failed(error)),
        None => Err(Failure::failed("the store does not answer")),
    }
}

fn unexpected(reply: &impl std::fmt::Debug) -> Failure {
    Failure::failed(format!("the store answered another question: {reply:?}"))
}

fn name_of(subject: Subject) -> String {
    match subject {
        Subject::User(user) => format!("user {}", user.0),
        Subject::Network(network) => format!("network {network}"),
    }
}

fn described(ban: &Sanction) -> String {
    let until = match ban.until_ms {
        FOREVER_MS => "until it is lifted".to_owned(),
        until_ms => format!("until {}", utc(until_ms)),
    };
    let reason = match ban.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({})", ShownLines(reason)),
    };
    format!("{} is banned {until}{reason}", name_of(ban.subject))
}
