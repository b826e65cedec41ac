//! What every program of ours has with whoever started it: lines that it prints, and signals that end it. Nobody waits
//! for a reader who does not read, no output that is closed or full ends anything, and a signal is counted once.

mod lines;
mod print;
mod signals;

pub use lines::Lines;
pub use print::{flush, note, note_over, print, print_mistakes, say};
pub use signals::{Ask, Force, Signals};
