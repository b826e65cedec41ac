//! A region's inbox: one delivery per frame, bounded in bytes. Whoever brings too much is told at once and never waits;
//! news of links always gets in, for there is only so much of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::region::RegionInput;

/// The region is too far behind: nothing was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InboxFull;

struct Delivery {
    inputs: Vec<RegionInput>,
    bytes: usize,
}

/// Puts things in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Inbox {
    // Unbounded in count, bounded in bytes by `waiting`.
    deliveries: mpsc::UnboundedSender<Delivery>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// Takes things out.
pub(super) struct InboxReader {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    waiting: Arc<AtomicUsize>,
}

/// An inbox that takes `bytes_max` of messages.
pub(super) fn inbox(bytes_max: usize) -> (Inbox, InboxReader) {
    let (deliveries, out) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let reader = InboxReader {
        deliveries: out,
        waiting: Arc::clone(&waiting),
    };
    let inbox = Inbox {
        deliveries,
        waiting,
        bytes_max,
    };
    (inbox, reader)
}

impl Inbox {
    /// Puts in the messages of one frame, all or none; `bytes` is what they take.
    pub(super) fn try_send(&self, inputs: Vec<RegionInput>, bytes: usize) -> Result<(), InboxFull> {
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return Err(InboxFull);
        }
        // A region that has ended takes its server with it; nobody misses the messages.
        let _ = self.deliveries.send(Delivery { inputs, bytes });
        Ok(())
    }

    /// Puts in news of a link, or an order of the server: always.
    pub(super) fn tell(&self, input: RegionInput) {
        let inputs = vec![input];
        let _ = self.deliveries.send(Delivery { inputs, bytes: 0 });
    }
}

impl InboxReader {
    /// The next delivery; `None` when nobody can bring any more.
    pub(super) async fn next(&mut self) -> Option<Vec<RegionInput>> {
        let delivery = self.deliveries.recv().await?;
        self.waiting.fetch_sub(delivery.bytes, Ordering::Relaxed);
        Some(delivery.inputs)
    }

    /// Bytes that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{LiveLane, NodeNumber};

    #[tokio::test]
    async fn too_much_is_refused_at_once_and_news_of_links_always_get_in() {
        let (inbox, mut reader) = inbox(100);
        let message = || vec![RegionInput::PeerDown(NodeNumber(9))];
        assert_eq!(inbox.try_send(message(), 60), Ok(()));
        assert_eq!(inbox.try_send(message(), 41), Err(InboxFull));
        assert_eq!(inbox.try_send(message(), 40), Ok(()));
        assert_eq!(inbox.try_send(message(), 1), Err(InboxFull));
        inbox.tell(RegionInput::ProxyDown(LiveLane::default()));
        assert_eq!(reader.waiting_bytes(), 100);
        for left in [40, 0, 0] {
            assert!(reader.next().await.is_some());
            assert_eq!(reader.waiting_bytes(), left);
        }
        assert_eq!(inbox.try_send(message(), 100), Ok(()));
    }
}
