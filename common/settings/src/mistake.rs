//! What types cannot say of a setting: ranges, required values, contradictions.

/// A value that has the right type and is wrong all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted key of the setting.
    pub key: String,
    /// What is wrong, to be read behind the key.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Mistake {
    /// A mistake in the setting `key`.
    pub fn new(key: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}
