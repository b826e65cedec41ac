//! A client's datagrams: opening what comes, answering path questions, sealing snapshots to the validated address.

use std::net::SocketAddr;

use protocol::Entropy;
use protocol::datagram::{
    ConnectionId, DatagramKind, DatagramOpener, DatagramSealer, PathEffect, PathValidator,
};
use protocol::keys::DatagramSecret;

use super::effect::DatagramSink;

/// Both directions of one session's datagrams.
pub(super) struct ClientPath {
    opener: DatagramOpener,
    sealer: DatagramSealer,
    validator: PathValidator,
}

/// What an authentic datagram was.
pub(super) enum Arrived<'a> {
    /// An input.
    Data(&'a [u8]),
    /// A matter of the path, dealt with.
    Handled,
}

impl ClientPath {
    pub(super) fn new(
        cid: [u8; 8],
        to_proxy: DatagramSecret,
        to_client: DatagramSecret,
        now_ms: u64,
    ) -> Self {
        let cid = ConnectionId(cid);
        Self {
            opener: DatagramOpener::new(to_proxy, cid, now_ms),
            sealer: DatagramSealer::new(to_client, cid, now_ms),
            validator: PathValidator::default(),
        }
    }

    /// Opens a datagram in place. The error is a label for metrics: nothing is answered.
    pub(super) fn open<'a>(
        &mut self,
        from: SocketAddr,
        datagram: &'a mut [u8],
        now_ms: u64,
        entropy: &mut dyn Entropy,
        sink: &mut dyn DatagramSink,
    ) -> Result<Arrived<'a>, &'static str> {
        let opened = self
            .opener
            .open(datagram, now_ms)
            .map_err(|error| error.label())?;
        if let PathEffect::Challenge { to, token } =
            self.validator.handle_datagram(from, &opened, now_ms, entropy)
        {
            let mut challenge = Vec::new();
            let sealed = self
                .sealer
                .seal_onto(DatagramKind::Challenge, &token.0, &mut challenge, now_ms);
            if sealed.is_ok() {
                sink.send(to, &challenge);
            }
        }
        match opened.kind {
            DatagramKind::Data => Ok(Arrived::Data(opened.plain)),
            DatagramKind::Bind | DatagramKind::Challenge | DatagramKind::Response => Ok(Arrived::Handled),
        }
    }

    /// Where snapshots go; `None` until an address has answered.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.validator.address()
    }

    /// Seals what stands in `buffer` behind room for a header, and sends it.
    pub(super) fn seal_and_send(&mut self, buffer: &mut Vec<u8>, now_ms: u64, sink: &mut dyn DatagramSink) {
        let Some(to) = self.address() else { return };
        if self.sealer.seal(DatagramKind::Data, buffer, 0, now_ms).is_ok() {
            sink.send(to, buffer);
        }
    }
}
