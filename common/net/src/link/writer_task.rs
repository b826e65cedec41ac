//! The writing half of a link: sends what is queued, beats, and notices a dead peer, also while a write hangs.

use std::sync::Arc;
use std::time::Duration;

use protocol::Code;
use protocol::frame::Close;
use protocol::identity::Role;
use protocol::message::family::ServerToServer;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, sleep_until, timeout};

use super::context::LinkContext;
use super::control::DownReason;
use super::sender::LinkShared;
use crate::clock;
use crate::link_state::Vitality;
use crate::queue::Due;
use crate::sealed_stream::{SealedWriter, StreamError};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(250);

pub(super) struct WriterTask {
    pub(super) context: Arc<LinkContext>,
    pub(super) shared: Arc<LinkShared>,
    pub(super) writer: SealedWriter<OwnedWriteHalf>,
}

impl WriterTask {
    /// Writes until the link ends, then says goodbye.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.write_until_ended().await {
            self.shared.control.end(DownReason::Broken(error.label()));
        }
        if let Some(code) = self.shared.control.reason().goodbye() {
            // A hanging peer misses the goodbye; what it must not do is keep us.
            let _ = timeout(GOODBYE, self.say_goodbye(code)).await;
        }
    }

    /// A peer we leave in peace gets what was queued for it; senders refuse by now, so there is an end to it.
    async fn say_goodbye(&mut self, code: Code) -> Result<(), StreamError> {
        while code == Code::Draining && self.shared.with_queue(|queue, _| queue.bytes() > 0) {
            self.stage_batch()?;
            self.writer.flush().await?;
        }
        self.writer.close(&Close::from(code)).await
    }

    async fn write_until_ended(&mut self) -> Result<(), StreamError> {
        while !self.shared.control.has_ended() {
            let beat_at_us = self.beat();
            let due = self.shared.with_queue(|queue, now_us| queue.due(now_us));
            match due {
                Due::Now => self.write_batch().await?,
                Due::At(at_us) => self.sleep(at_us.min(beat_at_us)).await,
                Due::Idle => self.sleep(beat_at_us).await,
            }
        }
        Ok(())
    }

    fn stage_batch(&mut self) -> Result<(), StreamError> {
        let shared = &self.shared;
        let mut messages = 0;
        self.writer
            .stage_batch(|out| messages = shared.with_queue(|queue, _| queue.take_batch(out)))?;
        metrics::counter!("regionmesh_link_messages_total", "direction" => "out").increment(messages as u64);
        Ok(())
    }

    async fn write_batch(&mut self) -> Result<(), StreamError> {
        self.stage_batch()?;
        loop {
            let dead_at_us = self.shared.heartbeats().dead_at_us();
            let dead_at = self.instant(dead_at_us);
            tokio::select! {
                biased;
                () = self.shared.control.ended() => return Ok(()),
                written = self.writer.flush() => {
                    metrics::counter!("regionmesh_link_frames_total", "direction" => "out").increment(1);
                    metrics::counter!("regionmesh_link_bytes_total", "direction" => "out").increment(written? as u64);
                    return Ok(());
                }
                () = sleep_until(dead_at) => self.check_vitality(),
            }
        }
    }

    async fn sleep(&self, until_us: u64) {
        tokio::select! {
            biased;
            () = self.shared.control.ended() => {}
            () = self.shared.wake.notified() => {}
            () = sleep_until(self.instant(until_us)) => {}
        }
    }

    /// Sends a heartbeat if one is due; when to look again, microseconds.
    fn beat(&self) -> u64 {
        let now_us = self.shared.clock.now_us();
        self.check_vitality();
        let vitality = self.shared.heartbeats().vitality(now_us);
        match vitality {
            Vitality::Alive { until_us } => until_us,
            Vitality::Dead => now_us,
            Vitality::Due => {
                self.queue_heartbeat(now_us);
                now_us
            }
        }
    }

    fn check_vitality(&self) {
        let now_us = self.shared.clock.now_us();
        let control = &self.shared.control;
        if self.shared.heartbeats().vitality(now_us) == Vitality::Dead {
            control.end(DownReason::Dead);
        }
        let until_ms = self.shared.peer.certificate.validity().until_ms;
        if i64::try_from(clock::wall_ms()).is_ok_and(|wall_ms| wall_ms >= until_ms) {
            control.end(DownReason::Closed(Code::CertExpired));
        }
    }

    fn queue_heartbeat(&self, now_us: u64) {
        let context = &self.context;
        let mut heartbeat = self.shared.heartbeats().beat(now_us);
        heartbeat.topology_version = context.directory.topology_version().0;
        let proxies = match context.role {
            Role::GameServer => context.registry.proxies(),
            _ => Vec::new(),
        };
        context.loads.fill(&mut heartbeat, &proxies, now_us / 1000);
        // The heartbeat has one number and one shape in every enum of a node link.
        let _ = self
            .shared
            .push(|queue, now_us| queue.push(&ServerToServer::Heartbeat(heartbeat), now_us));
        let queued = self.shared.with_queue(|queue, _| queue.bytes());
        let peer = self.shared.peer.number.to_string();
        metrics::gauge!("regionmesh_link_queue_bytes", "peer" => peer.clone()).set(queued as f64);
        if let Some(round_trip_us) = self.shared.heartbeats().round_trip_us() {
            metrics::gauge!("regionmesh_link_round_trip_us", "peer" => peer).set(round_trip_us as f64);
        }
    }

    fn instant(&self, us: u64) -> Instant {
        Instant::from_std(self.shared.clock.at_us(us))
    }
}
