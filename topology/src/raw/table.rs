//! Reads typed values out of parsed TOML and notes what is missing, mistyped or unknown, instead of stopping at it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Key;
use super::value::{Node, wrong};
use crate::diagnostic::{At, Diagnostic};
use crate::{Code, suggest};

/// Reads one table.
pub(super) struct TableReader<'a, 'text> {
    table: &'a DeTable<'text>,
    span: Range<usize>,
    title: &'static str,
    keys: &'static [Key],
    mistakes: &'a mut Vec<Diagnostic>,
}

impl<'a, 'text> TableReader<'a, 'text> {
    pub(super) fn new(
        table: &'a DeTable<'text>,
        span: Range<usize>,
        title: &'static str,
        keys: &'static [Key],
        mistakes: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            table,
            span,
            title,
            keys,
            mistakes,
        }
    }

    /// Where the table begins.
    pub(super) fn header(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: fn(Node<'_, '_>) -> Result<T, Diagnostic>,
    ) -> Option<At<T>> {
        if self.table.get(name).is_none() {
            self.note_missing(name);
        }
        self.optional(name, read)
    }

    /// The value of a key that may be there.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: fn(Node<'_, '_>) -> Result<T, Diagnostic>,
    ) -> Option<At<T>> {
        let value = self.table.get(name)?;
        match read(Node { name, value }) {
            Ok(read) => Some(At::new(read, value.span())),
            Err(mistake) => {
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// A table that must be there.
    pub(super) fn required_table<T>(
        &mut self,
        name: &'static str,
        title: &'static str,
        keys: &'static [Key],
        read: fn(&mut TableReader<'_, 'text>) -> T,
    ) -> Option<T> {
        if self.table.get(name).is_none() {
            self.note_missing(name);
        }
        self.table(name, title, keys, read)
    }

    /// A table that may be there.
    pub(super) fn table<T>(
        &mut self,
        name: &'static str,
        title: &'static str,
        keys: &'static [Key],
        read: fn(&mut TableReader<'_, 'text>) -> T,
    ) -> Option<T> {
        let value = self.table.get(name)?;
        self.inner(value, title, keys, read)
    }

    /// Every table of an array of tables.
    pub(super) fn tables<T>(
        &mut self,
        name: &'static str,
        title: &'static str,
        keys: &'static [Key],
        read: fn(&mut TableReader<'_, 'text>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.table.get(name) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.mistakes.push(wrong(title, "tables", value));
            return Vec::new();
        };
        array
            .iter()
            .filter_map(|value| self.inner(value, title, keys, read))
            .collect()
    }

    /// Notes every key that the table does not have.
    pub(super) fn refuse_unknown(&mut self) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if self.keys.iter().any(|known| known.name == name) {
                continue;
            }
            let known = self.keys.iter().map(|known| known.name);
            let help = match suggest::nearest(name, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("{} has: {}", self.title, known.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("unknown key `{name}` in {}", self.title);
            self.mistakes.push(
                Diagnostic::new(Code::UnknownKey, message)
                    .at(&key.span(), "not a key of this table")
                    .help(help),
            );
        }
    }

    fn inner<T>(
        &mut self,
        value: &Spanned<DeValue<'text>>,
        title: &'static str,
        keys: &'static [Key],
        read: fn(&mut TableReader<'_, 'text>) -> T,
    ) -> Option<T> {
        let Some(table) = value.get_ref().as_table() else {
            self.mistakes.push(wrong(title, "a table", value));
            return None;
        };
        let mut reader = TableReader::new(table, value.span(), title, keys, self.mistakes);
        let read = read(&mut reader);
        reader.refuse_unknown();
        Some(read)
    }

    fn note_missing(&mut self, name: &'static str) {
        let example = self
            .keys
            .iter()
            .find(|key| key.name == name)
            .map_or(name, |key| key.example);
        self.mistakes.push(
            Diagnostic::new(Code::MissingKey, format!("`{name}` is missing in {}", self.title))
                .at(&self.span, "in this table")
                .help(format!("add it, for example: {example}")),
        );
    }
}
