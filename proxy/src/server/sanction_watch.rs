//! What operators do to users and networks, as the store says twice a second, is heard of at every shard.

use std::future::Future;
use std::sync::Arc;

use store::Subject;
use tokio_util::sync::CancellationToken;

use super::build::Built;
use super::mailbox::Order;
use super::shard_handle::{Shards, tell_all};

/// Hears until `stop`.
pub(super) fn watch(
    built: &Built,
    shards: &Shards,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (board, shards) = (Arc::clone(&built.sanctions), Arc::clone(shards));
    let (store, stop) = (built.store.clone(), stop.clone());
    async move {
        let tell = |subjects: &[Subject]| {
            for (whose, goodbye) in subjects.iter().filter_map(|subject| board.ending(*subject)) {
                tell_all(&shards, || Order::EndSessions(whose, Box::new(goodbye.clone())));
            }
        };
        board.keep(store, stop, tell).await;
    }
}
