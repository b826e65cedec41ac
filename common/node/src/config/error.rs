//! What an operator did wrong in the configuration, where, and what to do about it: all of it at once, as a compiler would.

use super::origin::Origin;
use annotate_snippets::{AnnotationKind, Group, Level, Origin as Place, Renderer, Snippet};
use protocol::Shown;
use std::fmt;
use std::ops::Range;

/// Mistakes shown before they are only counted.
const SHOWN_MAX: usize = 50;

/// One mistake and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) place: Where,
    pub(super) message: String,
    pub(super) help: String,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// These bytes of the file.
    File(Range<usize>),
    /// The file as a whole.
    WholeFile,
    /// A layer above it.
    Layer(Origin),
    /// In what nobody wrote.
    Nowhere,
}

/// The file as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: String,
}

/// The configuration cannot be used. The process exits with code 2. Displays as a report of all mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub(super) file: Text,
    pub(super) mistakes: Vec<Located>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.mistakes.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {noun} in the configuration")?;
        let renderer = Renderer::plain();
        for mistake in self.mistakes.iter().take(SHOWN_MAX) {
            write!(f, "\n\n{}", renderer.render(&[self.group(mistake)]))?;
        }
        match count.saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            hidden => write!(f, "\n\n… and {hidden} more"),
        }
    }
}

impl ConfigError {
    fn group<'a>(&'a self, mistake: &'a Located) -> Group<'a> {
        let title = Level::ERROR.primary_title(&mistake.message);
        let help = Level::HELP.message(&mistake.help);
        match &mistake.place {
            Where::File(span) if self.may_be_shown(span) => {
                let annotation = AnnotationKind::Primary.span(span.clone());
                let snippet = Snippet::source(&self.file.text).path(&self.file.name);
                title.element(snippet.annotation(annotation)).element(help)
            }
            Where::File(span) => {
                let (line, column) = place(&self.file.text, span.start);
                let place = Place::path(&self.file.name).line(line).char_column(column);
                title.element(place).element(help)
            }
            Where::WholeFile => title.element(Place::path(&self.file.name)).element(help),
            Where::Layer(origin) => title.element(Place::path(origin.to_string())).element(help),
            Where::Nowhere => title.element(help),
        }
    }

    /// Not a line that may hold a secret: reports end up in logs.
    fn may_be_shown(&self, span: &Range<usize>) -> bool {
        let (before, after) = self.file.text.split_at(span.start.min(self.file.text.len()));
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let end = span.start + after.find('\n').unwrap_or(after.len());
        let line = self.file.text.get(begin..end).unwrap_or_default();
        !super::print::SECRET_ENDINGS
            .iter()
            .any(|ending| line.contains(ending))
    }
}

/// Line and column from 1 of the byte at `offset`.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

impl Text {
    pub(super) fn new(path: &std::path::Path, text: String) -> Self {
        Self {
            name: Shown(path.display()).to_string(),
            text,
        }
    }
}
