//! What operators do to users, as the store says twice a second: regions know who says nothing.

use std::future::Future;
use std::sync::Arc;

use store::{Mutes, Subject};
use tokio_util::sync::CancellationToken;

use super::build::Built;
use super::world_mailbox::{Mailbox, Order};

/// Sessions of those who play already are ended by their proxies; who says nothing is for the regions to know.
pub(super) fn watch(
    built: &Built,
    mailbox: &Mailbox,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (board, store) = (Arc::clone(&built.sanctions), built.store.handle.clone());
    let mailbox = mailbox.clone();
    async move {
        let mut told = Mutes::new();
        let tell = |_: &[Subject]| {
            let mutes = board.mutes();
            if mutes != told {
                told.clone_from(&mutes);
                mailbox.send(Order::Muted(Arc::new(mutes)));
            }
        };
        // Those of before the start.
        mailbox.send(Order::Muted(Arc::new(board.mutes())));
        board.keep(store, stop, tell).await;
    }
}
