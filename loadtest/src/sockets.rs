//! The sockets of a thread's bots: a stream each, and datagrams through a socket each or through a few that they share.
//! Nothing here waits.
//!
//! A socket of one's own is read when its bot acts: what came for it changes nothing before, and one visit in place of
//! two halves what a bot costs. The kernel stamps what arrives, so no measured time depends on when it is read.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use client::{ConnectionId, DatagramPath};
use net::udp::{BATCH_DATAGRAMS, BatchSocket, Poller, Ready, SendBatch, StampedBatch};

/// Tokens of shared sockets begin here; below lie the places.
const SHARED: u64 = 1 << 40;
/// Datagrams of one bot that are read at once: in most worlds one comes between two of its inputs, and to ask in vain for
/// another costs half as much again.
pub(crate) const OWN_DATAGRAMS: usize = 1;
/// The longest nap, microseconds: words and bots that have logged in wake nobody.
const NAP_US_MAX: u64 = 25_000;
/// Sockets told ready at once at most.
const READY_MAX: usize = 256;

/// How many sockets carry a thread's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// One for each bot, as real clients have.
    Own,
    /// So many for all bots.
    Shared(u32),
}

impl Sharing {
    /// The part of one thread of `threads`, of `sockets` in the whole swarm.
    pub(crate) fn part(sockets: Option<u32>, thread: u32, threads: u32) -> Self {
        let Some(sockets) = sockets else { return Self::Own };
        let threads = threads.max(1);
        Self::Shared(sockets / threads + u32::from(thread < sockets % threads))
    }
}

/// A socket that has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The stream of the bot at this place.
    Stream(u32),
    /// A shared socket, by its number.
    Shared(usize),
}

struct SharedSocket {
    socket: BatchSocket,
    bound_to: SocketAddr,
    slot: u32,
    out: SendBatch,
}

/// Through which socket a bot's datagrams go.
enum Path {
    Own(BatchSocket),
    Shared {
        number: usize,
        proxy: SocketAddr,
        cid: ConnectionId,
    },
}

/// All sockets of one thread.
pub(crate) struct Sockets {
    poller: Poller,
    sharing: Sharing,
    /// By place.
    paths: Vec<Option<Path>>,
    shared: Vec<SharedSocket>,
    /// Which place a datagram on a shared socket is for.
    names: BTreeMap<ConnectionId, u32>,
}

