//! Configuration in layers: defaults < file < environment < flags; the origin of every value is remembered.
//!
//! A file is parsed strictly first, so that `"7000"` is no number and a mistake has a line and a column; then the
//! `config` crate lays the layers over each other. Keys of another role are passed over, unknown ones refused, and all
//! mistakes of all layers are told at once.

mod error;
mod file;
pub mod known;
mod layers;
pub mod manual;
mod origin;
mod print;
mod shape;

pub use ::settings::{Described, Field, Mistake, Table, TableDescription};
pub use error::ConfigError;
pub use layers::{Flag, Sources, load};
pub use origin::Origin;
pub use print::print;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The settings of one process: a struct of tables whose fields all have defaults.
///
/// It and every table in it must say `#[serde(default, deny_unknown_fields)]`; [`assert_strict`] checks that in a test.
pub trait Settings: Default + Serialize + DeserializeOwned {
    /// Dotted keys whose values are never shown, beside those that end in `password`, `secret`, `token` or `_key`.
    const SECRETS: &'static [&'static str] = &[];

    /// What types cannot say: ranges, required values, contradictions. All of them, not just the first.
    fn check(&self) -> Vec<Mistake> {
        Vec::new()
    }
}

/// Settings as they came out, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded<S> {
    /// The values.
    pub settings: S,
    /// Dotted key to origin; what is missing here is a default.
    pub origins: std::collections::BTreeMap<String, Origin>,
    /// What is of another role.
    pub passed_over: Vec<PassedOver>,
}

/// A setting of another role, which this process has no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its dotted key.
    pub key: String,
    /// Whose it is.
    pub role: &'static str,
    /// Where it stands.
    pub origin: Origin,
}

fn unknown(key: &str) -> String {
    format!("there is no setting `{}`", protocol::Shown(key))
}

/// For tests of settings: panics when the struct or a table in it would accept an unknown key or lacks a default.
///
/// # Panics
/// When it is not strict.
pub fn assert_strict<S: Settings>() {
    let defaults = config::Config::try_from(&S::default());
    let tables = defaults
        .ok()
        .and_then(|d| d.try_deserialize::<serde_json::Value>().ok());
    let mut open = vec![(String::new(), tables.unwrap_or_default())];
    while let Some((path, value)) = open.pop() {
        let Some(table) = value.as_object() else { continue };
        let text = if path.is_empty() {
            "zz_unknown = 1".to_owned()
        } else {
            format!("[{path}]\nzz_unknown = 1")
        };
        assert!(
            toml::from_str::<S>(&text).is_err(),
            "[{path}] accepts unknown keys"
        );
        for (key, value) in table {
            open.push((
                if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                },
                value.clone(),
            ));
        }
    }
    assert!(toml::from_str::<S>("").is_ok(), "every setting needs a default");
}
