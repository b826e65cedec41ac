//! Keys by which users come back without a password.

use protocol::ids::UserId;
use rusqlite::Connection;

use super::moment::Moment;
use super::statement::query;
use crate::account::AccountReply;
use crate::limits::DEVICES_MAX;
use crate::sanction::FOREVER_MS;

pub(super) fn keep(
    connection: &Connection,
    key: &[u8; 32],
    user: UserId,
    for_ms: u64,
    at: Moment,
) -> rusqlite::Result<AccountReply> {
    const KEEP: &str = "INSERT INTO device (key, user, until_ms) VALUES (?1, ?2, ?3)
        ON CONFLICT (key) DO UPDATE SET user = excluded.user, until_ms = excluded.until_ms";
    // Those that end last stay.
    const TRIM: &str = "DELETE FROM device WHERE user = ?1 AND key NOT IN (
        SELECT key FROM device WHERE user = ?1 ORDER BY until_ms DESC, key DESC LIMIT ?2)";
    let until_ms = at.now_ms.cast_unsigned().saturating_add(for_ms).min(FOREVER_MS);
    query(connection, KEEP)
        .bind(key.as_slice())
        .number(user.0)
        .number(until_ms)
        .run()?;
    query(connection, TRIM)
        .number(user.0)
        .bind(DEVICES_MAX as i64)
        .run()?;
    Ok(AccountReply::DeviceKept)
}

pub(super) fn read(connection: &Connection, key: &[u8; 32], at: Moment) -> rusqlite::Result<AccountReply> {
    const READ: &str = "SELECT user FROM device WHERE key = ?1 AND until_ms > ?2";
    let user = query(connection, READ)
        .bind(key.as_slice())
        .bind(at.now_ms)
        .row(|row| row.number())?;
    Ok(AccountReply::Device(user.map(UserId)))
}

pub(super) fn forget(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    query(connection, "DELETE FROM device WHERE user = ?1")
        .number(user.0)
        .run()
        .map(drop)
}
