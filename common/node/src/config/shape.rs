//! Which keys a process has, as its defaults show them.

use super::{Settings, known};
use serde_json::Value;
use std::collections::BTreeSet;

/// Dotted keys of tables and of values.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    tables: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of<S: Settings>() -> Self {
        let mut shape = Self::default();
        shape.collect("", &serde_json::to_value(S::default()).unwrap_or_default());
        shape
    }

    fn collect(&mut self, path: &str, value: &Value) {
        let Some(table) = value.as_object() else {
            self.values.insert(path.to_owned());
            return;
        };
        if !path.is_empty() {
            self.tables.insert(path.to_owned());
        }
        for (key, value) in table {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            self.collect(&path, value);
        }
    }

    pub(super) fn is_table(&self, key: &str) -> bool {
        self.tables.contains(key)
    }

    pub(super) fn is_value(&self, key: &str) -> bool {
        self.values.contains(key)
    }

    /// The role whose setting it is, when it is none of this process.
    pub(super) fn other_role(&self, key: &str) -> Option<&'static str> {
        let of_our_game = self.is_table(known::GAME) && key.starts_with(known::GAME);
        known::role_of(key).filter(|_| !of_our_game)
    }

    /// What to do about a key that does not exist.
    pub(super) fn help(&self, key: &str) -> String {
        let all = self.tables.iter().chain(&self.values).map(String::as_str);
        match topology::nearest(key, all).filter(|meant| *meant != key) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "correct or remove it; docs/settings.md and `regionmesh settings` list all".to_owned(),
        }
    }
}
