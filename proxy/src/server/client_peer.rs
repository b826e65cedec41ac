//! One client's connection: handshake, then a reader and a writer in one task, which live and die together. What the
//! client says goes to its shard; what the shard says comes by the client's queue.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::sealed_stream::{RawStream, SealedReader, SealedWriter, StreamError};
use nix::sys::socket::{setsockopt, sockopt};
use protocol::Code;
use protocol::attach::Attach;
use protocol::client_handshake::EstablishedClient;
use protocol::frame::{Close, Frame, FrameOpener, FrameSealer, FrameType};
use protocol::ids::RegionNumber;
use protocol::limits::{CLIENT_ATTACH_MS_MAX, CLIENT_RECORD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};
use protocol::message::client;
use protocol::message::family::{BatchReader, ClientToProxy};
use protocol::ticket::Ticket;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::auth::renewal_in_ms;
use super::client_context::ClientContext;
use super::client_login::{self, LoggedIn};
use super::client_queue::{ClientQueue, Next};
use super::handshake_permits::HandshakePermit;
use super::inbox::{Arrival, Inbox, ShardInput};
use crate::edge::rate::Bucket;
use crate::edge::{Admission, EdgeInput, SessionHandle};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// … and to a client that reads too slowly, which has to read what is under way before it can hear why it is cut off.
const SLOW_GOODBYE: Duration = Duration::from_secs(5);
/// Plain bytes of one frame to a client.
const FRAME_BYTES: usize = 16 * 1024;
/// A client that vanished without a word is noticed by the kernel after this, milliseconds.
const SILENCE_MS: u32 = 20_000;

/// Serves one connection to its end.
pub(super) async fn serve(context: &ClientContext, io: TcpStream, from: SocketAddr, permit: HandshakePermit) {
    notice_silence(&io);
    let Ok(stream) = RawStream::new(io, context.clock) else {
        return;
    };
    let logged_in = client_login::log_in(context, stream, from).await;
    drop(permit);
    match logged_in {
        Ok(logged_in) => Peer::play(context, logged_in).await,
        Err(error) => {
            context.refusals.count(error.label());
            tracing::debug!(%from, %error, "no session");
        }
    }
}

/// Half-open connections must not be kept for ever. A kernel that does not know an option keeps its default.
fn notice_silence(io: &TcpStream) {
    let seconds = SILENCE_MS / 1000;
    let _ = setsockopt(io, sockopt::KeepAlive, &true);
    let _ = setsockopt(io, sockopt::TcpKeepIdle, &(seconds / 2));
    let _ = setsockopt(io, sockopt::TcpKeepInterval, &(seconds / 4));
    let _ = setsockopt(io, sockopt::TcpKeepCount, &2);
    let _ = setsockopt(io, sockopt::TcpUserTimeout, &SILENCE_MS);
}

/// A connected client.
struct Peer<'a> {
    context: &'a ClientContext,
    queue: Arc<ClientQueue>,
    inbox: Arc<Inbox>,
    session: SessionHandle,
    claims: Ticket,
    attached: bool,
}

impl<'a> Peer<'a> {
    async fn play(context: &'a ClientContext, logged_in: LoggedIn) {
        let Some(shard) = context.shards.get(usize::from(logged_in.shard.0)) else {
            return;
        };
        let inbox = Arc::clone(&shard.inbox);
        let queue = Arc::new(ClientQueue::default());
        let claims = logged_in.granted.claims;
        let (admission, reader, writer) = split(context, logged_in);
        let (admitted, session) = oneshot::channel();
        let arrival = Arrival {
            admission: Box::new(admission),
            queue: Arc::clone(&queue),
            admitted,
        };
        let session = match inbox.push(ShardInput::Arrival(arrival)) {
            Ok(()) => session.await.map_err(|_| Code::Superseded),
            Err(_) => Err(Code::Busy),
        };
        let session = match session {
            Ok(session) => session,
            Err(code) => return goodbye(context, writer, code).await,
        };
        let peer = Self {
            context,
            queue,
            inbox,
            session,
            claims,
            attached: false,
        };
        peer.run(reader, writer).await;
    }

