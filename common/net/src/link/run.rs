//! One link from its first frame to its last: starts the writer, reads, and tells the owner exactly once that it is over.

use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{Close, Frame, FrameType, PeerClock};
use protocol::ids::Incarnation;
use protocol::message::family::{BatchMessage, BatchReader, MessageError, ServerToServer};
use protocol::node_handshake::{EstablishedNode, Lane, LinkTerms, VerifiedPeer};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::context::LinkContext;
use super::control::{DownReason, code_label};
use super::handler::{LinkHandler, LinkUp};
use super::handshake::Admitted;
use super::registry::LinkKey;
use super::sender::{LinkSender, LinkShared};
use super::writer_task::WriterTask;
use crate::link_state::Heartbeats;
use crate::queue::{OutgoingQueue, QueueLimits};
use crate::sealed_stream::{SealedReader, SealedWriter, StreamError};
use protocol::Code;

/// How long the writer may take to say goodbye before it is cut off.
const WRITER_GRACE: Duration = Duration::from_millis(500);
const HEARTBEAT: u8 = 0x21;

/// Which end of the link we are: decides whose incarnation counts, and its place in the registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkPlace {
    pub(super) key: LinkKey,
    pub(super) incarnation: Incarnation,
}

/// Runs a link until it ends.
pub(super) async fn run_link<H: LinkHandler>(
    context: &Arc<LinkContext>,
    admitted: Admitted,
    place: LinkPlace,
    handler: &mut H,
    shutdown: &CancellationToken,
) -> DownReason {
    let Admitted { stream, node } = admitted;
    let EstablishedNode {
        peer,
        sealer,
        opener,
        terms,
        clock,
        ..
    } = *node;
    let (reader, mut writer) = stream.into_sealed(opener, sealer);
    let shared = Arc::new(share(context, peer, terms, writer.plain_bytes_max()));
    let listed = match context.registry.enter(place.key, place.incarnation, &shared) {
        Ok(listed) => listed,
        Err(code) => {
            context.stats.count_refused(code_label(code));
            shared.control.end(DownReason::Closed(code));
            let _ = timeout(WRITER_GRACE, writer.close(&Close::from(code))).await;
            return shared.control.reason();
        }
    };
    let mut writing = spawn_writer(context, &shared, writer);
    let mut reading = Reading::start(context, &shared, (reader, clock), handler, place.key.lane);
    tokio::select! {
        () = shutdown.cancelled() => shared.control.end(DownReason::Closed(Code::Draining)),
        reason = reading.read_until_ended() => shared.control.end(reason),
    }
    let _ = timeout(WRITER_GRACE, &mut writing).await;
    drop((reading, listed));
    shared.control.reason()
}

fn share(context: &LinkContext, peer: VerifiedPeer, terms: LinkTerms, plain_bytes_max: usize) -> LinkShared {
    let clock = context.clock;
    let limits = context.config.queue;
    let queue = OutgoingQueue::new(QueueLimits {
        batch_bytes_max: limits.batch_bytes_max.min(plain_bytes_max),
        ..limits
    });
    let beats = Heartbeats::new(terms.heartbeat_ms.into(), terms.dead_ms.into(), clock.now_us());
    LinkShared::new((context.registry.next_id(), peer), clock, queue, beats)
}

fn spawn_writer(
    context: &Arc<LinkContext>,
    shared: &Arc<LinkShared>,
    writer: SealedWriter<tokio::net::tcp::OwnedWriteHalf>,
) -> AbortOnDropHandle<()> {
    let task = WriterTask {
        context: Arc::clone(context),
        shared: Arc::clone(shared),
        writer,
    };
    AbortOnDropHandle::new(tokio::spawn(task.run()))
}

/// The reading half. Dropping it, however that comes about, is what tells the owner that the link is down.
struct Reading<'a, H: LinkHandler> {
    context: &'a LinkContext,
    shared: &'a Arc<LinkShared>,
    reader: SealedReader<OwnedReadHalf>,
    peer_clock: PeerClock,
    handler: &'a mut H,
    batch: Vec<H::In>,
}

impl<'a, H: LinkHandler> Reading<'a, H> {
    fn start(
        context: &'a LinkContext,
        shared: &'a Arc<LinkShared>,
        (reader, peer_clock): (SealedReader<OwnedReadHalf>, PeerClock),
        handler: &'a mut H,
        lane: Lane,
    ) -> Self {
        metrics::gauge!("regionmesh_links_up").increment(1.0);
        tracing::info!(link = %shared.id, peer = %shared.peer.number, %lane, "link up");
        handler.handle_up(LinkUp {
            id: shared.id,
            peer: shared.peer,
            lane,
            sender: LinkSender::new(Arc::clone(shared)),
        });
        Self {
            context,
            shared,
            reader,
            peer_clock,
            handler,
            batch: Vec::new(),
        }
    }

