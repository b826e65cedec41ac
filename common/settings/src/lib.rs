//! Settings as they are declared, by nodes and by games alike: once, with their types, what they are for and their
//! defaults. How they are read, from files, the environment and flags, is `node`'s.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod mistake;
mod table;

pub use mistake::Mistake;
pub use table::{Described, Field, NoSettings, Table, TableDescription};
