//! `regionmesh account reports`: what players report of one another, read and closed by operators.

use crate::account_store::{ask, line, open, unexpected};
use crate::command_line::ReportsArguments;
use node::clock::utc;
use node::life::Failure;
use protocol::ShownLines;
use protocol::ids::UserId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use store::{AccountKey, AccountReply, AccountRequest, NodeStore, Report};

pub(crate) fn run(arguments: &ReportsArguments) -> Result<String, Failure> {
    let note = line("--note", &arguments.note)?;
    let store = open(&arguments.store.place)?;
    let said = match arguments.close {
        Some(id) => close(&store, id, note),
        None => list(&store, arguments),
    };
    store.close();
    said
}

fn close(store: &NodeStore, id: u64, note: String) -> Result<String, Failure> {
    match ask(store, AccountRequest::CloseReport { id, note })? {
        AccountReply::ReportClosed => Ok(format!("report {id} is closed\n")),
        AccountReply::NoReport => Err(Failure::bad_input(format!(
            "there is no open report {id}; `regionmesh account reports` lists them"
        ))),
        other => Err(unexpected(&other)),
    }
}

fn list(store: &NodeStore, arguments: &ReportsArguments) -> Result<String, Failure> {
    let reports = read(store, arguments.all)?;
    let mut names = BTreeMap::new();
    for user in reports
        .iter()
        .flat_map(|report| [report.what.by, report.what.about])
    {
        if let Entry::Vacant(unknown) = names.entry(user) {
            unknown.insert(name(store, user)?);
        }
    }
    let name = |user: UserId| names.get(&user).and_then(Option::as_deref);
    if arguments.json {
        let all: Vec<Value> = reports.iter().map(|report| document(report, name)).collect();
        return Ok(format!("{:#}\n", json!(all)));
    }
    let mut text = String::new();
    for report in &reports {
        write(&mut text, report, name);
    }
    match text.is_empty() {
        true => Ok("nobody has reported anything that is open\n".to_owned()),
        false => Ok(text),
    }
}

fn read(store: &NodeStore, with_closed: bool) -> Result<Vec<Report>, Failure> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = match ask(store, AccountRequest::ReadReports { after, with_closed })? {
            AccountReply::Reports(page) => page,
            other => return Err(unexpected(&other)),
        };
        all.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => return Ok(all),
        }
    }
}

/// Of the account; a guest has none.
fn name(store: &NodeStore, user: UserId) -> Result<Option<String>, Failure> {
    match ask(store, AccountRequest::Read(AccountKey::User(user)))? {
        AccountReply::Account(account) => Ok(account.map(|account| account.name)),
        other => Err(unexpected(&other)),
    }
}

fn document<'a>(report: &Report, name: impl Fn(UserId) -> Option<&'a str>) -> Value {
    let user = |user: UserId| json!({"user": user.0.to_string(), "account": name(user)});
    let closed = report.closed.as_ref();
    json!({
        "report": report.id,
        "at_ms": report.at_ms,
        "by": user(report.what.by),
        "about": user(report.what.about),
        "why": report.what.why,
        "lines": report.what.lines.lines().collect::<Vec<_>>(),
        "closed_ms": closed.map(|(at_ms, _)| at_ms),
        "note": closed.map(|(_, note)| note),
    })
}

fn write<'a>(text: &mut String, report: &Report, name: impl Fn(UserId) -> Option<&'a str>) {
    let called = |user: UserId| match name(user) {
        Some(name) => format!("{} (user {})", ShownLines(name), user.0),
        None => format!("user {}, a guest,", user.0),
    };
    let (by, about) = (called(report.what.by), called(report.what.about));
    let why = ShownLines(&report.what.why);
    let _ = writeln!(
        text,
        "report {}, {}: {by} reports {about}: {why}",
        report.id,
        utc(report.at_ms)
    );
    for line in report.what.lines.lines() {
        let _ = writeln!(text, "    {}", ShownLines(line));
    }
    if let Some((at_ms, note)) = &report.closed {
        let _ = writeln!(text, "    closed {}: {}", utc(*at_ms), ShownLines(note));
    }
}
