//! Log lines on their way out: whoever logs never waits for whoever reads (`program::Lines`), and what is dropped is
//! counted.

use program::Lines;
use std::io::{self, Write};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Counts lines that were dropped.
pub(super) const DROPPED: &str = "regionmesh_log_lines_dropped_total";

/// Puts lines in. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Lines);

impl LogWriter {
    /// Starts the thread that writes to `out`; it runs as long as the process.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        // In the log's own form, and behind what was kept.
        let dropped = |_: &Lines, lines| {
            tracing::warn!(lines, "log lines were dropped, since nobody had read the log");
        };
        Lines::start("log", out, dropped).map(Self)
    }

    /// Waits until everything is written, but not longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        self.0.flush(patience);
    }

    /// A whole line, newline included.
    pub(super) fn push(&self, line: &[u8]) {
        if !self.0.push(line) {
            metrics::counter!(DROPPED).increment(1);
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
