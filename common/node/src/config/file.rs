//! A configuration file, read strictly: types as written, unknown keys refused, every mistake with line and column.

use super::{ConfigError, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Text of the file and the line of each key in it.
pub(super) struct FileLayer {
    pub(super) text: String,
    pub(super) lines: BTreeMap<String, usize>,
}

pub(super) fn read<S: Settings>(path: &Path) -> Result<FileLayer, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let at = |error: &toml::de::Error| {
        let (line, column) = place(&text, error.span().map_or(0, |span| span.start));
        ConfigError::File {
            path: path.to_owned(),
            line,
            column,
            message: remedy(error.message()),
        }
    };
    toml::from_str::<S>(&text).map_err(|error| at(&error))?;
    let table = DeTable::parse(&text).map_err(|error| at(&error))?;
    let mut lines = BTreeMap::new();
    collect_lines(&text, "", table.get_ref(), &mut lines);
    Ok(FileLayer { text, lines })
}

/// Line and column from 1 of the byte at `offset`.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn remedy(message: &str) -> String {
    let message = message.trim_end();
    if message.starts_with("unknown field") {
        format!("{message}; correct or remove the key")
    } else if message.starts_with("invalid type") {
        format!("{message}; write the value in that type (numbers and booleans without quotes)")
    } else {
        message.replace('\n', ", ")
    }
}

fn collect_lines(text: &str, prefix: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        if let DeValue::Table(inner) = value.get_ref() {
            collect_lines(text, &path, inner, lines);
        } else {
            lines.insert(path, place(text, key.span().start).0);
        }
    }
}