    async fn run(
        mut self,
        mut reader: SealedReader<OwnedReadHalf>,
        mut writer: SealedWriter<OwnedWriteHalf>,
    ) {
        let (queue, clock) = (Arc::clone(&self.queue), self.context.clock);
        let mut rate = Bucket::new(
            self.context.messages_per_s,
            2 * self.context.messages_per_s,
            clock.now_ms(),
        );
        let code = tokio::select! {
            biased;
            () = queue.ending() => None,
            () = self.context.close.cancelled() => Some(Code::Draining),
            code = self.read(&mut reader, &mut rate) => code,
            written = write(&queue, &mut writer) => match written {
                Ok(()) => None,
                Err(_) => return self.gone(),
            },
        };
        self.gone();
        // The writer may be in the middle of a frame; whatever happens to the goodbye, it has an end.
        if let Some(code) = code {
            queue.close(code);
        }
        let patience = match queue.closing() {
            Some(Code::SlowConsumer) => {
                self.context.refusals.count("client_slow");
                SLOW_GOODBYE
            }
            _ => GOODBYE,
        };
        if queue.closing().is_some() && timeout(patience, write(&queue, &mut writer)).await.is_ok() {
            let code = queue.closing().unwrap_or(Code::Generic);
            goodbye(self.context, writer, code).await;
        }
    }

    /// Reads until the client is gone (`None`) or must go. Renews its ticket meanwhile.
    async fn read(&mut self, reader: &mut SealedReader<OwnedReadHalf>, rate: &mut Bucket) -> Option<Code> {
        let mut batch = Vec::new();
        let mut attach_by = pin!(sleep(Duration::from_millis(CLIENT_ATTACH_MS_MAX)));
        loop {
            let renewal = Duration::from_millis(renewal_in_ms(&self.claims, net::clock::wall_ms()));
            tokio::select! {
                biased;
                frame = reader.next_frame() => match frame {
                    Ok(frame) => {
                        if let Err(code) = self.take(frame, rate, &mut batch) {
                            return code;
                        }
                    }
                    Err(error) => return self.broken(&error),
                },
                () = &mut attach_by, if !self.attached => return Some(self.refuse("attach_late", Code::Protocol)),
                () = sleep(renewal) => self.renew(),
            }
        }
    }

    fn broken(&self, error: &StreamError) -> Option<Code> {
        match error {
            StreamError::Frame(error) => {
                self.context.refusals.count(error.label());
                Some(Code::Protocol)
            }
            StreamError::Eof | StreamError::Io(_) => None,
        }
    }

