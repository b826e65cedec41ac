//! Why a well-formed message was refused at the border. Always the sender's fault.

/// A message breaks a limit, or says something that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A field has more bytes than its limit.
    #[error("{field} has {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// The field's name in the .proto file.
        field: &'static str,
        /// What came.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A field of fixed length has another one.
    #[error("{field} has {bytes} bytes instead of {expected}")]
    Length {
        /// The field's name in the .proto file.
        field: &'static str,
        /// What came.
        bytes: usize,
        /// What it has to be.
        expected: usize,
    },
    /// A repeated field has more elements than its limit.
    #[error("{field} has {count} elements, at most {max} are allowed")]
    TooMany {
        /// The field's name in the .proto file.
        field: &'static str,
        /// What came.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A field that has to be there is not, or is empty or 0.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value outside the range of its field.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

impl CheckError {
    /// The field to name in a metric.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::TooLong { field, .. }
            | Self::Length { field, .. }
            | Self::TooMany { field, .. }
            | Self::Missing(field)
            | Self::OutOfRange(field) => field,
        }
    }
}
