//! Accounts for which somebody else vouches.

use protocol::ids::UserId;
use rusqlite::Connection;

use super::statement::query;
use crate::account::Identity;

pub(super) fn user(connection: &Connection, identity: &Identity) -> rusqlite::Result<Option<UserId>> {
    let found = query(
        connection,
        "SELECT user FROM identity WHERE issuer = ?1 AND subject = ?2",
    );
    let found = found
        .bind(identity.issuer.as_str())
        .bind(identity.subject.as_str());
    Ok(found.row(|row| row.number())?.map(UserId))
}

pub(super) fn keep(connection: &Connection, identity: &Identity, user: UserId) -> rusqlite::Result<()> {
    const KEEP: &str = "INSERT INTO identity (issuer, subject, user) VALUES (?1, ?2, ?3)";
    query(connection, KEEP)
        .bind(identity.issuer.as_str())
        .bind(identity.subject.as_str())
        .number(user.0)
        .run()
        .map(drop)
}

pub(super) fn forget(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    query(connection, "DELETE FROM identity WHERE user = ?1")
        .number(user.0)
        .run()
        .map(drop)
}
