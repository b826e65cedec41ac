//! `regionmesh topology …`: checks topology files and explains what is wrong with them, draws and compares them, and prints
//! their schema: what the topology crate finds, printed. Signing and pushing is the authority's: `authority_command`.

use crate::answers::{colour, printed, refused, unprinted};
use crate::authority_command;
use crate::command_line::{CheckArguments, TopologyCommand};
use crate::topology_file::{parsed, read};
use node::files;
use node::life::{Exit, Failure};
use protocol::Shown;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use topology::{Diagnostic, Difference};

pub(crate) fn run(command: &TopologyCommand) -> ExitCode {
    match command {
        TopologyCommand::Check(arguments) => check(arguments),
        TopologyCommand::Explain(arguments) => explain(&arguments.code),
        TopologyCommand::Render(arguments) => {
            render(&arguments.file, arguments.to.as_deref()).unwrap_or_else(|failure| refused(&failure))
        }
        TopologyCommand::Diff(arguments) => {
            diff(&arguments.before, &arguments.after).unwrap_or_else(|failure| refused(&failure))
        }
        TopologyCommand::Schema => printed(&topology::schema()),
        TopologyCommand::Sign(arguments) => authority_command::sign(arguments),
        TopologyCommand::Push(arguments) => authority_command::push(arguments),
    }
}

fn check(arguments: &CheckArguments) -> ExitCode {
    let file = &arguments.file;
    let text = match read(file) {
        Ok(text) => text,
        Err(failure) => return refused(&failure),
    };
    let name = Shown(file.display()).to_string();
    if arguments.json {
        return check_for_machines(&name, &text);
    }
    let checked = topology::check(&name, &text, colour(&std::io::stderr()));
    if checked.exit_code == 0 {
        return printed(&checked.report);
    }
    // The code says the same to whoever cannot read it.
    let _ = program::print_mistakes(checked.report);
    checked.exit_code.into()
}

/// On standard output either way: whoever asks for it reads it.
fn check_for_machines(name: &str, text: &str) -> ExitCode {
    let mistakes = topology::parse(name, text).err();
    let problems: Vec<_> = mistakes
        .iter()
        .flat_map(|mistakes| mistakes.diagnostics())
        .collect();
    let problem = |one: &Diagnostic| {
        json!({
            "code": one.code.to_string(),
            "severity": "error",
            "title": one.code.title(),
            "message": one.message,
            "file": name,
            "line": one.line,
            "column": one.column,
            "remedy": one.help,
        })
    };
    let problems: Vec<_> = problems.into_iter().map(problem).collect();
    let is_ok = problems.is_empty();
    let report = json!({"file": name, "ok": is_ok, "problems": problems});
    match (program::print(format!("{report:#}\n")), is_ok) {
        (Ok(()), true) => Exit::Ok.into(),
        (Ok(()), false) => Exit::BadInput.into(),
        (Err(error), _) => unprinted(&error),
    }
}

fn render(file: &Path, to: Option<&Path>) -> Result<ExitCode, Failure> {
    let (topology, _) = parsed(file)?;
    let svg = topology.to_svg();
    let Some(to) = to else { return Ok(printed(&svg)) };
    files::write(to, svg.as_bytes(), files::Access::Public).map_err(Failure::failed)?;
    Ok(printed(&format!("{}\n", Shown(to.display()))))
}

fn diff(before: &Path, after: &Path) -> Result<ExitCode, Failure> {
    let ((before, _), (after, _)) = (parsed(before)?, parsed(after)?);
    Ok(printed(&Difference::between(&before, &after).to_string()))
}

fn explain(code: &str) -> ExitCode {
    let Some(text) = topology::explain(code) else {
        return refused(&Failure::bad_input(format!(
            "there is no code `{code}`; codes look like RM0028"
        )));
    };
    printed(&format!("{}\n", text.trim_end()))
}
