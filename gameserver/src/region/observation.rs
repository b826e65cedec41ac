//! What leaves a region of what its rules want operators to see.

use game::LogLevel;

/// One thing that rules want to be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A counter goes up by so much.
    Count(&'static str, u64),
    /// A gauge stands there.
    Gauge(&'static str, f64),
    /// A line of the log; how many before it were left out.
    Line(LogLevel, String, u64),
}
