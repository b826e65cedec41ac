//! A configuration file, read strictly: types as written, unknown keys refused, every mistake noted with its place.

use super::error::{Located, Text, Where, place};
use super::shape::Shape;
use super::{Settings, known};
use crate::files;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// No configuration of ours comes near it, bytes.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct FileLayer {
    pub(super) text: Text,
    /// The values that fit, as TOML again.
    pub(super) good: toml::Table,
    /// Where each key of ours stands.
    pub(super) keys: BTreeMap<String, Range<usize>>,
    /// Keys of other roles, whose, and their lines.
    pub(super) passed_over: Vec<(String, &'static str, usize)>,
    /// Whether it could be read at all, so that what is missing in it is missing.
    pub(super) is_read: bool,
}

impl FileLayer {
    /// The line of a key, from 1.
    pub(super) fn line_of(&self, key: &Range<usize>) -> usize {
        place(&self.text.text, key.start).0
    }
}

/// Reads a file; what is wrong with it is noted, and the rest is used.
pub(super) fn read<S: Settings>(path: &Path, shape: &Shape, mistakes: &mut Vec<Located>) -> FileLayer {
    let mut layer = FileLayer {
        text: Text::new(path, String::new()),
        ..FileLayer::default()
    };
    let text = match files::read_text(path, FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(Located {
                place: Where::WholeFile,
                message: format!("cannot read the configuration file: {error}"),
                help: "name an existing file with --config, or leave --config out".to_owned(),
            });
            return layer;
        }
    };
    layer.text.text.clone_from(&text);
    if let Some(mistake) = topology::text_mistake(&text) {
        mistakes.push(at(&mistake.span, mistake.message, mistake.help));
        return layer;
    }
    let (document, errors) = DeTable::parse_recoverable(&text);
    let syntax = |error: &toml::de::Error| {
        let message = error.message().trim_end().replace('\n', ", ");
        let help = "correct it; values of the file are not checked until it is valid TOML";
        at(&error.span().unwrap_or(0..0), &message, help)
    };
    mistakes.extend(errors.iter().map(syntax));
    if !errors.is_empty() {
        return layer;
    }
    let values: toml::Table = toml::from_str(&text).unwrap_or_default();
    layer.is_read = true;
    let mut reader = Reader::<S> {
        shape,
        layer: &mut layer,
        mistakes,
        settings: std::marker::PhantomData,
    };
    reader.table("", document.get_ref(), &values);
    // In the order of the file, which tables do not keep.
    mistakes.sort_by_key(|mistake| match &mistake.place {
        Where::File(span) => span.start,
        _ => usize::MAX,
    });
    layer
}

fn at(span: &Range<usize>, message: &str, help: &str) -> Located {
    Located {
        place: Where::File(span.clone()),
        message: message.to_owned(),
        help: help.to_owned(),
    }
}

struct Reader<'a, S> {
    shape: &'a Shape,
    layer: &'a mut FileLayer,
    mistakes: &'a mut Vec<Located>,
    settings: std::marker::PhantomData<S>,
}

impl<S: Settings> Reader<'_, S> {
    fn table(&mut self, path: &str, table: &DeTable<'_>, values: &toml::Table) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let dotted = match path {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            if let Some(plain) = values.get(name) {
                self.entry(&dotted, &key.span(), value, plain);
            }
        }
    }

    fn entry(&mut self, key: &str, span: &Range<usize>, value: &Spanned<DeValue<'_>>, plain: &Value) {
        let inner = value.get_ref().as_table().zip(plain.as_table());
        let is_table = self.shape.is_table(key) || (!key.contains('.') && known::is_table(key));
        match inner {
            Some((table, values)) if is_table => self.table(key, table, values),
            None if is_table => {
                let message = format!("`{key}` is a table");
                let help = format!("write [{key}] on a line of its own and its keys below");
                self.mistakes.push(at(span, &message, &help));
            }
            _ if self.shape.is_value(key) => self.value(key, span, &value.span(), plain),
            _ => match self.shape.other_role(key) {
                Some(role) => {
                    let line = self.layer.line_of(span);
                    self.layer.passed_over.push((key.to_owned(), role, line));
                }
                None => self
                    .mistakes
                    .push(at(span, &super::unknown(key), &self.shape.help(key))),
            },
        }
    }

    fn value(&mut self, key: &str, span: &Range<usize>, value_span: &Range<usize>, plain: &Value) {
        self.layer.keys.insert(key.to_owned(), span.clone());
        let nested = nested(key, plain);
        match Value::Table(nested.clone()).try_into::<S>() {
            Ok(_) => merge(&mut self.layer.good, nested),
            Err(error) => {
                let reason = error.message().lines().next().unwrap_or_default();
                let message = format!("`{key}` does not fit: {reason}");
                let help = "write the value in that type (numbers and booleans without quotes)";
                self.mistakes.push(at(value_span, &message, help));
            }
        }
    }
}

/// The value in the tables of its dotted key.
fn nested(key: &str, value: &Value) -> toml::Table {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let inner = match rest {
        Some(rest) => Value::Table(nested(rest, value)),
        None => value.clone(),
    };
    toml::Table::from_iter([(first.to_owned(), inner)])
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
