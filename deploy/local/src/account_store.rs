//! What the subcommands of `regionmesh account` have in common: a store that is there, a question to it, and words for people.

use node::life::Failure;
use protocol::Shown;
use std::path::Path;
use store::limits::SANCTION_REASON_BYTES_MAX;
use store::{AccountReply, AccountRequest, NodeStore, Store as _, StoreReply, StoreRequest, is_database};

/// What an option says, such as `--reason`: one line that the store takes.
pub(crate) fn line(option: &str, said: &str) -> Result<String, Failure> {
    let said = said.trim().to_owned();
    if said.len() > SANCTION_REASON_BYTES_MAX || said.chars().any(char::is_control) {
        let what = format!("{option} is one line of at most {SANCTION_REASON_BYTES_MAX} bytes");
        return Err(Failure::bad_input(what));
    }
    Ok(said)
}

pub(crate) fn open(place: &Path) -> Result<NodeStore, Failure> {
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

pub(crate) fn ask(store: &NodeStore, request: AccountRequest) -> Result<AccountReply, Failure> {
    let answered = store.execute(&[StoreRequest::Account(request)]).pop();
    match answered {
        Some(Ok(StoreReply::Account(reply))) => Ok(reply),
        Some(Ok(other)) => Err(unexpected(&other)),
        Some(Err(error)) => Err(Failure::failed(error)),
        None => Err(Failure::failed("the store does not answer")),
    }
}

pub(crate) fn unexpected(reply: &impl std::fmt::Debug) -> Failure {
    Failure::failed(format!("the store answered another question: {reply:?}"))
}