    async fn read_until_ended(&mut self) -> DownReason {
        let shared = self.shared;
        loop {
            tokio::select! {
                biased;
                () = shared.control.ended() => return shared.control.reason(),
                frame = self.reader.next_frame() => {
                    if let Err(reason) = frame.map_err(|error| self.broken(&error)).and_then(|frame| self.handle_frame(frame)) {
                        return reason;
                    }
                }
            }
        }
    }

    fn broken(&self, error: &StreamError) -> DownReason {
        if let StreamError::Frame(error) = error {
            self.context.stats.count_refused(error.label());
        }
        DownReason::Broken(error.label())
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<(), DownReason> {
        self.shared.heartbeats().handle_frame(self.shared.clock.now_us());
        metrics::counter!("regionmesh_link_frames_total", "direction" => "in").increment(1);
        metrics::counter!("regionmesh_link_bytes_total", "direction" => "in")
            .increment(frame.payload.len() as u64);
        match frame.frame_type {
            FrameType::Batch => self.handle_batch(frame).map_err(|error| self.refuse(&error)),
            FrameType::Close => {
                let code = Close::parse(&frame.payload).map_or(Code::Generic, |close| close.code);
                Err(DownReason::ClosedByPeer(code))
            }
            _ => Err(self.refuse_label("type")),
        }
    }

    /// Only told: one clock step must not end every link at once.
    fn note_drift(&self, timestamp_ms: u64) {
        let drift_ms = self.peer_clock.drift_ms(timestamp_ms, self.shared.clock.now_ms());
        let peer = self.shared.peer.number.to_string();
        metrics::gauge!("regionmesh_link_clock_drift_ms", "peer" => peer).set(drift_ms as f64);
    }

    fn handle_batch(&mut self, frame: Frame) -> Result<(), MessageError> {
        let timestamp_ms = frame.timestamp_ms;
        let mut reader = BatchReader::new(frame.payload);
        while let Some((family, body)) = reader.next_body()? {
            if family == HEARTBEAT {
                self.note_drift(timestamp_ms);
                self.handle_heartbeat(body)?;
            } else {
                self.batch.push(H::In::parse(family, body)?);
            }
        }
        metrics::counter!("regionmesh_link_messages_total", "direction" => "in")
            .increment(self.batch.len() as u64);
        if !self.batch.is_empty() {
            self.handler.handle_batch(self.shared.id, self.batch.drain(..));
        }
        Ok(())
    }

    fn handle_heartbeat(&mut self, body: bytes::Bytes) -> Result<(), MessageError> {
        let ServerToServer::Heartbeat(heartbeat) = ServerToServer::parse(HEARTBEAT, body)? else {
            return Err(MessageError::FamilyDenied(HEARTBEAT));
        };
        let now_us = self.shared.clock.now_us();
        self.shared.heartbeats().handle_heartbeat(&heartbeat, now_us);
        let from = self.shared.peer.number;
        self.context
            .loads
            .handle_heartbeat(from, &heartbeat, now_us / 1000);
        self.handler.handle_heartbeat(self.shared.id, &heartbeat);
        Ok(())
    }

    fn refuse(&self, error: &MessageError) -> DownReason {
        self.refuse_label(match error {
            MessageError::FamilyDenied(_) => "family_denied",
            MessageError::TooMany => "too_many_messages",
            MessageError::Truncated(_) | MessageError::Length | MessageError::Malformed(_) => {
                "malformed_message"
            }
        })
    }

    fn refuse_label(&self, label: &'static str) -> DownReason {
        self.context.stats.count_refused(label);
        DownReason::Broken(label)
    }
}

impl<H: LinkHandler> Drop for Reading<'_, H> {
    fn drop(&mut self) {
        let reason = self.shared.control.reason();
        // Also when the task was dropped: senders must learn it.
        self.shared.control.end(reason);
        metrics::gauge!("regionmesh_links_up").decrement(1.0);
        metrics::counter!("regionmesh_link_down_total", "reason" => reason.label()).increment(1);
        tracing::info!(link = %self.shared.id, peer = %self.shared.peer.number, ?reason, "link down");
        self.handler.handle_down(self.shared.id, reason);
    }
}
