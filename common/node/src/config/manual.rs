//! The manual of settings, as Markdown, from the settings themselves: nobody has to remember to write it.

use super::{Described, Field, Flag, Settings, TableDescription};
use serde_json::Value;
use std::fmt::Write as _;

/// Of a role: what it is called and its tables. `flags` are all that its command line has.
#[must_use]
pub fn role<S: Settings + Described>(title: &str, tables: &[&str], flags: &[Flag]) -> String {
    let defaults = serde_json::to_value(S::default()).unwrap_or_default();
    let mut page = format!("## {title}\n");
    for table in S::TABLES.iter().filter(|table| tables.contains(&table.name)) {
        page.push_str(&section(table, &defaults, flags));
    }
    page
}

fn section(table: &TableDescription, defaults: &Value, flags: &[Flag]) -> String {
    let mut page = format!(
        "\n### `[{}]`\n\n{}\n\n| key | takes | default | flag | meaning |\n|---|---|---|---|---|\n",
        table.name,
        table.what.trim()
    );
    for field in table.fields {
        let default = defaults.get(table.name).and_then(|table| table.get(field.name));
        let key = format!("{}.{}", table.name, field.name);
        let flag = flags
            .iter()
            .find(|flag| *flag.key == key)
            .map(|flag| format!("`{}`", flag.name));
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            field.name,
            takes(field),
            written(default.unwrap_or(&Value::Null)),
            flag.unwrap_or_default(),
            field.what.trim()
        );
    }
    page
}

fn takes(field: &Field) -> &'static str {
    match field.kind {
        "PathBuf" => "path",
        "SocketAddr" | "Option<SocketAddr>" => "address and port",
        "Option<IpAddr>" => "IP address",
        "Vec<String>" => "list of text",
        "bool" => "`true`, `false`",
        "u16" | "u32" | "u64" | "usize" => "whole number",
        "f64" => "number",
        "String" => "text",
        _ => "word",
    }
}

fn written(default: &Value) -> String {
    match default {
        Value::Null => "unset".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        value => format!("`{value}`"),
    }
}
