//! What links carry beside cells, inputs and own states: heads of frames and of messages, and heartbeats. Their lengths are the wire
//! format's, with numbers as they are after some hours.

use protocol::frame::HEADER_BYTES;
use protocol::keys::TAG_BYTES;
use protocol::message::family::{BatchMessage as _, ServerToProxy, ServerToServer};
use protocol::message::node::{Heartbeat, Load, NodeLoad};
use protocol::message::subscription::{CellUpdates, TickEnd};
use protocol::node_handshake::LinkTerms;

/// Bytes of a frame beside the messages in it.
pub(super) const FRAME_BYTES: f64 = (HEADER_BYTES + TAG_BYTES) as f64;

/// Numbers as they are after some hours.
const EPOCH: u64 = 1_000;
const TICK: u64 = 1_000_000;
const WALL_MS: u64 = 1_800_000_000_000;
const MONO_US: u64 = 50_000_000_000;

/// Heartbeats that each end of a link sends per second.
pub(super) fn heartbeats_hz() -> f64 {
    1_000.0 / f64::from(LinkTerms::default().heartbeat_ms)
}

/// Bytes of the message that brings cells of a region, without the cells.
pub(super) fn updates_bytes() -> f64 {
    let updates = CellUpdates {
        region: 1,
        region_epoch: EPOCH,
        tick: TICK,
        server_time_ms: WALL_MS,
        cells: Vec::new(),
    };
    ServerToServer::from(updates).encoded_len() as f64
}

/// Bytes of the message that says to a proxy that a region's tick is over.
pub(super) fn tick_end_bytes() -> f64 {
    let end = TickEnd {
        region: 1,
        region_epoch: EPOCH,
        tick: TICK,
        server_time_ms: WALL_MS,
        outputs: 0,
        cells: 0,
    };
    ServerToProxy::from(end).encoded_len() as f64
}

/// Bytes of a heartbeat with its frame, from who knows the loads of so many proxies.
pub(super) fn heartbeat_bytes(proxies: usize) -> f64 {
    let load = Load {
        players: 1_000,
        players_max: 5_000,
        cpu_permille: 500,
        tick_p50_us: 1_000,
        tick_p99_us: 5_000,
    };
    let of_proxy = NodeLoad {
        node: 1_000,
        load: Some(load),
    };
    let heartbeat = Heartbeat {
        sent_at_us: MONO_US,
        echo_us: MONO_US,
        echo_held_us: 250_000,
        topology_version: 1,
        load: Some(load),
        proxies: vec![of_proxy; proxies],
        draining: false,
    };
    FRAME_BYTES + ServerToServer::from(heartbeat).encoded_len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_wire_format() {
        assert_eq!((FRAME_BYTES, heartbeats_hz()), (73.0, 2.0));
        assert_eq!((updates_bytes(), tick_end_bytes()), (18.0, 18.0));
        assert_eq!((heartbeat_bytes(0), heartbeat_bytes(2)), (112.0, 156.0));
    }
}
