//! How commands answer: what was asked for on standard output, why not on standard error, and the exit code of each.

use node::life::{Exit, Failure};
use protocol::ShownLines;
use std::io::IsTerminal;
use std::process::ExitCode;
use topology::Colour;

/// Colours only where somebody looks at a terminal and has not declined them.
pub(crate) fn colour(stream: &impl IsTerminal) -> Colour {
    if stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Colour::Ansi
    } else {
        Colour::Plain
    }
}

/// Prints what was asked for; a reader that goes away early has had enough.
pub(crate) fn printed(text: &str) -> ExitCode {
    match program::print(text) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => unprinted(&error),
    }
}

/// Why it was not printed.
pub(crate) fn unprinted(error: &std::io::Error) -> ExitCode {
    program::note(format_args!("error: cannot write to standard output: {error}"));
    Exit::Failed.into()
}

/// Says why not.
pub(crate) fn refused(failure: &Failure) -> ExitCode {
    program::note(format_args!("error: {}", ShownLines(&failure.message)));
    failure.exit.into()
}
