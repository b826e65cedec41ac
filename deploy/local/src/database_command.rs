//! `regionmesh store` on a database: making its tables, a look at it, backup and restore.

use node::life::Exit;
use protocol::Shown;
use std::fmt::{Display, Write as _};
use std::path::Path;
use store::Reached;
use store::postgres::backup::{self, DatabaseBackupError, DatabaseCopy};
use store::postgres::{DatabaseReport, PostgresAddress, PostgresError, PostgresStore, logins};

/// Text to print, or an exit code and why.
pub(crate) type Said = Result<String, (Exit, String)>;

pub(crate) fn init(address: &str) -> Said {
    let address = PostgresAddress::parse(address).map_err(bad_input)?;
    let (_, schema) = logins::init(&address).map_err(|error| refusal(&error))?;
    let mut text = format!(
        "{address}: roles, tables and functions are there, schema version {schema}\nnow each node needs its login: regionmesh store grant NAME… --store {address} --topology FILE\n"
    );
    let report = PostgresStore::report(&address).map_err(|error| refusal(&error))?;
    for complaint in &report.complaints {
        let _ = writeln!(text, "before it is used: {complaint}");
    }
    Ok(text)
}

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

pub(crate) fn backup(address: &str, to: &Path) -> Said {
    let address = PostgresAddress::parse(address).map_err(bad_input)?;
    let copy = backup::backup(&address, to).map_err(|error| backup_refusal(&address, &error))?;
    Ok(format!(
        "{}: backup of {address}, {}\n",
        Shown(to.display()),
        describe_copy(&copy)
    ))
}

pub(crate) fn check_backup(file: &Path) -> Said {
    let copy = backup::look(file).map_err(|error| (Exit::Failed, error.to_string()))?;
    Ok(format!("{}: {}\n", Shown(file.display()), describe_copy(&copy)))
}

pub(crate) fn restore(file: &Path, address: &str, reached: &Reached) -> Said {
    let address = PostgresAddress::parse(address).map_err(bad_input)?;
    let restored = backup::restore(&address, file, reached);
    let (report, kept) = restored.map_err(|error| backup_refusal(&address, &error))?;
    let mut text = format!("{address}: {}\n", describe(&report));
    if let Some(kept) = kept {
        let _ = writeln!(
            text,
            "What was there is kept in the schema {kept} until you drop it: DROP SCHEMA {kept} CASCADE"
        );
    }
    Ok(text)
}

fn backup_refusal(address: &PostgresAddress, error: &DatabaseBackupError) -> (Exit, String) {
    match error {
        DatabaseBackupError::Database(error) => refusal(error),
        DatabaseBackupError::Store(error) => (Exit::Failed, format!("{address}: {error}")),
        DatabaseBackupError::Backup { .. } => (Exit::Failed, error.to_string()),
        error => (Exit::BadInput, format!("{address}: {error}")),
    }
}

fn describe_copy(copy: &DatabaseCopy) -> String {
    let rows = |name: &str| {
        copy.tables
            .iter()
            .find(|(table, _)| table == name)
            .map_or(0, |(_, rows)| *rows)
    };
    format!(
        "world {}, schema version {}, generation {}; {} players, {} holdings",
        copy.world,
        copy.schema,
        copy.generation,
        rows("player"),
        rows("holding"),
    )
}

pub(crate) fn bad_input(error: impl Display) -> (Exit, String) {
    (Exit::BadInput, error.to_string())
}

pub(crate) fn refusal(error: &PostgresError) -> (Exit, String) {
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
        "world {} of {}, schema version {}, generation {}; {} players, {} of them guests; {} holdings held, {} on the ground, {} in trades; {} creatures; in use by {}",
        report.world,
        cluster.as_deref().unwrap_or("nobody"),
        report.schema,
        report.generation,
        report.players,
        report.guests,
        report.held,
        report.on_ground,
        report.in_trades,
        report.creatures,
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
