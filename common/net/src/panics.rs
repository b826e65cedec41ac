//! Panics as values. A guest is a task for one connection: when it panics its connection ends, it is counted, and
//! nothing else happens. What a process cannot do without is watched by its owner instead, which ends the process.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a future; a panic in it becomes an error with its message.
///
/// # Errors
/// What the panic said.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = Box::pin(future);
    let polled = poll_fn(move |cx| {
        // Whatever the future had in hand is never looked at again: it is dropped as it is.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => std::task::Poll::Ready(Err(message(&*payload))),
        }
    });
    polled.await
}

/// Runs the task of one connection to its end, or to its panic, which is counted and logged under `kind`.
pub async fn guest(kind: &'static str, future: impl Future<Output = ()>) {
    if let Err(message) = caught(future).await {
        metrics::counter!("regionmesh_guest_panics_total", "kind" => kind).increment(1);
        tracing::error!(
            kind,
            message,
            "the task of one connection panicked: the connection ends"
        );
    }
}

/// Guests of these kinds are to come: their panics are counted from zero on.
pub fn expect_guests(kinds: &[&'static str]) {
    for kind in kinds {
        metrics::counter!("regionmesh_guest_panics_total", "kind" => *kind).increment(0);
    }
}

/// What a panic said.
#[must_use]
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guests_panic_is_a_value_and_the_next_guest_is_served() {
        let before = caught(async { 7 }).await;
        assert_eq!(before, Ok(7));
        let said = caught(async {
            tokio::task::yield_now().await;
            panic!("no {}", "room");
        });
        assert_eq!(said.await, Err::<(), _>("no room".to_owned()));
        guest("test", async { panic!("said in vain") }).await;
        let mut served = false;
        guest("test", async { served = true }).await;
        assert!(served);
    }
}
