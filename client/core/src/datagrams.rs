//! A connection's datagrams: both directions' keys, and whether anything carries them just now.

use protocol::datagram::{
    BIND_PAYLOAD, ClientPath, ConnectionId, DATAGRAM_OVERHEAD_BYTES, DatagramKind, DatagramOpener,
    DatagramSealer, Opened, Transport,
};

use crate::DatagramKeys;

/// See the module. `awake_ms` is the clock of the time in which the driver ran.
pub(super) struct ClientDatagrams {
    sealer: DatagramSealer,
    opener: DatagramOpener,
    /// `None` while nothing carries them.
    path: Option<ClientPath>,
}

impl ClientDatagrams {
    /// Something carries them, until somebody says otherwise.
    pub(super) fn new(keys: DatagramKeys, now_ms: u64, awake_ms: u64) -> Self {
        let cid = ConnectionId(keys.cid);
        Self {
            sealer: DatagramSealer::new(keys.to_proxy, cid, now_ms),
            opener: DatagramOpener::new(keys.to_client, cid, now_ms),
            path: Some(ClientPath::new(awake_ms)),
        }
    }

    /// Something carries them from now on, perhaps.
    pub(super) fn begin(&mut self, awake_ms: u64) {
        self.path = Some(ClientPath::new(awake_ms));
    }

    /// Nothing carries them.
    pub(super) fn end(&mut self) {
        self.path = None;
    }

    pub(super) fn transport(&self) -> Transport {
        self.path.as_ref().map_or(Transport::Tcp, ClientPath::transport)
    }

    /// Moves time: the BIND to send now, if one is due.
    pub(super) fn tick(&mut self, now_ms: u64, awake_ms: u64) -> Option<Vec<u8>> {
        let is_due = self.path.as_mut()?.tick(awake_ms);
        is_due
            .then(|| self.sealed(DatagramKind::Bind, &BIND_PAYLOAD, now_ms))
            .flatten()
    }

