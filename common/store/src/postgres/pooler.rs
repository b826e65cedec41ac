//! Whether a connection is a session of the database for as long as it lasts. Behind a pooler in transaction mode it is one for a
//! transaction only, and a lock that is to last as long as a node runs would stay with whoever gets that session next.

use super::fault::Failure;
use super::keeper::{column, one};
use super::link::Link;
use super::refusal::PostgresCause;
use crate::StoreError;

/// How often it is looked: a pooler that has several free sessions may happen to hand out the same one again.
const LOOKS: usize = 3;

/// Refuses a connection whose session somebody else gets meanwhile, such as `other` in a transaction. Both connect to the same.
pub(super) fn refuse(link: &mut Link, other: &mut Link) -> Result<(), PostgresCause> {
    let own = session(link)?;
    for _ in 0..LOOKS {
        other.call("BEGIN", &[]).map_err(Failure::of_read)?;
        // With a single session in the pool, nobody else has one to answer with.
        let is_taken = session(other)? == own || session(link)? != own;
        other.call("ROLLBACK", &[]).map_err(Failure::of_read)?;
        if is_taken {
            return Err(PostgresCause::Pooled);
        }
    }
    Ok(())
}

/// The process of the database that answers.
fn session(link: &mut Link) -> Result<i32, StoreError> {
    column(&one(link.call("SELECT pg_backend_pid()", &[]))?, 0)
}
