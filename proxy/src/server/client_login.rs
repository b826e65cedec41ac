//! One client's handshake, from its first byte to the welcome, the work with keys on threads of its own: silent towards
//! whoever has not shown a key, and over after five seconds, however it stands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use net::key_work::{KeyWorkLost, key_work};
use net::sealed_stream::{RawStream, StreamError};
use protocol::client_handshake::{
    ClientHandshakeError, Credentials, EstablishedClient, LoginRequest, Moving, PendingLogin, ProxyResponder,
    Refusal, Welcome, hello_refusal,
};
use protocol::frame::{FrameError, FrameType};
use protocol::limits::{CLIENT_HANDSHAKE_MS_MAX, CLIENT_HELLO_MS_MAX};
use protocol::{Code, limits};
use tokio::time::timeout;

use super::arrivals::{Caller, Secrecy};
use super::auth::{Granted, TurnedAway};
use super::client_context::{ClientContext, Door};
use super::directory::{ShardIndex, connection_id, shard_of};
use super::handshake_permits::HandshakePermit;

/// When a client that came too often may come again, milliseconds.
const RATE_RETRY_MS: u32 = 1_000;

/// When a ticket may be looked at again, which nobody can say whether it still counts, milliseconds.
const UNREAD_RETRY_MS: u32 = 5_000;

/// Of a password, or a token, that others may read.
pub(super) const SAID_OPENLY: &str =
    "passwords and tokens are taken over TLS, or on the machine of the proxy: come by https://";

/// Why a connection did not become a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// The client broke the handshake, or somebody in between did.
    #[error(transparent)]
    Handshake(#[from] ClientHandshakeError),
    /// A frame of it was refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It took too long.
    #[error("the handshake took too long")]
    TooLate,
    /// Its keys could not be worked with.
    #[error(transparent)]
    KeyWork(#[from] KeyWorkLost),
    /// It was told why not.
    #[error("turned away: {}", .0.text())]
    TurnedAway(Code),
}

impl LoginError {
    /// A fixed name for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Handshake(_) | Self::KeyWork(_) => "handshake",
            Self::Frame(_) | Self::Stream(StreamError::Frame(_)) => "handshake_frame",
            Self::Stream(StreamError::WebSocket(over)) => over.label(),
            Self::Stream(_) => "handshake_stream",
            Self::TooLate => "handshake_late",
            Self::TurnedAway(code) => turned_away_label(*code),
        }
    }
}

fn turned_away_label(code: Code) -> &'static str {
    match code {
        Code::Full => "login_full",
        Code::Elsewhere => "login_sent_on",
        Code::Draining => "login_draining",
        Code::RateLimited => "login_rate",
        Code::TicketExpired => "ticket_expired",
        Code::TicketInvalid => "ticket_invalid",
        Code::NameIllegal => "name_illegal",
        Code::Busy => "login_busy",
        Code::RoleDenied => "login_clear",
        Code::Banned => "login_banned",
        Code::Kicked => "ticket_kicked",
        _ => "login_refused",
    }
}

/// A client that is in.
pub(super) struct LoggedIn {
    pub(super) stream: RawStream,
    pub(super) granted: Granted,
    pub(super) request: LoginRequest,
    pub(super) established: EstablishedClient,
    pub(super) cid: [u8; 8],
    pub(super) shard: ShardIndex,
}

/// Does the whole handshake within its deadline.
pub(super) async fn log_in(
    context: &ClientContext,
    stream: RawStream,
    from: (Caller, Secrecy),
    permit: &HandshakePermit,
) -> Result<LoggedIn, LoginError> {
    let whole = Duration::from_millis(CLIENT_HANDSHAKE_MS_MAX);
    match timeout(whole, shake_hands(context, stream, from, permit)).await {
        Ok(result) => result,
        Err(_) => Err(LoginError::TooLate),
    }
}

async fn shake_hands(
    context: &ClientContext,
    mut stream: RawStream,
    (caller, secrecy): (Caller, Secrecy),
    permit: &HandshakePermit,
) -> Result<LoggedIn, LoginError> {
    let (door, responder) = greet(context, &mut stream, permit).await?;
    let door = &*door;
    let moving = responder.moving();
    permit.waits();
    let raw = stream.next_raw().await?;
    permit.heard();
    let c3 = door
        .key
        .open(raw, FrameType::ClientLogin, net::clock::wall_ms())?;
    let (request, pending) = key_work(move || responder.open_c3(&c3.payload)).await??;
    let (away, proxies) = match better_place(context, &request, moving, caller) {
        Some(place) => (Code::Elsewhere.into(), vec![place]),
        None => match admit(context, &request, (caller.from.ip(), secrecy)).await {
            Ok(granted) => return welcome(context, door, stream, (request, pending, granted)).await,
            Err(away) => (away, context.other_proxies()),
        },
    };
    let refusal = Refusal {
        code: away.code,
        retry_ms: away.retry_ms,
        reason: away.reason,
        proxies,
        wall_ms: net::clock::wall_ms(),
    };
    let p4 = pending.refuse(&refusal)?;
    send(&mut stream, door, FrameType::ProxyWelcome, &p4).await?;
    stream.finish().await;
    Err(LoginError::TurnedAway(away.code))
}

