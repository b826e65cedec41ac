//! One mistake in a topology file: what is wrong, where, and what to do about it.

use std::ops::Range;

use crate::Code;

/// A place in the file and what to say beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What to say beside it.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of mistake.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; the first place is the mistake itself, the others explain it.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: String,
    /// Line of the mistake, from 1.
    pub line: usize,
    /// Column of the mistake, in characters from 1.
    pub column: usize,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            labels: Vec::new(),
            help: String::new(),
            line: 1,
            column: 1,
        }
    }

    pub(crate) fn at(mut self, span: &Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span: span.clone(),
            text: text.into(),
        });
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Byte at which the mistake begins.
    pub(crate) fn start(&self) -> usize {
        self.labels.first().map_or(0, |label| label.span.start)
    }

    /// Counts line and column out of the text.
    pub(crate) fn locate(&mut self, text: &str) {
        let before = text.get(..self.start()).unwrap_or(text);
        self.line = before.matches('\n').count() + 1;
        self.column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    }
}

/// A value and the bytes of the file it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }
}
