//! `regionmesh store`: backup, check and restore of the store's file. What a database needs is `database_command`'s.

use crate::command_line::{BackupArguments, CheckStoreArguments, RestoreArguments, StoreCommand};
use crate::database_command::{self, Said, list_or};
use crate::{candidates_command, grant_command, prune_command};
use node::life::Exit;
use protocol::{Shown, ShownLines};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use store::postgres::backup as database_backup;
use store::sqlite::backup::{self, BackupError, StoreReport};
use store::{Reached, is_database};

pub(crate) fn run(command: &StoreCommand) -> ExitCode {
    let said = match command {
        StoreCommand::Backup(arguments) => backup(arguments),
        StoreCommand::Init(arguments) => database_command::init(&arguments.store),
        StoreCommand::Grant(arguments) => grant_command::run(arguments),
        StoreCommand::Topology(arguments) => candidates_command::run(arguments),
        StoreCommand::Migrate(arguments) => database_command::migrate(&arguments.store),
        StoreCommand::Check(arguments) => check(arguments),
        StoreCommand::Restore(arguments) => restore(arguments),
        StoreCommand::Prune(arguments) => prune_command::run(arguments),
    };
    match said {
        Ok(text) => crate::answers::printed(&text),
        Err((exit, text)) => {
            program::note(format_args!("error: {}", ShownLines(&text)));
            exit.into()
        }
    }
}

fn backup(arguments: &BackupArguments) -> Said {
    if is_database(&arguments.store) {
        return database_command::backup(&arguments.store.to_string_lossy(), &arguments.to);
    }
    let report = backup::backup(&arguments.store, &arguments.to).map_err(|error| refusal(&error))?;
    let (to, what) = (Shown(arguments.to.display()), describe(&report));
    Ok(format!("{to}: backup of {what}\n"))
}

fn restore(arguments: &RestoreArguments) -> Said {
    let reached = Reached {
        above: arguments.above,
        data: arguments.data.clone(),
    };
    if is_database(&arguments.store) {
        return database_command::restore(&arguments.backup, &arguments.store.to_string_lossy(), &reached);
    }
    let (report, kept) =
        backup::restore(&arguments.backup, &arguments.store, &reached).map_err(|error| refusal(&error))?;
    Ok(restored(&arguments.store, &report, kept.as_deref()))
}

fn check(arguments: &CheckStoreArguments) -> Said {
    if is_database(&arguments.file) {
        return database_command::check(&arguments.file.to_string_lossy());
    }
    if database_backup::is_backup(&arguments.file) {
        return database_command::check_backup(&arguments.file);
    }
    let report = backup::check(&arguments.file).map_err(|error| (Exit::BadInput, error.to_string()))?;
    let text = format!("{}: {}\n", Shown(arguments.file.display()), describe(&report));
    if report.complaints.is_empty() {
        return Ok(text);
    }
    let complaints = report.complaints.join("\n  ");
    Err((
        Exit::Failed,
        format!(
            "{text}  {complaints}\nThe store is damaged: end the nodes, and restore a backup with `regionmesh store restore`"
        ),
    ))
}

fn restored(store: &Path, report: &StoreReport, kept: Option<&Path>) -> String {
    let mut text = format!("{}: {}\n", Shown(store.display()), describe(report));
    if let Some(kept) = kept {
        let _ = writeln!(
            text,
            "What was there is kept in {} until you delete it.",
            Shown(kept.display())
        );
    }
    text
}

fn refusal(error: &BackupError) -> (Exit, String) {
    let exit = match error {
        BackupError::Damaged { .. } => Exit::Failed,
        _ => Exit::BadInput,
    };
    (exit, error.to_string())
}

fn describe(report: &StoreReport) -> String {
    let nobody = || "nobody".to_owned();
    let nodes: Vec<String> = report.nodes.iter().map(ToString::to_string).collect();
    format!(
        "world {} of cluster {}, generation {}, progress {} ({}); {} players, {} of them guests; {} holdings held, {} on the ground, {} in trades; {} creatures; \
         in use by {}",
        report.world,
        report.cluster.map_or_else(nobody, |cluster| cluster.to_string()),
        report.generation,
        report.progress,
        age(report.progress_ms),
        report.players,
        report.guests,
        report.held,
        report.on_ground,
        report.in_trades,
        report.creatures,
        list_or(&nodes, "nobody"),
    )
}

fn age(at_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    match at_ms {
        0 => "never".to_owned(),
        at_ms => format!("{} s ago", now_ms.saturating_sub(at_ms) / 1000),
    }
}