    /// What an authentic datagram says, decrypted in place; anything else is dropped.
    pub(super) fn open<'a>(&mut self, datagram: &'a mut [u8], now_ms: u64) -> Option<Opened<'a>> {
        self.opener.open(datagram, now_ms).ok()
    }

    /// The answer to a challenge, with which datagrams take over.
    pub(super) fn answer(&mut self, token: &[u8], now_ms: u64, awake_ms: u64) -> Option<Vec<u8>> {
        let response = self.sealed(DatagramKind::Response, token, now_ms)?;
        self.path.as_mut()?.handle_challenge(awake_ms);
        Some(response)
    }

    /// A snapshot came.
    pub(super) fn note_snapshot(&mut self, awake_ms: u64) {
        if let Some(path) = &mut self.path {
            path.handle_snapshot(awake_ms);
        }
    }

    /// A datagram with data of so many bytes, which `write` writes.
    pub(super) fn data(
        &mut self,
        bytes: usize,
        now_ms: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Vec<u8>> {
        let mut datagram = Vec::with_capacity(bytes + DATAGRAM_OVERHEAD_BYTES);
        let start = DatagramSealer::begin(&mut datagram);
        write(&mut datagram);
        let sealed = self.sealer.seal(DatagramKind::Data, &mut datagram, start, now_ms);
        sealed.is_ok().then_some(datagram)
    }

    fn sealed(&mut self, kind: DatagramKind, plain: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        let mut datagram = Vec::new();
        let sealed = self.sealer.seal_onto(kind, plain, &mut datagram, now_ms);
        sealed.is_ok().then_some(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attachment, ClientEffect, ClientEvent, Core, TICK_MS};
    use protocol::ids::AttachNo;
    use protocol::keys::{DatagramSecret, Direction, Prk};
    use protocol::message::client;
    use protocol::message::family::ClientToProxy;

    /// A client that is in the world, and the proxy's ends of its datagrams.
    struct Scene {
        core: Core,
        now_ms: u64,
        opener: DatagramOpener,
        sealer: DatagramSealer,
    }

    impl Scene {
        fn attached() -> Self {
            let prk = Prk::extract(&[0; 32], b"test");
            let secret = |direction| DatagramSecret::new(&prk, direction);
            let (up, down) = (Direction::InitiatorToResponder, Direction::ResponderToInitiator);
            let (cid, now_ms) = ([3; 8], 1_000);
            let mut core = Core::default();
            let keys = DatagramKeys {
                cid,
                to_proxy: secret(up),
                to_client: secret(down),
            };
            core.attached(
                Attachment {
                    attach_no: AttachNo(1),
                    signature: [0; 64],
                    datagrams: Some(keys),
                },
                now_ms,
            );
            core.datagrams_gone(now_ms);
            let world = client::World {
                width: 64,
                height: 64,
                cell_size: 32,
                view_rings: 1,
                tick_hz: 20,
                ..client::World::default()
            };
            core.handle_message(world.into(), now_ms);
            Self {
                core,
                now_ms,
                opener: DatagramOpener::new(secret(up), ConnectionId(cid), now_ms),
                sealer: DatagramSealer::new(secret(down), ConnectionId(cid), now_ms),
            }
        }

        /// What goes out: kinds of datagrams, and how many inputs by the stream.
        fn sent(&mut self) -> (Vec<DatagramKind>, usize) {
            let mut effects = Vec::new();
            self.core.take_effects(&mut effects);
            let (mut kinds, mut inputs) = (Vec::new(), 0);
            for effect in effects {
                match effect {
                    ClientEffect::Datagram(mut datagram) => {
                        kinds.push(self.opener.open(&mut datagram, self.now_ms).unwrap().kind);
                    }
                    ClientEffect::Stream(ClientToProxy::Input(_)) => inputs += 1,
                    ClientEffect::Stream(_) => {}
                }
            }
            (kinds, inputs)
        }

        fn runs(&mut self, ms: u64) {
            for _ in 0..ms / TICK_MS {
                self.now_ms += TICK_MS;
                self.core
                    .handle_message(client::Ping::default().into(), self.now_ms);
                self.core.tick(self.now_ms);
            }
        }

        fn challenged(&mut self) {
            let mut challenge = Vec::new();
            let sealed = self
                .sealer
                .seal_onto(DatagramKind::Challenge, &[8; 8], &mut challenge, self.now_ms);
            sealed.unwrap();
            self.core.handle_datagram(&mut challenge, self.now_ms);
        }

        fn transports(&mut self) -> Vec<Transport> {
            let events = std::iter::from_fn(|| self.core.next_event());
            let told = events.filter_map(|event| match event {
                ClientEvent::Transport(now) => Some(now),
                _ => None,
            });
            told.collect()
        }
    }

    #[test]
    fn without_a_way_no_datagram_is_sent_and_one_that_opens_is_tried_at_once() {
        let mut scene = Scene::attached();
        scene.runs(1_000);
        let (kinds, inputs) = scene.sent();
        assert!(kinds.is_empty() && inputs >= 9, "{kinds:?}, {inputs}");
        scene.core.datagrams_open();
        scene.runs(TICK_MS);
        assert_eq!(scene.sent().0, [DatagramKind::Bind]);
        scene.challenged();
        assert_eq!(scene.sent().0, [DatagramKind::Response]);
        scene
            .core
            .send_input(bytes::Bytes::from_static(b"e"), scene.now_ms);
        assert_eq!(scene.sent(), (vec![DatagramKind::Data], 0));
        assert_eq!(scene.transports(), [Transport::Tcp, Transport::Udp]);
    }

    #[test]
    fn one_that_is_gone_is_left_at_once_and_one_that_is_silent_within_seconds() {
        let mut scene = Scene::attached();
        scene.core.datagrams_open();
        scene.runs(TICK_MS);
        scene.challenged();
        scene.sent();
        scene.core.datagrams_gone(scene.now_ms);
        assert_eq!(scene.sent(), (Vec::new(), 1), "an input by the stream says so");
        assert_eq!(scene.transports().last(), Some(&Transport::Tcp));
        scene.runs(40_000);
        assert_eq!(scene.sent().0, [], "nothing carries datagrams");
        // The keys and numbers go on where they were.
        scene.core.datagrams_open();
        scene.runs(TICK_MS);
        scene.challenged();
        assert_eq!(scene.sent().0, [DatagramKind::Bind, DatagramKind::Response]);
        scene.runs(1_900);
        assert_eq!(scene.transports().last(), Some(&Transport::Udp));
        scene.runs(200);
        assert_eq!(scene.transports().last(), Some(&Transport::Tcp));
    }
}
