//! Lines on their way out. Whoever says one never waits for whoever reads: lines are put into a bounded buffer, and a
//! thread of its own writes them. While nobody reads, lines are dropped and counted; the count is told when somebody reads
//! again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Puts lines in. Clones are one.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

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

impl Lines {
    /// Starts the thread of this name that writes to `out`; it runs as long as the process. `dropped` is told how many lines
    /// were, once what was kept before them is written.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(
        name: &str,
        out: impl Write + Send + 'static,
        dropped: impl Fn(&Self, u64) + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Self(Arc::default());
        let own = lines.clone();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || own.write_for_ever(out, dropped))?;
        Ok(lines)
    }

    /// A whole line, newline included. `false`: it is dropped, since nobody reads.
    pub fn push(&self, line: &[u8]) -> bool {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return false;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.wake.notify_one();
        }
        true
    }

    /// Waits until everything is written, but not longer than this.
    pub fn flush(&self, patience: Duration) {
        let until = Instant::now().checked_add(patience);
        let mut waiting = self.lock();
        while waiting.writing || !waiting.lines.is_empty() {
            let left = until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            let woken = self.0.idle.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, mut out: impl Write, told: impl Fn(&Self, u64)) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.lines.is_empty() {
                waiting.writing = false;
                self.0.idle.notify_all();
                waiting = self.0.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut waiting.lines, &mut lines);
            waiting.writing = true;
            let dropped = std::mem::take(&mut waiting.dropped);
            drop(waiting);
            // Lines that cannot be written must not end what they tell of.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            if dropped > 0 {
                told(self, dropped);
            }
        }
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
    fn whoever_speaks_never_waits_and_what_nobody_reads_is_dropped_and_told() {
        let ((began, begins), (read, may), (written, wrote)) = (channel(), channel(), channel());
        let tell = |lines: &Lines, dropped: u64| {
            lines.push(format!("{dropped} dropped\n").as_bytes());
        };
        let lines = Lines::start("lines", Gated { began, may, written }, tell).unwrap();
        let line = [b'x'; 1024];
        assert!(lines.push(&line));
        begins.recv_timeout(LONG).unwrap();
        // The first is under way to a reader that does not read. Of far more than fits this must come to an end by itself.
        let kept = (0..3_000).filter(|_| lines.push(&line)).count();
        let fit = WAITING_BYTES_MAX / line.len();
        assert_eq!(kept, fit);
        let began = Instant::now();
        lines.flush(Duration::from_millis(50));
        assert!(began.elapsed() < LONG, "not even the end waits for ever");
        for _ in 0..10 {
            read.send(()).unwrap();
        }
        lines.flush(LONG);
        lines.push(b"after\n");
        lines.flush(LONG);
        let all: Vec<u8> = wrote.try_iter().flatten().collect();
        let told = format!("{} dropped\nafter\n", 3_000 - fit);
        assert_eq!(
            all.len(),
            (1 + fit) * line.len() + told.len(),
            "nothing else is lost"
        );
        assert!(all.ends_with(told.as_bytes()));
    }
}
