//! A client's datagrams: opening what comes, answering path questions, sealing snapshots to where it was found to be.

use protocol::Entropy;
use protocol::datagram::{
    ConnectionId, DatagramKind, DatagramOpener, DatagramSealer, PathEffect, PathValidator,
};
use protocol::keys::DatagramSecret;

use super::effect::{DatagramRoad, DatagramSink};

/// Both directions of one session's datagrams.
pub(super) struct ClientPath {
    opener: DatagramOpener,
    sealer: DatagramSealer,
    validator: PathValidator<DatagramRoad>,
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
        from: DatagramRoad,
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
                send(to, &challenge, sink);
            }
        }
        match opened.kind {
            DatagramKind::Data => Ok(Arrived::Data(opened.plain)),
            DatagramKind::Bind | DatagramKind::Challenge | DatagramKind::Response => Ok(Arrived::Handled),
        }
    }

    /// Where snapshots go; `None` until an address has answered.
    pub(super) fn road(&self) -> Option<DatagramRoad> {
        self.validator.address()
    }

    /// How long the plaintext of a datagram may be there, bytes.
    pub(super) fn plain_bytes_max(&self) -> usize {
        match self.road() {
            Some(DatagramRoad::Browser(_)) => DatagramSealer::BROWSER_PLAIN_BYTES_MAX,
            Some(DatagramRoad::Udp(_)) | None => DatagramSealer::PLAIN_BYTES_MAX,
        }
    }

    /// Seals what stands in `buffer` behind room for a header, and sends it.
    pub(super) fn seal_and_send(&mut self, buffer: &mut Vec<u8>, now_ms: u64, sink: &mut dyn DatagramSink) {
        let Some(to) = self.road() else { return };
        if self.sealer.seal(DatagramKind::Data, buffer, 0, now_ms).is_ok() {
            send(to, buffer, sink);
        }
    }
}

fn send(to: DatagramRoad, datagram: &[u8], sink: &mut dyn DatagramSink) {
    match to {
        DatagramRoad::Udp(address) => sink.send(address, datagram),
        DatagramRoad::Browser(browser) => sink.send_to_browser(browser, datagram),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::BrowserId;
    use protocol::datagram::BIND_PAYLOAD;
    use protocol::keys::{Direction, Prk};
    use protocol::limits::BROWSER_DATAGRAM_BYTES_MAX;

    struct Dice;

    impl Entropy for Dice {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// What was sent to whom.
    #[derive(Default)]
    struct Sent(Vec<(DatagramRoad, Vec<u8>)>);

    impl DatagramSink for Sent {
        fn send(&mut self, to: std::net::SocketAddr, datagram: &[u8]) {
            self.0.push((to.into(), datagram.to_vec()));
        }

        fn send_to_browser(&mut self, to: BrowserId, datagram: &[u8]) {
            self.0.push((DatagramRoad::Browser(to), datagram.to_vec()));
        }
    }

    // DG-10, DG-13, DG-18: the road of a browser is found out like any address, and takes less.
    #[test]
    fn a_browser_is_sent_data_once_it_has_answered_there_and_no_more_than_fits() {
        let prk = Prk::extract(&[0; 32], b"test");
        let secret = |direction| DatagramSecret::new(&prk, direction);
        let (up, down) = (Direction::InitiatorToResponder, Direction::ResponderToInitiator);
        let mut path = ClientPath::new([1; 8], secret(up), secret(down), 0);
        let mut client = DatagramSealer::new(secret(up), ConnectionId([1; 8]), 0);
        let mut opener = DatagramOpener::new(secret(down), ConnectionId([1; 8]), 0);
        let browser = DatagramRoad::Browser(BrowserId(5));
        let udp = DatagramRoad::Udp(([192, 0, 2, 1], 7).into());
        let mut now_ms = 10_000;
        for (road, bytes_max) in [
            (udp, DatagramSealer::PLAIN_BYTES_MAX),
            (browser, BROWSER_DATAGRAM_BYTES_MAX - 33),
            (udp, DatagramSealer::PLAIN_BYTES_MAX),
        ] {
            now_ms += 2_000;
            let before = path.road();
            let mut sent = Sent::default();
            let mut give = |kind, plain: &[u8], sent: &mut Sent| {
                let mut datagram = Vec::new();
                client.seal_onto(kind, plain, &mut datagram, now_ms).unwrap();
                let arrived = path.open(road, &mut datagram, now_ms, &mut Dice, sent);
                assert!(matches!(arrived, Ok(Arrived::Handled)));
            };
            give(DatagramKind::Bind, &BIND_PAYLOAD, &mut sent);
            let [(to, challenge)] = &mut sent.0[..] else {
                panic!("one challenge")
            };
            assert_eq!(*to, road);
            let token = opener.open(challenge, now_ms).unwrap().plain.to_vec();
            give(DatagramKind::Response, &token, &mut Sent::default());
            assert_eq!(path.road(), Some(road), "was {before:?}");
            assert_eq!(path.plain_bytes_max(), bytes_max);
            let mut buffer = Vec::new();
            DatagramSealer::begin(&mut buffer);
            buffer.resize(buffer.len() + bytes_max, 0);
            let mut sent = Sent::default();
            path.seal_and_send(&mut buffer, now_ms, &mut sent);
            let [(to, datagram)] = &sent.0[..] else {
                panic!("one datagram")
            };
            assert_eq!((*to, datagram.len()), (road, bytes_max + 33));
        }
    }
}
