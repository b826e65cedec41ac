//! One connection from its first frame until a shard has it: the handshake, and then everything that the shard needs of it.
//! Nothing of the connection stays here.

use std::net::IpAddr;
use std::os::fd::AsFd;

use bytes::Bytes;
use net::link_core::Sealed;
use net::sealed_stream::RawStream;
use nix::sys::socket::{setsockopt, sockopt};
use protocol::client_handshake::EstablishedClient;
use protocol::frame::{FrameOpener, FrameSealer};
use protocol::ids::RegionNumber;
use protocol::limits::{CLIENT_RECORD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};

use super::arrivals::{Caller, Secrecy};
use super::client_context::ClientContext;
use super::client_login::{self, LoggedIn};
use super::handshake_permits::HandshakePermit;
use super::mailbox::{HandedClient, Order};
use crate::edge::Admission;
use crate::shard::Arrival;

/// A client that vanished without a word is noticed by the kernel after this, milliseconds.
const SILENCE_MS: u32 = 20_000;

/// Lets one client in, or not.
pub(super) async fn let_in(
    context: &ClientContext,
    stream: RawStream,
    (caller, secrecy): (Caller, Secrecy),
    permit: HandshakePermit,
) {
    notice_silence(stream.io());
    match client_login::log_in(context, stream, (caller, secrecy), &permit).await {
        Ok(logged_in) => hand_over(context, logged_in, caller.from.ip(), permit),
        Err(error) => {
            context.refusals.count(error.label());
            tracing::debug!(from = %caller.from, %error, "no session");
        }
    }
}

/// Half-open connections must not be kept for ever. A kernel that does not know an option keeps its default.
pub(super) fn notice_silence(io: &impl AsFd) {
    let seconds = SILENCE_MS / 1000;
    let _ = setsockopt(io, sockopt::KeepAlive, &true);
    let _ = setsockopt(io, sockopt::TcpKeepIdle, &(seconds / 2));
    let _ = setsockopt(io, sockopt::TcpKeepInterval, &(seconds / 4));
    let _ = setsockopt(io, sockopt::TcpKeepCount, &2);
    let _ = setsockopt(io, sockopt::TcpUserTimeout, &SILENCE_MS);
}

fn hand_over(context: &ClientContext, logged_in: LoggedIn, from: IpAddr, permit: HandshakePermit) {
    let LoggedIn {
        stream,
        granted,
        request,
        established,
        cid,
        shard,
    } = logged_in;
    let EstablishedClient {
        client_to_proxy,
        proxy_to_client,
        datagrams_to_proxy,
        datagrams_to_client,
        ..
    } = established;
    // A connection that is gone already needs no session.
    let Ok((socket, decoder)) = stream.into_parts() else {
        return;
    };
    let mut opener = FrameOpener::new(client_to_proxy);
    opener.establish(CLIENT_RECORD_BYTES_MAX);
    let sealer = FrameSealer::new(proxy_to_client, FRAME_PAYLOAD_BYTES_MAX, context.clock.now_ms());
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
    let arrival = Arrival {
        id: context.ids.next(),
        sealing: Sealed::new(decoder, opener, sealer),
        admission: Box::new(admission),
        claims,
        from,
    };
    let client = HandedClient {
        socket,
        arrival,
        permit,
    };
    context.tell(shard, Order::Client(Box::new(client)));
    // What was read since it was let in was told to the shard before it came there.
    if let Err(barred) = context.check_sanctions(&claims, from) {
        context.bar(&claims, &barred);
    }
}
