//! `regionmesh topology …`: checks topology files and explains what is wrong with them, draws and compares them, and prints
//! their schema: what the topology crate finds, printed. Signing and pushing is the authority's: `authority_command`.

use crate::answers::{colour, printed, refused, unprinted};
use crate::authority_command;
use crate::command_line::{CheckArguments, SizeArguments, TopologyCommand};
use crate::topology_file::{parsed, read};
use node::files;
use node::life::{Exit, Failure};
use protocol::Shown;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use topology::{Diagnostic, Difference, Load, NodeSize, PairSize, Size, Spread, UnitCosts};

/// A gigabit in bytes.
const BYTES_PER_GBIT: f64 = 125e6;
/// No table of unit costs is longer.
const COSTS_BYTES_MAX: usize = 64 * 1024;

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
        TopologyCommand::Size(arguments) => size(arguments).unwrap_or_else(|failure| refused(&failure)),
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

fn size(arguments: &SizeArguments) -> Result<ExitCode, Failure> {
    let (topology, _) = parsed(&arguments.file)?;
    let units = arguments
        .costs
        .as_deref()
        .map_or_else(|| Ok(UnitCosts::default()), unit_costs)?;
    let [width, height] = topology.world().size.map(|edge| edge as f32);
    if let Some(place) = arguments
        .at
        .iter()
        .find(|place| place.at.x >= width || place.at.y >= height)
    {
        return Err(Failure::bad_input(format!(
            "nobody gathers at {},{}: the world ends at {width},{height}",
            place.at.x, place.at.y
        )));
    }
    let load = Load {
        players: arguments.players,
        spread: Spread {
            gathered: arguments.gathered,
            at: arguments.at.clone(),
        },
        speed: arguments.speed,
        durable_hz: arguments.durable_hz,
        network: arguments.network * BYTES_PER_GBIT,
    };
    let size = Size::predict(&topology, &load, &units);
    let first = Size::first_full(&topology, &load, &units);
    if arguments.json {
        return Ok(printed(&format!(
            "{:#}\n",
            size_for_machines(&size, first.as_ref())
        )));
    }
    let first = first.map_or_else(
        || "nothing of it is ever full".to_owned(),
        |(what, players)| format!("first full: {what}, above {players} players"),
    );
    Ok(printed(&format!("{size}{first}\n")))
}

fn unit_costs(file: &Path) -> Result<UnitCosts, Failure> {
    let shown = Shown(file.display());
    let text = files::read_text(file, COSTS_BYTES_MAX)
        .map_err(|error| Failure::bad_input(format!("cannot read the unit costs {shown}: {error}")))?;
    UnitCosts::parse(&text).map_err(|error| Failure::bad_input(format!("{shown}: {error}")))
}

fn size_for_machines(size: &Size, first: Option<&(String, u32)>) -> Value {
    let nodes = |nodes: &[NodeSize]| -> Vec<Value> {
        let node = |node: &NodeSize| {
            json!({
                "name": node.name,
                "players": node.players,
                "cores": node.cores,
                "cores_max": node.cores_max,
                "bytes_in_s": node.bytes_in,
                "bytes_out_s": node.bytes_out,
            })
        };
        nodes.iter().map(node).collect()
    };
    let pair = |pair: &PairSize| json!({"from": pair.names[0], "to": pair.names[1], "bytes_s": pair.bytes});
    let share = |(what, share): &(String, f64)| json!({"what": what, "share": share});
    json!({
        "players": size.players,
        "visible": {"mean": size.visible[0], "most": size.visible[1]},
        "servers": nodes(&size.servers),
        "proxies": nodes(&size.proxies),
        "links": {"peers": size.links[0], "lanes": size.links[1]},
        "pairs": size.pairs.iter().map(pair).collect::<Vec<_>>(),
        "store": {
            "rows_s": size.store.rows(),
            "crossings_s": size.store.crossings,
            "durable_s": size.store.durable,
            "soft_s": size.store.soft,
            "rows_max_s": size.store.rows_max,
        },
        "shares": size.shares.iter().map(share).collect::<Vec<_>>(),
        "first_full": first.map(|(what, players)| json!({"what": what, "players": players})),
        "unit_costs": size.machine,
    })
}

fn explain(code: &str) -> ExitCode {
    let Some(text) = topology::explain(code) else {
        return refused(&Failure::bad_input(format!(
            "there is no code `{code}`; codes look like RM0028"
        )));
    };
    printed(&format!("{}\n", text.trim_end()))
}
