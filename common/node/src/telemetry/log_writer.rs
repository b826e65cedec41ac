//! Log lines on their way out. Whoever logs never waits for whoever reads: lines are put into a bounded buffer and a
//! thread of their own writes them. While nobody reads, lines are dropped and counted; the count is told when somebody
//! reads again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Counts lines that were dropped.
pub(super) const DROPPED: &str = "regionmesh_log_lines_dropped_total";

/// Puts lines in. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    wake: Condvar,
    /// Everything is written.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    writing: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `out`; it runs as long as the process.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_for_ever(&writing, out))?;
        Ok(Self(shared))
    }

    /// Waits until everything is written, but not longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut waiting = self.0.lock();
        while waiting.writing || !waiting.lines.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.0.idle.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A whole line, newline included.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            drop(waiting);
            metrics::counter!(DROPPED).increment(1);
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.wake.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_for_ever(shared: &Shared, mut out: impl Write) {
    let mut lines = Vec::new();
    loop {
        let mut waiting = shared.lock();
        while waiting.lines.is_empty() {
            waiting.writing = false;
            shared.idle.notify_all();
            waiting = shared.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut waiting.lines, &mut lines);
        waiting.writing = true;
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        // A log that cannot be written must not end what it tells of.
        let _ = out.write_all(&lines).and_then(|()| out.flush());
        lines.clear();
        if dropped > 0 {
            // In the log's own form, and behind what was kept.
            tracing::warn!(
                lines = dropped,
                "log lines were dropped, since nobody had read the log"
            );
        }
    }
}

/// One line at a time: the formatter writes each event whole.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(20);

    /// Says that it is to write, and does so after a word from outside.
    struct Gated {
        began: Sender<()>,
        may: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            self.may.recv().map_err(io::Error::other)?;
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_never_waits_and_what_nobody_reads_is_dropped_and_counted() {
        let ((began, begins), (read, may), (written, wrote)) = (channel(), channel(), channel());
        let log = LogWriter::start(Gated { began, may, written }).unwrap();
        let line = [b'x'; 1024];
        log.push(&line);
        begins.recv_timeout(LONG).unwrap();
        // The first is under way to a reader that does not read. Of far more than fits this must come to an end by itself.
        for _ in 0..3_000 {
            log.push(&line);
        }
        let fit = WAITING_BYTES_MAX / line.len();
        assert_eq!(log.0.lock().dropped, 3_000 - fit as u64);
        let began = Instant::now();
        log.flush(Duration::from_millis(50));
        assert!(began.elapsed() < LONG, "not even the end waits for ever");
        for _ in 0..10 {
            read.send(()).unwrap();
        }
        log.flush(LONG);
        log.push(b"after\n");
        log.flush(LONG);
        let all: Vec<u8> = wrote.try_iter().flatten().collect();
        assert_eq!(all.len(), (1 + fit) * line.len() + 6, "nothing else is lost");
        assert!(all.ends_with(b"after\n"));
        assert_eq!(log.0.lock().dropped, 0, "the count was told");
    }
}
