//! Datagrams: nothing that was not sealed opens, and headers survive being written again.

use protocol::datagram::{ConnectionId, DATAGRAM_HEADER_BYTES, DatagramHeader, DatagramOpener};
use protocol::keys::{DatagramSecret, Direction, Prk};

/// One datagram, to a session whose connection id it names.
pub(crate) fn datagram(data: &[u8]) {
    let cid = ConnectionId::of(data).unwrap_or_default();
    if let Ok(header) = DatagramHeader::parse(data) {
        assert_eq!(
            Some(header.encode().as_slice()),
            data.get(..DATAGRAM_HEADER_BYTES)
        );
    }
    let prk = Prk::extract(&[1; 32], b"golden");
    let secret = DatagramSecret::new(&prk, Direction::InitiatorToResponder);
    let mut opener = DatagramOpener::new(secret, cid, 0);
    let mut bytes = data.to_vec();
    if let Ok(opened) = opener.open(&mut bytes, 0) {
        let number = opened.number;
        assert!(opened.is_newest, "the first is the newest");
        assert!(
            opener.open(&mut data.to_vec(), 0).is_err(),
            "{number} opened twice"
        );
    }
}
