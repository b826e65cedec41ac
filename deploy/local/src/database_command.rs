//! `regionmesh store` on a database: making its tables, and a look at it.

use node::life::Exit;
use std::fmt::Display;
use store::postgres::{DatabaseReport, PostgresAddress, PostgresError, PostgresStore};

/// Text to print, or an exit code and why.
type Said = Result<String, (Exit, String)>;

pub(crate) fn migrate(address: &str) -> Said {
    let address = PostgresAddress::parse(address).map_err(bad_input)?;
    let (from, to) = PostgresStore::migrate(&address).map_err(|error| refusal(&error))?;
    Ok(match from {
        0 => format!("{address}: prepared for a world, schema version {to}\n"),
        from if from == to => format!("{address}: schema version {to}, as this program needs it\n"),
        from => format!("{address}: brought from schema version {from} to {to}\n"),
    })
}

pub(crate) fn check(address: &str) -> Said {
    let address = PostgresAddress::parse(address).map_err(bad_input)?;
    let report = PostgresStore::report(&address).map_err(|error| refusal(&error))?;
    let text = format!("{address}: {}\n", describe(&report));
    if report.complaints.is_empty() {
        return Ok(text);
    }
    let complaints = report.complaints.join("\n  ");
    Err((Exit::Failed, format!("{text}  {complaints}")))
}

fn bad_input(error: impl Display) -> (Exit, String) {
    (Exit::BadInput, error.to_string())
}

fn refusal(error: &PostgresError) -> (Exit, String) {
    let exit = match error.may_pass() {
        true => Exit::Unreachable,
        false => Exit::BadInput,
    };
    (exit, error.to_string())
}

fn describe(report: &DatabaseReport) -> String {
    let cluster = report.cluster.map(|cluster| format!("cluster {cluster}"));
    let nodes: Vec<String> = report.nodes.iter().map(ToString::to_string).collect();
    format!(
        "world {} of {}, schema version {}, generation {}; {} players, {} of them guests; {} holdings held, {} on the ground; in use by {}",
        report.world,
        cluster.as_deref().unwrap_or("nobody"),
        report.schema,
        report.generation,
        report.players,
        report.guests,
        report.held,
        report.on_ground,
        list_or(&nodes, "nobody"),
    )
}

pub(crate) fn list_or(names: &[String], nobody: &str) -> impl Display {
    if names.is_empty() {
        nobody.to_owned()
    } else {
        format!("nodes {}", names.join(", "))
    }
}
