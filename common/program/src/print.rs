//! The one way to standard output and standard error. A line said while the program works never waits for its reader; the
//! result of a tool does. Neither fails because nobody wants it.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::sync::LazyLock;
use std::time::Duration;

use crate::Lines;

/// How long the end of a program waits for whoever reads its lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

struct Streams {
    out: Option<Lines>,
    error: Option<Lines>,
}

static STREAMS: LazyLock<Streams> = LazyLock::new(|| {
    let out = lines("stdout", io::stdout());
    // In a terminal both are one, and lines are to come in the order in which they were said.
    let error = if is_one_file() {
        out.clone()
    } else {
        lines("stderr", io::stderr())
    };
    Streams { out, error }
});

/// A line to standard output. It never waits: what nobody reads is dropped, and how much is told when somebody reads again.
pub fn say(line: impl fmt::Display) {
    push(STREAMS.out.as_ref(), io::stdout(), line);
}

/// A line to standard error, as [`say`].
pub fn note(line: impl fmt::Display) {
    push(STREAMS.error.as_ref(), io::stderr(), line);
}

/// A line to standard error that the next one is written over, on a terminal; otherwise as [`note`].
pub fn note_over(line: impl fmt::Display) {
    push_text(STREAMS.error.as_ref(), io::stderr(), &format!("{line}\r"));
}

/// The result of a tool, behind every line [said](say) before, to standard output: waits for as long as its reader takes. A reader
/// that has gone away has had enough, and that is no error.
///
/// # Errors
/// When it cannot be written, as to a full disk.
pub fn print(text: impl fmt::Display) -> io::Result<()> {
    print_to(STREAMS.out.as_ref(), io::stdout(), text)
}

/// A report of mistakes to standard error, as [`print()`]: it may be long, and its reader a pager.
///
/// # Errors
/// When it cannot be written.
pub fn print_mistakes(text: impl fmt::Display) -> io::Result<()> {
    print_to(STREAMS.error.as_ref(), io::stderr(), text)
}

/// Waits a second at most until every line has been read: the last thing that a program does.
pub fn flush() {
    for lines in [&STREAMS.out, &STREAMS.error].into_iter().flatten() {
        lines.flush(LAST_WORDS);
    }
}

fn print_to(lines: Option<&Lines>, mut out: impl Write, text: impl fmt::Display) -> io::Result<()> {
    if let Some(lines) = lines {
        lines.flush(Duration::MAX);
    }
    unless_gone(
        out.write_all(text.to_string().as_bytes())
            .and_then(|()| out.flush()),
    )
}

fn push(lines: Option<&Lines>, direct: impl Write, line: impl fmt::Display) {
    push_text(lines, direct, &format!("{line}\n"));
}

fn push_text(lines: Option<&Lines>, mut direct: impl Write, text: &str) {
    match lines {
        Some(lines) => drop(lines.push(text.as_bytes())),
        // There was no thread to be had: rather wait than say nothing.
        None => drop(direct.write_all(text.as_bytes())),
    }
}

fn lines(name: &str, out: impl Write + Send + 'static) -> Option<Lines> {
    let dropped = |lines: &Lines, count| {
        lines.push(format!("({count} lines were left out here, since nobody had read)\n").as_bytes());
    };
    Lines::start(name, out, dropped).ok()
}

fn is_one_file() -> bool {
    let place = |stream: io::Result<std::os::fd::OwnedFd>| {
        let file = File::from(stream.ok()?).metadata().ok()?;
        Some((file.dev(), file.ino()))
    };
    let [out, error] = [
        io::stdout().as_fd().try_clone_to_owned(),
        io::stderr().as_fd().try_clone_to_owned(),
    ]
    .map(place);
    out.is_some() && out == error
}

fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_no_error_and_a_full_disk_is() {
        let (gone, mut to_nobody) = io::pipe().unwrap();
        drop(gone);
        let written = to_nobody.write_all(b"x");
        assert_eq!(written.as_ref().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(unless_gone(written).is_ok());
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let error = unless_gone(full.write_all(b"x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
