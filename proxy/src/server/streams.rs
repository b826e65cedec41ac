//! The TCP streams of one thread on one poller: read when something is there, written when something is sealed, and seen
//! off with their last words.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use net::stream_socket::StreamSocket;
use net::udp::{Interest, Poller, Ready};

use crate::edge::map::FastMap;

/// Bytes of one read that nobody looks at any more.
const DISCARD_BYTES: usize = 4 * 1024;

struct Stream {
    socket: StreamSocket,
    interest: Interest,
}

/// A stream that is over but for its last words, and for the peer to hear them.
struct Leaving {
    stream: Stream,
    bytes: Vec<u8>,
    written: usize,
    /// Whether the kernel has all of it, and the goodbye of the stream itself.
    is_out: bool,
    until_us: u64,
}

/// Whether a stream that is leaving still has something to wait for.
#[derive(PartialEq, Eq)]
enum Leave {
    Waits(Interest),
    Over,
}

/// See the module. Streams go by tokens of their owner's, which are never used again.
pub(super) struct Streams {
    poller: Poller,
    open: FastMap<u64, Stream>,
    leaving: BTreeMap<u64, Leaving>,
    ready: Vec<Ready>,
}

impl Streams {
    pub(super) fn new(poller: Poller) -> Self {
        Self {
            poller,
            open: FastMap::default(),
            leaving: BTreeMap::new(),
            ready: Vec::new(),
        }
    }

    pub(super) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Watches something beside the streams for arrivals.
    pub(super) fn watch(&self, other: impl AsFd, token: u64) -> io::Result<()> {
        self.poller.watch(other, token, Interest::Read)
    }

    pub(super) fn add(&mut self, token: u64, socket: StreamSocket) -> io::Result<()> {
        let interest = Interest::Read;
        self.poller.watch(&socket, token, interest)?;
        self.open.insert(token, Stream { socket, interest });
        Ok(())
    }

    /// Sleeps until something is ready or the time is over.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.ready.clear();
        self.ready.extend(self.poller.wait(Some(timeout))?);
        Ok(())
    }

    /// What is ready by the last wait; streams that are leaving have been seen to. Give it back by
    /// [`give_back`](Self::give_back), so that its memory is used again.
    pub(super) fn take_ready(&mut self) -> Vec<Ready> {
        let mut ready = std::mem::take(&mut self.ready);
        if !self.leaving.is_empty() {
            ready.retain(|event| match event {
                Ready::Socket(token) | Ready::Writable(token) => !self.see_off(*token),
                Ready::Woken => true,
            });
        }
        ready
    }

    pub(super) fn give_back(&mut self, mut ready: Vec<Ready>) {
        ready.clear();
        self.ready = ready;
    }

    /// Reads what is there; 0 when there is nothing now.
    pub(super) fn read(&mut self, token: u64, scratch: &mut [u8]) -> Result<usize, &'static str> {
        let Some(stream) = self.open.get_mut(&token) else {
            return Ok(0);
        };
        let read = stream.socket.read(scratch);
        // What is read may have to be answered at once, as pings of a WebSocket have.
        if stream.socket.has_unsent() && stream.interest == Interest::Read {
            self.write(token, &[])?;
        }
        read
    }

    /// Whether the next [`read`](Self::read) tells of something that no poller knows of.
    pub(super) fn has_more(&self, token: u64) -> bool {
        self.open
            .get(&token)
            .is_some_and(|stream| stream.socket.has_more())
    }

    /// Writes as much as the kernel takes now. What it does not take is told as [`Ready::Writable`] later.
    pub(super) fn write(&mut self, token: u64, bytes: &[u8]) -> Result<usize, &'static str> {
        let Some(stream) = self.open.get_mut(&token) else {
            return Ok(0);
        };
        let written = stream.socket.write(bytes)?;
        let interest = if written < bytes.len() || stream.socket.has_unsent() {
            Interest::ReadAndWrite
        } else {
            Interest::Read
        };
        stream.set(&self.poller, token, interest);
        Ok(written)
    }

    /// The stream is over: `last_words`, and what the stream says by itself, are written as far as the peer takes them until
    /// `until_us`. With nothing to say it closes at once.
    pub(super) fn leave(&mut self, token: u64, last_words: Vec<u8>, until_us: u64) {
        let Some(stream) = self.open.remove(&token) else {
            return;
        };
        if last_words.is_empty() && !stream.socket.has_goodbye() {
            return;
        }
        let leaving = Leaving {
            stream,
            bytes: last_words,
            written: 0,
            is_out: false,
            until_us,
        };
        self.leaving.insert(token, leaving);
        self.see_off(token);
    }

    /// Goes on with a stream that is leaving. Whether it is one.
    fn see_off(&mut self, token: u64) -> bool {
        let Some(leaving) = self.leaving.get_mut(&token) else {
            return false;
        };
        match leaving.go_on() {
            Leave::Waits(interest) => leaving.stream.set(&self.poller, token, interest),
            Leave::Over => drop(self.leaving.remove(&token)),
        }
        true
    }

    /// Closes streams whose time is over.
    pub(super) fn tick(&mut self, now_us: u64) {
        if !self.leaving.is_empty() {
            self.leaving.retain(|_, leaving| now_us < leaving.until_us);
        }
    }

    /// When to call [`tick`](Self::tick), microseconds.
    pub(super) fn due_us(&self) -> Option<u64> {
        self.leaving.values().map(|leaving| leaving.until_us).min()
    }

    /// Whether nobody is leaving any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.leaving.is_empty()
    }
}

