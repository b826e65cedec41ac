//! Statements of those who prepare a database: text, one after the other.

use tokio_postgres::Client;

use super::fault;
use crate::StoreError;

/// Carries out statements.
pub(super) async fn run(client: &Client, statements: &str) -> Result<(), StoreError> {
    client.batch_execute(statements).await.map_err(failed)
}

/// Asks a question that is answered with yes or no.
pub(super) async fn is(client: &Client, statement: &str) -> Result<bool, StoreError> {
    let asked = client.query_typed_one(statement, &[]).await;
    asked.and_then(|row| row.try_get(0)).map_err(failed)
}

/// By value, as `map_err` has it.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn failed(error: tokio_postgres::Error) -> StoreError {
    fault::of_connecting(&error)
}
