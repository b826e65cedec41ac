//! What happened: a hash over all inputs and effects, and on demand the last events as text.

use std::collections::VecDeque;
use std::fmt::{self, Write};

/// Bytes of one line; what is longer tells nobody anything.
const LINE_BYTES_MAX: usize = 420;

/// Whether lines are kept: they cost more than the run itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// So many.
    Kept(usize),
    Dropped,
}

#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    lines_max: usize,
    buffer: Vec<u8>,
    text: String,
}

impl Trace {
    pub(crate) fn new(lines: Lines) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: VecDeque::new(),
            lines_max: match lines {
                Lines::Kept(max) => max,
                Lines::Dropped => 0,
            },
            buffer: Vec::new(),
            text: String::new(),
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.number(u64::from_le_bytes(word));
        }
        self.number(bytes.len() as u64);
    }

    /// Hashes what `encode` appends to the buffer it is given.
    pub(crate) fn encoded(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        encode(&mut buffer);
        self.bytes(&buffer);
        self.buffer = buffer;
    }

    /// Hashes a value by what its `Debug` writes.
    pub(crate) fn value(&mut self, value: &dyn fmt::Debug) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        // Writing into a string cannot fail.
        let _ = write!(text, "{value:?}");
        self.bytes(text.as_bytes());
        self.text = text;
    }

    /// Keeps a line, if lines are kept.
    pub(crate) fn line(&mut self, now_us: u64, text: impl FnOnce() -> String) {
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        let mut text = text();
        if text.len() > LINE_BYTES_MAX {
            let mut end = LINE_BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        self.lines
            .push_back(format!("{:>10.3} ms  {text}", now_us as f64 / 1000.0));
    }

    pub(crate) fn lines(self) -> Vec<String> {
        self.lines.into()
    }
}
