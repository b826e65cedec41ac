//! One client's stream: records in, messages out, sealed as they are about to be written.

use std::net::IpAddr;

use net::link_core::{LinkTime, Sealing};
use protocol::Code;
use protocol::frame::{Close, FrameError, FrameType};
use protocol::message::family::{BatchReader, ClientToProxy, ProxyToClient};
use protocol::ticket::Ticket;

use super::attaching::Attaching;
use super::client_queue::{ClientQueue, Pushed, StreamRoom};
use super::unsent::Unsent;
use crate::edge::SessionHandle;
use crate::edge::rate::Bucket;

/// Plain bytes of one frame to a client.
const FRAME_BYTES: usize = 16 * 1024;

/// Why a client's stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEnd {
    /// The client closed it, or it broke: nobody hears a goodbye.
    Gone,
    /// It has to go, and is told this code.
    SentAway(Code),
    /// The client broke a rule, counted under this label, and is told the code.
    Refused(&'static str, Code),
}

/// A client.
pub(super) struct Client<S> {
    sealing: S,
    record: Option<BatchReader>,
    queue: ClientQueue,
    unsent_bytes_max: usize,
    unsent: Unsent,
    rate: Bucket,
    pub(super) attaching: Attaching,
    /// `None` once the session has ended.
    pub(super) session: Option<SessionHandle>,
    pub(super) claims: Ticket,
    pub(super) from: IpAddr,
    /// When its ticket is to be renewed, Unix milliseconds; `None` while that is under way.
    pub(super) renew_at_ms: Option<u64>,
}

impl<S: Sealing> Client<S> {
    pub(super) fn new(
        sealing: S,
        (claims, from): (Ticket, IpAddr),
        (room, messages_per_s): (StreamRoom, u32),
        awake_ms: u64,
        now: LinkTime,
    ) -> Self {
        Self {
            sealing,
            record: None,
            queue: ClientQueue::new(room),
            unsent_bytes_max: room.unsent_bytes,
            unsent: Unsent::default(),
            rate: Bucket::new(messages_per_s, 2 * messages_per_s, now.mono_us / 1000),
            attaching: Attaching::new(awake_ms),
            session: None,
            renew_at_ms: Some(renew_at_ms(&claims)),
            claims,
            from,
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.sealing.extend(bytes);
    }

    /// The next message; `None` until more bytes arrive.
    pub(super) fn next(&mut self, now: LinkTime) -> Result<Option<ClientToProxy>, ClientEnd> {
        loop {
            while let Some(record) = &mut self.record {
                match record.next_message() {
                    Ok(Some(message)) if self.rate.take(1, now.mono_us / 1000) => return Ok(Some(message)),
                    Ok(Some(_)) => return Err(ClientEnd::Refused("client_rate", Code::RateLimited)),
                    Ok(None) => self.record = None,
                    Err(_) => return Err(ClientEnd::Refused("client_message", Code::Protocol)),
                }
            }
            let frame = self.sealing.next_frame(now.mono_us / 1000);
            let Some(frame) = frame.map_err(|error| ClientEnd::Refused(error.label(), code_of(&error)))?
            else {
                return Ok(None);
            };
            match frame.frame_type {
                FrameType::Batch => self.record = Some(BatchReader::new(frame.payload)),
                FrameType::Close => return Err(ClientEnd::Gone),
                _ => return Err(ClientEnd::Refused("client_frame_type", Code::Protocol)),
            }
        }
    }

    pub(super) fn push(&mut self, message: &ProxyToClient, now: LinkTime) -> Pushed {
        self.queue.push(message, now.mono_us / 1000)
    }

    /// A ticket for the next joins, and when to renew that one.
    pub(super) fn renewed(&mut self, claims: Ticket) {
        self.claims = claims;
        self.renew_at_ms = Some(renew_at_ms(&claims));
    }

    /// Seals what waits, as much as is about to be written.
    pub(super) fn flush(&mut self, now: LinkTime) -> Result<(), &'static str> {
        while !self.queue.is_empty() && self.unsent.rest().len() < self.unsent_bytes_max {
            self.seal_record(now)?;
        }
        Ok(())
    }

    fn seal_record(&mut self, now: LinkTime) -> Result<(), &'static str> {
        let queue = &mut self.queue;
        let sealed = self
            .sealing
            .seal(FrameType::Batch, now, self.unsent.end(), |out| {
                queue.take(FRAME_BYTES, out);
            });
        sealed.map_err(|error| error.label())
    }

    pub(super) fn unsent(&self) -> &[u8] {
        self.unsent.rest()
    }

    pub(super) fn wrote(&mut self, bytes: usize) {
        self.unsent.wrote(bytes);
    }

    /// What is sealed, what waits, and the goodbye.
    pub(super) fn into_last_words(mut self, close: &Close, now: LinkTime) -> Vec<u8> {
        // A record that cannot be sealed ends the stream without a goodbye: that says enough.
        while !self.queue.is_empty() && self.seal_record(now).is_ok() {}
        let payload = close.encode();
        let say = |out: &mut Vec<u8>| out.extend_from_slice(&payload);
        let _ = self.sealing.seal(FrameType::Close, now, self.unsent.end(), say);
        self.unsent.into_rest()
    }
}

/// A frame that does not come to its end is a matter of the way, and the client may come back; any other mistake is its own.
fn code_of(error: &FrameError) -> Code {
    match error {
        FrameError::Incomplete => Code::TimedOut,
        _ => Code::Protocol,
    }
}

/// When a ticket is to be renewed: in the middle of its life, Unix milliseconds.
#[must_use]
pub fn renew_at_ms(claims: &Ticket) -> u64 {
    let validity = claims.validity;
    let half = validity.until_ms.saturating_sub(validity.from_ms) / 2;
    u64::try_from(validity.from_ms.saturating_add(half)).unwrap_or(0)
}