    /// Hands a frame's messages to the shard. The error says how the connection ends.
    fn take(
        &mut self,
        frame: Frame,
        rate: &mut Bucket,
        batch: &mut Vec<ShardInput>,
    ) -> Result<(), Option<Code>> {
        match frame.frame_type {
            FrameType::Batch => {}
            FrameType::Close => return Err(None),
            _ => return Err(Some(self.refuse("client_frame_type", Code::Protocol))),
        }
        let mut messages = BatchReader::new(frame.payload);
        loop {
            let message = match messages.next_message::<ClientToProxy>() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(_) => return Err(Some(self.refuse("client_message", Code::Protocol))),
            };
            if !rate.take(1, self.context.clock.now_ms()) {
                return Err(Some(self.refuse("client_rate", Code::RateLimited)));
            }
            // One attach, and nothing before it: so there is one signature to verify, and the owner knows from the
            // first message on who speaks.
            match (&message, self.attached) {
                (ClientToProxy::Attach(attach), false) => {
                    self.verify(attach)?;
                    self.attached = true;
                }
                (ClientToProxy::Attach(_), true) => {
                    return Err(Some(self.refuse("attach_twice", Code::Protocol)));
                }
                (_, false) => return Err(Some(self.refuse("before_attach", Code::Protocol))),
                (_, true) => {}
            }
            batch.push(EdgeInput::FromClient(self.session, message).into());
        }
        let pushed = self.inbox.push_all(batch);
        pushed.map_err(|_| Some(self.refuse("client_inbox_full", Code::Busy)))
    }

    /// The owner verifies the attach itself; what it would refuse does not get that far.
    fn verify(&self, attach: &client::Attach) -> Result<(), Option<Code>> {
        let said = Attach {
            cluster_id: self.context.own.cluster_id,
            attach_no: protocol::ids::AttachNo(attach.attach_no),
            proxy: self.context.own.uuid,
        };
        let signature = <&[u8; 64]>::try_from(&attach.signature[..]).ok();
        let verified = signature.map(|signature| said.verify(&self.claims, signature));
        match verified {
            Some(Ok(())) => Ok(()),
            _ => Err(Some(self.refuse("attach_signature", Code::Protocol))),
        }
    }

    fn refuse(&self, label: &'static str, code: Code) -> Code {
        self.context.refusals.count(label);
        code
    }

    /// A fresh ticket for the client, and for the joins that its shard will send.
    fn renew(&mut self) {
        let region = self.queue.region();
        let (claims, ticket) = self
            .context
            .auth
            .renew(self.claims, region, net::clock::wall_ms());
        self.claims = claims;
        let ticket = Bytes::copy_from_slice(&ticket.encode());
        let proxies = self.context.other_proxies();
        let renewal = client::TicketRenewal {
            ticket: ticket.clone(),
            proxies: proxies.iter().map(ToString::to_string).collect(),
        };
        self.queue.push(&renewal.into(), self.context.clock.now_ms());
        // Lost when the shard is overloaded: then the next rejoin is refused, and the client logs in again.
        let _ = self.inbox.push(EdgeInput::TicketRenewed(self.session, ticket));
    }

    /// The shard may know already; a handle of a session that is gone means nothing to it.
    fn gone(&self) {
        self.inbox.push_news(EdgeInput::ClientGone(self.session));
    }
}

/// Everything the shard must know, and the two halves of the stream under their keys.
fn split(
    context: &ClientContext,
    logged_in: LoggedIn,
) -> (
    Admission,
    SealedReader<OwnedReadHalf>,
    SealedWriter<OwnedWriteHalf>,
) {
    let LoggedIn {
        stream,
        granted,
        request,
        established,
        cid,
        ..
    } = logged_in;
    let EstablishedClient {
        client_to_proxy,
        proxy_to_client,
        datagrams_to_proxy,
        datagrams_to_client,
        ..
    } = established;
    let mut opener = FrameOpener::new(client_to_proxy);
    opener.establish(CLIENT_RECORD_BYTES_MAX);
    let sealer = FrameSealer::new(proxy_to_client, FRAME_PAYLOAD_BYTES_MAX, context.clock.now_ms());
    let (reader, writer) = stream.into_sealed(opener, sealer);
    let claims = granted.claims;
    let admission = Admission {
        user: claims.user,
        name: granted.name,
        session_id: claims.session,
        generation: claims.session_generation,
        attach_no: request.attach_no,
        ticket: Bytes::copy_from_slice(&granted.ticket.encode()),
        region_hint: Some(claims.region_hint).filter(|region| *region != RegionNumber(0)),
        cid,
        datagrams_to_proxy,
        datagrams_to_client,
    };
    (admission, reader, writer)
}

/// Writes what waits until there is only the goodbye left, or the connection breaks.
async fn write(queue: &ClientQueue, writer: &mut SealedWriter<OwnedWriteHalf>) -> Result<(), StreamError> {
    let mut batch = Vec::new();
    loop {
        // What an earlier, dropped call of this function left half-written goes first.
        writer.flush().await?;
        batch.clear();
        match queue.take(FRAME_BYTES, &mut batch) {
            Next::Nothing => queue.woken().await,
            Next::Send => writer.stage_batch(|out| out.extend_from_slice(&batch))?,
            Next::Close(_) => return Ok(()),
        }
    }
}

async fn goodbye(context: &ClientContext, mut writer: SealedWriter<OwnedWriteHalf>, code: Code) {
    let mut close = Close::from(code);
    if matches!(code, Code::Draining | Code::Busy | Code::Full) {
        close.proxies = context.other_proxies();
    }
    let _ = timeout(GOODBYE, writer.close(&close)).await;
}
