//! `regionmesh topology check` and `explain`: prints what the topology crate finds.

use crate::command_line::TopologyCommand;
use node::files;
use node::life::{Exit, Failure};
use protocol::{Shown, ShownLines};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use topology::Colour;

pub(crate) fn run(command: &TopologyCommand) -> ExitCode {
    match command {
        TopologyCommand::Check(arguments) => check(&arguments.file),
        TopologyCommand::Explain(arguments) => explain(&arguments.code),
    }
}

/// Colours only where somebody looks at a terminal and has not declined them.
pub(crate) fn colour(stream: &impl IsTerminal) -> Colour {
    if stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Colour::Ansi
    } else {
        Colour::Plain
    }
}

/// The text of a topology file: no more of it than a topology can have.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    files::read_text(file, topology::limits::FILE_BYTES_MAX).map_err(|error| {
        let file = Shown(file.display());
        Failure::bad_input(format!("cannot read the topology file {file}: {error}"))
    })
}

fn check(file: &Path) -> ExitCode {
    let text = match read(file) {
        Ok(text) => text,
        Err(failure) => return refuse(&failure.message),
    };
    let name = Shown(file.display()).to_string();
    let checked = topology::check(&name, &text, colour(&std::io::stderr()));
    if checked.exit_code == 0 {
        return printed(&checked.report);
    }
    // The code says the same to whoever cannot read it.
    let _ = program::print_mistakes(checked.report);
    checked.exit_code.into()
}

fn explain(code: &str) -> ExitCode {
    let Some(text) = topology::explain(code) else {
        return refuse(&format!("there is no code `{code}`; codes look like RM0028"));
    };
    printed(&format!("{}\n", text.trim_end()))
}

/// Prints what was asked for; a reader that goes away early has had enough.
pub(crate) fn printed(text: &str) -> ExitCode {
    match program::print(text) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            program::note(format_args!("error: cannot write to standard output: {error}"));
            Exit::Failed.into()
        }
    }
}

fn refuse(sentence: &str) -> ExitCode {
    program::note(format_args!("error: {}", ShownLines(sentence)));
    Exit::BadInput.into()
}
