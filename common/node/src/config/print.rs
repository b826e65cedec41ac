//! `--print-config`: every value that counts, where it came from, and no secret.

use super::{Loaded, Settings};
use serde_json::Value;

pub(super) const SECRET_ENDINGS: &[&str] = &["password", "secret", "token", "_key"];

/// One line per value: key, value as TOML writes it, and its origin behind `#`.
#[must_use]
pub fn print<S: Settings>(loaded: &Loaded<S>) -> String {
    let values = serde_json::to_value(&loaded.settings).unwrap_or_default();
    let mut lines = Vec::new();
    collect("", &values, &mut |key, value| {
        let origin = loaded
            .origins
            .get(key)
            .map_or_else(|| "default".to_owned(), ToString::to_string);
        let shown = if is_secret::<S>(key) {
            masked(value)
        } else {
            value.to_string()
        };
        lines.push(match value {
            Value::Null => format!("{key} is unset  # {origin}"),
            _ => format!("{key} = {shown}  # {origin}"),
        });
    });
    let passed_over = loaded.passed_over.iter();
    lines.extend(passed_over.map(|over| {
        format!(
            "# passed over: {} of a {}  # {}",
            over.key, over.role, over.origin
        )
    }));
    lines.join("\n") + "\n"
}

fn masked(value: &Value) -> String {
    match value.as_str() {
        Some("") => "\"\"".to_owned(),
        _ => "\"***\"".to_owned(),
    }
}

fn is_secret<S: Settings>(key: &str) -> bool {
    S::SECRETS.contains(&key) || SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending))
}

fn collect(path: &str, value: &Value, found: &mut dyn FnMut(&str, &Value)) {
    let Some(table) = value.as_object() else {
        return found(path, value);
    };
    for (key, value) in table {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        collect(&path, value, found);
    }
}
