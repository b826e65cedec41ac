//! The baseline: plain blocking TCP, one writer, one reader each, nothing but bytes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// As much as a link's reader asks for at most.
const READ_BYTES: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Connected streams with a reader thread each.
pub(super) struct BareStreams {
    streams: Vec<TcpStream>,
    received: Arc<AtomicU64>,
    sent: u64,
}

impl BareStreams {
    pub(super) fn connect(count: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let received = Arc::new(AtomicU64::new(0));
        let mut streams = Vec::new();
        for _ in 0..count {
            let reader = TcpStream::connect(listener.local_addr()?)?;
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let (received, writer) = (Arc::clone(&received), std::thread::current());
            std::thread::Builder::new()
                .name("bare-reader".to_owned())
                .spawn(move || count_bytes(reader, &received, &writer))?;
            streams.push(stream);
        }
        Ok(Self {
            streams,
            received,
            sent: 0,
        })
    }

    /// Sends `bytes` over each stream in writes of `portion`, at most `window` bytes of each under way. To be called on
    /// the thread that connected.
    pub(super) fn publish(&mut self, portion: usize, bytes: u64, window: u64) -> anyhow::Result<()> {
        let buffer = vec![7; portion.max(1)];
        let streams = self.streams.len() as u64;
        let mut written = 0;
        while written < bytes {
            let now = (bytes - written).min(buffer.len() as u64);
            let under_way = (self.sent + now * streams).saturating_sub(window * streams);
            self.wait_for(under_way)?;
            for stream in &mut self.streams {
                stream.write_all(buffer.get(..now as usize).unwrap_or_default())?;
            }
            self.sent += now * streams;
            written += now;
        }
        self.wait_for(self.sent)
    }

    fn wait_for(&self, bytes: u64) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.received.load(Ordering::Acquire) < bytes {
            if since.elapsed() > PATIENCE {
                bail!("bare TCP lost bytes");
            }
            std::thread::park_timeout(PATIENCE);
        }
        Ok(())
    }
}

/// Reads until the end, and tells the writer of everything that comes.
pub(crate) fn count_bytes(mut stream: TcpStream, received: &AtomicU64, writer: &Thread) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            return;
        }
        received.fetch_add(count as u64, Ordering::Release);
        writer.unpark();
    }
}