impl Stream {
    fn set(&mut self, poller: &Poller, token: u64, interest: Interest) {
        if interest != self.interest && poller.change(&self.socket, token, interest).is_ok() {
            self.interest = interest;
        }
    }
}

impl Leaving {
    fn go_on(&mut self) -> Leave {
        let rest = self.bytes.get(self.written..).unwrap_or_default();
        if !rest.is_empty() {
            match self.stream.socket.write(rest) {
                Ok(written) => self.written += written,
                Err(_) => return Leave::Over,
            }
        }
        if self.written == self.bytes.len() && !self.is_out {
            match self.stream.socket.finish() {
                Ok(is_out) => self.is_out = is_out,
                Err(_) => return Leave::Over,
            }
        }
        // A connection that is closed with unread bytes is reset, and the last words with it: what the peer still says is
        // thrown away until it has heard them and closes too.
        match self.stream.socket.discard(&mut [0; DISCARD_BYTES]) {
            Err(_) => Leave::Over,
            Ok(_) if !self.is_out => Leave::Waits(Interest::ReadAndWrite),
            Ok(_) => Leave::Waits(Interest::Read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::websocket::{End, WebSocket};
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (Streams, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = StreamSocket::new(listener.accept().unwrap().0).unwrap();
        let mut streams = Streams::new(Poller::new().unwrap());
        streams.add(7, ours).unwrap();
        (streams, theirs)
    }

    /// Waits until `wanted` is ready; everything else is looked at and forgotten.
    fn wait_for(streams: &mut Streams, wanted: Ready) {
        for _ in 0..1_000 {
            streams.wait(Duration::from_millis(10)).unwrap();
            let ready = streams.take_ready();
            let found = ready.contains(&wanted);
            streams.give_back(ready);
            if found {
                return;
            }
        }
        panic!("never: {wanted:?}");
    }

    #[test]
    fn last_words_are_heard_by_a_peer_that_has_said_more_than_was_read() {
        let (mut streams, mut theirs) = pair();
        theirs.write_all(&[1; 100_000]).unwrap();
        wait_for(&mut streams, Ready::Socket(7));
        streams.leave(7, b"goodbye".to_vec(), u64::MAX);
        assert!(!streams.is_quiet());
        let hearing = std::thread::spawn(move || {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).map(|_| heard)
        });
        for _ in 0..1_000 {
            streams.wait(Duration::from_millis(10)).unwrap();
            let ready = streams.take_ready();
            assert_eq!(ready, [], "nobody else is bothered");
            streams.give_back(ready);
            if streams.is_quiet() {
                break;
            }
        }
        assert!(streams.is_quiet(), "it ends when the peer has heard them");
        assert_eq!(hearing.join().unwrap().unwrap(), b"goodbye");
    }

    #[test]
    fn a_peer_that_does_not_listen_is_cut_off_in_time_and_one_without_last_words_at_once() {
        let (mut streams, _theirs) = pair();
        streams.leave(7, vec![0; 64 << 20], 500);
        assert_eq!(streams.due_us(), Some(500));
        streams.tick(499);
        assert!(!streams.is_quiet());
        streams.tick(500);
        assert!(streams.is_quiet());
        let (mut other, mut theirs) = pair();
        other.leave(7, Vec::new(), u64::MAX);
        assert!(other.is_quiet());
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn who_breaks_the_framing_hears_the_code_of_the_close_behind_all_that_waits_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = StreamSocket::new(listener.accept().unwrap().0).unwrap();
        let mut streams = Streams::new(Poller::new().unwrap());
        let websocket = Box::new(WebSocket::new(End::Server));
        streams.add(7, ours.dressed(Some(websocket))).unwrap();
        let much = vec![0; 64 << 20];
        assert!(streams.write(7, &much).unwrap() < much.len());
        theirs.write_all(&[0xFF; 100_000]).unwrap();
        wait_for(&mut streams, Ready::Socket(7));
        assert_eq!(streams.read(7, &mut [0; 64]), Err("websocket_protocol"));
        streams.leave(7, Vec::new(), u64::MAX);
        let hearing = std::thread::spawn(move || {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).map(|_| heard)
        });
        for _ in 0..1_000 {
            streams.wait(Duration::from_millis(10)).unwrap();
            let ready = streams.take_ready();
            streams.give_back(ready);
            if streams.is_quiet() {
                break;
            }
        }
        assert!(streams.is_quiet());
        let heard = hearing.join().unwrap().unwrap();
        assert!(heard.ends_with(&[0x88, 2, 0x03, 0xEA]), "{} bytes", heard.len());
    }

    #[test]
    fn what_the_kernel_does_not_take_is_told_when_it_takes_more() {
        let (mut streams, mut theirs) = pair();
        let bytes = vec![0; 64 << 20];
        let written = streams.write(7, &bytes).unwrap();
        assert!(written < bytes.len());
        let reading = std::thread::spawn(move || {
            let mut heard = 0;
            let mut buffer = vec![0; 1 << 20];
            while let Ok(read) = theirs.read(&mut buffer)
                && read > 0
            {
                heard += read;
            }
            heard
        });
        let mut sent = written;
        while sent < bytes.len() {
            wait_for(&mut streams, Ready::Writable(7));
            sent += streams.write(7, &bytes[sent..]).unwrap();
        }
        assert_eq!(streams.write(8, b"nobody").unwrap(), 0);
        drop(streams);
        assert_eq!(reading.join().unwrap(), bytes.len());
    }
}