/// Where a newcomer is to go in place of a login, before anything is spent on it. A balancer knows better.
fn better_place(
    context: &ClientContext,
    request: &LoginRequest,
    moving: Moving,
    caller: Caller,
) -> Option<SocketAddr> {
    let is_new = !matches!(request.credentials, Credentials::Ticket { .. });
    let may_go = is_new && moving == Moving::Goes && !caller.is_balanced && !context.is_draining();
    may_go.then(|| context.better_place()).flatten()
}

/// C1 and P2. While authority keys are rotated there are two doors: the client's frame says which it knocks at.
async fn greet(
    context: &ClientContext,
    stream: &mut RawStream,
    permit: &HandshakePermit,
) -> Result<(Arc<Door>, ProxyResponder), LoginError> {
    let raw = timeout(Duration::from_millis(CLIENT_HELLO_MS_MAX), stream.next_raw())
        .await
        .map_err(|_| LoginError::TooLate)??;
    permit.heard();
    let wall_ms = net::clock::wall_ms();
    let mut refused = FrameError::Hmac;
    for door in context.doors.load_full().iter() {
        let c1 = match door.key.open(raw.clone(), FrameType::ClientHello, wall_ms) {
            Ok(c1) => c1,
            Err(error) => {
                refused = error;
                continue;
            }
        };
        if context.is_draining() {
            send(
                stream,
                door,
                FrameType::ProxyAnswer,
                &hello_refusal(Code::Draining),
            )
            .await?;
            stream.finish().await;
            return Err(LoginError::TurnedAway(Code::Draining));
        }
        let knocked_at = Arc::clone(door);
        let received = key_work(move || {
            ProxyResponder::receive_c1(&knocked_at.identity, &c1.payload, wall_ms, &mut node::OsEntropy)
        });
        return match received.await? {
            Ok((responder, p2)) => {
                send(stream, door, FrameType::ProxyAnswer, &p2).await?;
                Ok((Arc::clone(door), responder))
            }
            Err(error) => {
                if error == ClientHandshakeError::Version {
                    send(
                        stream,
                        door,
                        FrameType::ProxyAnswer,
                        &hello_refusal(Code::Version),
                    )
                    .await?;
                    stream.finish().await;
                }
                Err(error.into())
            }
        };
    }
    Err(refused.into())
}

/// Whether there is room, whether it is not too many at once, and who it is.
async fn admit(
    context: &ClientContext,
    request: &LoginRequest,
    (from, secrecy): (IpAddr, Secrecy),
) -> Result<Granted, TurnedAway> {
    if context.is_draining() {
        return Err(Code::Draining.into());
    }
    if request.attach_no.0 == 0 {
        return Err(Code::Protocol.into());
    }
    let is_secret = matches!(
        request.credentials,
        Credentials::Password { .. } | Credentials::Token { .. } | Credentials::Sealed { .. }
    );
    if is_secret && secrecy == Secrecy::Open {
        return Err(TurnedAway {
            reason: SAID_OPENLY.to_owned(),
            ..Code::RoleDenied.into()
        });
    }
    context.sanctions.check_network(from)?;
    let is_new = !matches!(request.credentials, Credentials::Ticket { .. });
    if !is_new && !context.sanctions.is_read() {
        // It would be renewed unchecked, over and over.
        return Err(TurnedAway {
            retry_ms: UNREAD_RETRY_MS,
            reason: "the store does not answer".to_owned(),
            ..Code::Busy.into()
        });
    }
    if is_new && context.is_full() {
        return Err(Code::Full.into());
    }
    if is_new && !context.take_login(from) {
        return Err(TurnedAway {
            retry_ms: RATE_RETRY_MS,
            ..Code::RateLimited.into()
        });
    }
    let granted = context.auth.login(request, net::clock::wall_ms()).await?;
    context.check_sanctions(&granted.claims, from)?;
    // A player whose connection broke may have a session here yet, which gives way to this one and frees its place.
    if !is_new && context.is_full() && !context.is_here(granted.claims.user).await {
        return Err(Code::Full.into());
    }
    Ok(granted)
}

async fn welcome(
    context: &ClientContext,
    door: &Door,
    mut stream: RawStream,
    (request, pending, granted): (LoginRequest, PendingLogin, Granted),
) -> Result<LoggedIn, LoginError> {
    let shard = shard_of(granted.claims.user, context.lanes);
    let cid = connection_id(shard).0;
    let reached = stream.io().local_addr().map_err(StreamError::from)?.ip();
    let welcome = Welcome {
        user: granted.claims.user,
        session: granted.claims.session,
        session_generation: granted.claims.session_generation,
        ticket: granted.ticket,
        datagram_cid: cid,
        datagram_address: context.datagram_address(shard, reached),
        proxies: context.other_proxies(),
        wall_ms: net::clock::wall_ms(),
    };
    let (p4, established) = pending.accept(&welcome)?;
    send(&mut stream, door, FrameType::ProxyWelcome, &p4).await?;
    Ok(LoggedIn {
        stream,
        granted,
        request,
        established,
        cid,
        shard,
    })
}

async fn send(
    stream: &mut RawStream,
    door: &Door,
    kind: FrameType,
    payload: &[u8],
) -> Result<(), LoginError> {
    let mut frame = Vec::with_capacity(payload.len() + limits::DATAGRAM_BYTES_MAX);
    door.key.seal(kind, payload, net::clock::wall_ms(), &mut frame)?;
    Ok(stream.write(&frame).await?)
}
