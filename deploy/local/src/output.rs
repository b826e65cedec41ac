//! Where the lines of children go: to the terminal behind the node's name, or to a file for each node.

use protocol::ShownLines;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A longer line is shown in pieces.
const LINE_BYTES_MAX: u64 = 16 * 1024;
const NAME_WIDTH: usize = 8;
/// Readable on dark and on light terminals.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];

/// Where the lines of children go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// This process's standard output and error, each line behind its node's name.
    Terminal,
    /// `NAME.log` in this folder, appended to.
    Files(PathBuf),
}

/// Which stream of a child a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
}

/// The last line that a child wrote, for the sentence about its end.
pub(crate) type LastLine = Arc<Mutex<String>>;

impl Output {
    /// A line of the cluster itself, not of a child.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Terminal => program::note(format_args!("{}{line}", prefix("cluster", Stream::Error))),
            Self::Files(_) => {
                // What cannot be told must not end what it tells of.
                let _ = self
                    .file("cluster")
                    .and_then(|mut file| write_line(&mut file, line));
            }
        }
    }

    /// Carries lines from `source` until it ends, from a thread of its own.
    pub(crate) fn pump(
        &self,
        name: &str,
        stream: Stream,
        source: impl Read + Send + 'static,
        last: LastLine,
    ) -> io::Result<JoinHandle<()>> {
        let mut sink: Box<dyn FnMut(&str) + Send> = match self {
            Self::Terminal => {
                let prefix = prefix(name, stream);
                Box::new(move |line| match stream {
                    Stream::Out => program::say(format_args!("{prefix}{line}")),
                    Stream::Error => program::note(format_args!("{prefix}{line}")),
                })
            }
            Self::Files(_) => {
                let mut file = self.file(name)?;
                Box::new(move |line| {
                    let _ = write_line(&mut file, line);
                })
            }
        };
        let carry = move || {
            let mut source = BufReader::new(source);
            // Reading goes on when writing fails: a child must not block on a full pipe.
            while let Ok(Some(line)) = next_line(&mut source) {
                sink(&line);
                if !line.is_empty() {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            }
        };
        std::thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn(carry)
    }

    fn file(&self, name: &str) -> io::Result<File> {
        let Self::Files(folder) = self else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        std::fs::create_dir_all(folder)?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.log")))
    }
}

/// The next line without its end, at most `LINE_BYTES_MAX` of it; bytes that are no text are replaced, and what would act
/// on a terminal is escaped.
fn next_line(source: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if source.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&bytes);
    Ok(Some(ShownLines(line.trim_end()).to_string()))
}

/// One write for the whole line, so that lines of several children never mix.
fn write_line(file: &mut File, line: &str) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}

fn prefix(name: &str, stream: Stream) -> String {
    let terminal = match stream {
        Stream::Out => io::stdout().is_terminal(),
        Stream::Error => io::stderr().is_terminal(),
    };
    let padded = format!("{name:NAME_WIDTH$} | ");
    if !terminal || std::env::var_os("NO_COLOR").is_some() {
        return padded;
    }
    let sum: usize = name.bytes().map(usize::from).sum();
    let colour = COLOURS.get(sum % COLOURS.len()).unwrap_or(&36);
    format!("\u{1b}[{colour}m{padded}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_carried_whole_in_pieces_and_with_what_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::Files(folder.path().to_owned());
        let long = "x".repeat(LINE_BYTES_MAX as usize + 3);
        let source = [b"one\r\n\xff\n", long.as_bytes(), b"\nerror: the end\n\n"].concat();
        let last = LastLine::default();
        output
            .pump("gs", Stream::Out, io::Cursor::new(source), last.clone())
            .unwrap()
            .join()
            .unwrap();
        let text = std::fs::read_to_string(folder.path().join("gs.log")).unwrap();
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lines, [3, 3, LINE_BYTES_MAX as usize, 3, 14, 0]);
        assert_eq!(*last.lock().unwrap(), "error: the end");
    }
}
