//! Checks of the house: sizes, headers, module circles, crate edges, layers, licences, suites, numbered rules.
//!
//! Each check is a function from what it reads to a list of complaints, so that its own test can show it a broken
//! sample and see it fail. `tests/house.rs` shows them the repository. Nobody has to remember these rules.

pub mod circles;
pub mod edges;
pub mod layers;
pub mod licences;
pub mod musts;
pub mod pages;
pub mod shape;
pub mod source;
pub mod suites;
pub mod words;

pub use source::Source;

/// One broken rule: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// File, crate or package the rule is broken in; a line may follow after a colon.
    pub place: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl Complaint {
    /// A complaint about `place`.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