impl Sockets {
    /// None yet, for so many places.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn new(places: usize, sharing: Sharing) -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            sharing,
            paths: (0..places).map(|_| None).collect(),
            shared: Vec::new(),
            names: BTreeMap::new(),
        })
    }

    /// A bot has a new connection. What it had before is closed.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn open(
        &mut self,
        place: u32,
        stream: BorrowedFd<'_>,
        path: Option<DatagramPath>,
    ) -> io::Result<()> {
        self.close(place);
        self.poller.add(stream, u64::from(place))?;
        let Some(path) = path else { return Ok(()) };
        let path = match self.sharing {
            Sharing::Own => {
                let socket = BatchSocket::bind_plain(path.local_address())?;
                // No way there for datagrams: then everything stays on the stream, as with real clients.
                if socket.connect(path.proxy).is_err() {
                    return Ok(());
                }
                socket.stamp_arrivals()?;
                Path::Own(socket)
            }
            Sharing::Shared(sockets) => {
                let number = self.shared(place % sockets.max(1), path.local_address())?;
                self.names.insert(path.cid, place);
                Path::Shared {
                    number,
                    proxy: path.proxy,
                    cid: path.cid,
                }
            }
        };
        if let Some(free) = self.paths.get_mut(place as usize) {
            *free = Some(path);
        }
        Ok(())
    }

    /// A bot has no connection any more.
    pub(crate) fn close(&mut self, place: u32) {
        let path = self.paths.get_mut(place as usize).and_then(Option::take);
        if let Some(Path::Shared { cid, .. }) = path {
            self.names.remove(&cid);
        }
    }

    /// The shared socket of this slot that reaches what is reached from `local`; there is one for each such address.
    fn shared(&mut self, slot: u32, local: SocketAddr) -> io::Result<usize> {
        let same = |shared: &SharedSocket| (shared.slot, shared.bound_to) == (slot, local);
        if let Some(number) = self.shared.iter().position(same) {
            return Ok(number);
        }
        let socket = BatchSocket::bind(local)?;
        socket.stamp_arrivals()?;
        let number = self.shared.len();
        self.poller.add(&socket, SHARED + number as u64)?;
        self.shared.push(SharedSocket {
            socket,
            bound_to: local,
            slot,
            out: SendBatch::default(),
        });
        Ok(number)
    }

    /// Sleeps from `now_us` until a socket that is read as soon as it has something has, or something is due.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn nap(&mut self, now_us: u64, due_us: Option<u64>) -> io::Result<()> {
        let nap_us = due_us.map_or(NAP_US_MAX, |due_us| due_us.saturating_sub(now_us).min(NAP_US_MAX));
        // A poller rounds up.
        self.poller
            .wait(Some(Duration::from_millis(nap_us / 1_000)))
            .map(drop)
    }

    /// Fills `out` with sockets that have something. Returns whether there may be more of them: what was not read is
    /// told again, and behind the others.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn waiting(&mut self, out: &mut Vec<Waiting>) -> io::Result<bool> {
        out.clear();
        for ready in self.poller.wait(Some(Duration::ZERO))? {
            out.push(match ready {
                Ready::Socket(token) if token >= SHARED => Waiting::Shared((token - SHARED) as usize),
                Ready::Socket(token) => Waiting::Stream(token as u32),
                Ready::Woken | Ready::Writable(_) => continue,
            });
        }
        Ok(out.len() >= READY_MAX)
    }

    /// Reads what has come first for a bot that has a socket of its own: how many datagrams.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn receive(&self, place: u32, batch: &mut StampedBatch<OWN_DATAGRAMS>) -> io::Result<usize> {
        match self.paths.get(place as usize) {
            Some(Some(Path::Own(socket))) => socket.recv_stamped(batch),
            _ => Ok(0),
        }
    }

    /// Reads a shared socket.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn receive_shared(
        &self,
        number: usize,
        batch: &mut StampedBatch<BATCH_DATAGRAMS>,
    ) -> io::Result<usize> {
        match self.shared.get(number) {
            Some(shared) => shared.socket.recv_stamped(batch),
            None => Ok(0),
        }
    }

    /// Whom a datagram on a shared socket is for.
    pub(crate) fn receiver(&self, datagram: &[u8]) -> Option<u32> {
        let cid = ConnectionId::of(datagram)?;
        self.names.get(&cid).copied()
    }

    /// Sends a datagram of the bot at `place`: at once from its own socket, with the next [`flush`](Self::flush) from a
    /// shared one. What the system does not take is lost, as datagrams may be.
    pub(crate) fn send(&mut self, place: u32, datagram: &[u8]) {
        match self.paths.get(place as usize) {
            Some(Some(Path::Own(socket))) => {
                let _ = socket.send(datagram);
            }
            Some(Some(Path::Shared { number, proxy, .. })) => {
                if let Some(shared) = self.shared.get_mut(*number) {
                    shared.out.push(*proxy, datagram);
                }
            }
            _ => {}
        }
    }

    /// Hands the kernel what waits at shared sockets.
    pub(crate) fn flush(&mut self) {
        for shared in self.shared.iter_mut().filter(|shared| !shared.out.is_empty()) {
            shared.out.flush(&shared.socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    struct Proxy {
        udp: std::net::UdpSocket,
        tcp: TcpListener,
    }

    impl Proxy {
        fn new() -> Self {
            let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            udp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            Self { udp, tcp }
        }

        fn path(&self, name: u8) -> DatagramPath {
            DatagramPath {
                proxy: self.udp.local_addr().unwrap(),
                cid: ConnectionId([name; 8]),
            }
        }

        /// Takes a datagram and sends it back to where it came from.
        fn echo(&self) -> (Vec<u8>, SocketAddr) {
            let mut datagram = [0; 1_200];
            let (length, from) = self.udp.recv_from(&mut datagram).unwrap();
            self.udp.send_to(&datagram[..length], from).unwrap();
            (datagram[..length].to_vec(), from)
        }
    }

    /// As an empty datagram of this name would begin.
    fn datagram(name: u8) -> Vec<u8> {
        use protocol::datagram::{DatagramHeader, DatagramKind};
        let header = DatagramHeader {
            phase: 0,
            kind: DatagramKind::Data,
            cid: ConnectionId([name; 8]),
            number: 1,
        };
        header.encode().into_iter().chain([0; 16]).collect()
    }

    fn wait(sockets: &mut Sockets) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for _ in 0..1_000 {
            sockets.waiting(&mut waiting).unwrap();
            if !waiting.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        waiting
    }

    fn opened(proxy: &Proxy, places: u32, sharing: Sharing) -> (Sockets, Vec<TcpStream>) {
        let mut sockets = Sockets::new(places as usize, sharing).unwrap();
        let address = proxy.tcp.local_addr().unwrap();
        let streams: Vec<TcpStream> = (0..places)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        for (place, stream) in (0..places).zip(&streams) {
            let path = proxy.path(place as u8 + 1);
            sockets.open(place, stream.as_fd(), Some(path)).unwrap();
        }
        (sockets, streams)
    }

    #[test]
    fn bots_with_sockets_of_their_own_come_from_different_addresses() {
        let proxy = Proxy::new();
        let (mut sockets, _streams) = opened(&proxy, 2, Sharing::Own);
        sockets.send(0, &datagram(1));
        let (_, first) = proxy.echo();
        let mut batch = StampedBatch::default();
        assert_eq!(sockets.receive(1, &mut batch).unwrap(), 0);
        while sockets.receive(0, &mut batch).unwrap() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(
            batch
                .datagrams_mut()
                .all(|(stamp, bytes)| stamp.is_some() && bytes == datagram(1))
        );
        sockets.send(1, &datagram(2));
        assert_ne!(proxy.echo().1, first);
    }

    #[test]
    fn a_bot_whose_datagrams_find_no_way_has_its_stream() {
        let proxy = Proxy::new();
        let mut sockets = Sockets::new(1, Sharing::Own).unwrap();
        let stream = TcpStream::connect(proxy.tcp.local_addr().unwrap()).unwrap();
        let path = DatagramPath {
            proxy: SocketAddr::from(([255; 4], 7_000)),
            ..proxy.path(1)
        };
        sockets.open(0, stream.as_fd(), Some(path)).unwrap();
        sockets.send(0, &datagram(1));
        let mut batch = StampedBatch::default();
        assert_eq!(sockets.receive(0, &mut batch).unwrap(), 0);
    }

    #[test]
    fn bots_that_share_a_socket_are_told_apart_by_name() {
        let proxy = Proxy::new();
        let (mut sockets, _streams) = opened(&proxy, 3, Sharing::Shared(1));
        for (place, name) in [(0, 1), (1, 2), (2, 3)] {
            sockets.send(place, &datagram(name));
        }
        sockets.flush();
        let from: Vec<SocketAddr> = (0..3).map(|_| proxy.echo().1).collect();
        assert!(from.iter().all(|other| *other == from[0]), "{from:?}");
        let mut batch = StampedBatch::default();
        let mut places = Vec::new();
        while places.len() < 3 {
            assert_eq!(wait(&mut sockets), [Waiting::Shared(0)]);
            sockets.receive_shared(0, &mut batch).unwrap();
            places.extend(
                batch
                    .datagrams_mut()
                    .map(|(_, datagram)| sockets.receiver(datagram)),
            );
        }
        assert_eq!(places, [Some(0), Some(1), Some(2)]);
        sockets.close(1);
        assert_eq!(sockets.receiver(&datagram(2)), None);
    }

    #[test]
    fn a_stream_that_can_be_read_is_told_by_its_place() {
        use std::io::Write as _;
        let proxy = Proxy::new();
        let (mut sockets, _streams) = opened(&proxy, 2, Sharing::Shared(2));
        let _first = proxy.tcp.accept().unwrap();
        let (mut second, _) = proxy.tcp.accept().unwrap();
        second.write_all(b"news").unwrap();
        assert_eq!(wait(&mut sockets), [Waiting::Stream(1)]);
    }

    #[test]
    fn sockets_are_dealt_out_to_threads() {
        let parts = |sockets, threads| {
            (0..threads)
                .map(|thread| Sharing::part(sockets, thread, threads))
                .collect::<Vec<_>>()
        };
        assert_eq!(parts(Some(5), 2), [Sharing::Shared(3), Sharing::Shared(2)]);
        assert_eq!(parts(None, 2), [Sharing::Own, Sharing::Own]);
    }
}
