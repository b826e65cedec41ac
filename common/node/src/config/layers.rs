//! The four layers and how they lie over each other. Each value keeps the origin of the topmost layer that has it.

use super::file::{self, FileLayer};
use super::{ConfigError, Loaded, Settings};
use config::{Config, ConfigBuilder, FileFormat, builder::DefaultState};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Every environment variable of ours begins with this; tables are separated from keys by two underscores.
pub(crate) const ENVIRONMENT_PREFIX: &str = "REGIONMESH_";

/// Where a value came from. What has no origin is a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A command-line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A flag that was given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As the user writes it: `--admin`.
    pub name: &'static str,
    /// Dotted key of the setting: `node.admin`.
    pub key: &'static str,
    /// The value as text.
    pub value: String,
}

/// What the layers are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// Environment variables; those without our prefix are left out.
    pub environment: Vec<(String, String)>,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// Reads the process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let variables = std::env::vars_os();
        let environment =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self {
            file,
            environment: environment.collect(),
            flags,
        }
    }
}

/// One value of the environment or of a flag, on its way into the layers.
struct Override {
    key: String,
    value: String,
    origin: Origin,
}

/// Reads all layers, checks them, and lays them over each other.
///
/// # Errors
/// `ConfigError` with file, line and column, or with all mistakes of environment, flags and values.
pub fn load<S: Settings>(sources: &Sources) -> Result<Loaded<S>, ConfigError> {
    let file = sources
        .file
        .as_deref()
        .map(|path| Ok((path, file::read::<S>(path)?)))
        .transpose()?;
    let overrides = overrides(sources);
    let alone = |one: &Override| merge::<S>(file.as_ref(), std::slice::from_ref(one));
    let complaints: Vec<String> = overrides
        .iter()
        .filter_map(|one| alone(one).err().map(|error| complaint(one, &error)))
        .collect();
    if !complaints.is_empty() {
        return Err(ConfigError::Values(complaints));
    }
    let settings: S =
        merge(file.as_ref(), &overrides).map_err(|error| ConfigError::Values(vec![error.to_string()]))?;
    let loaded = Loaded {
        settings,
        origins: origins(file.as_ref(), overrides),
    };
    let mistakes: Vec<String> = loaded
        .settings
        .check()
        .into_iter()
        .map(|m| located(&loaded, &m.key, &m.what))
        .collect();
    if mistakes.is_empty() {
        Ok(loaded)
    } else {
        Err(ConfigError::Values(mistakes))
    }
}

fn located<S>(loaded: &Loaded<S>, key: &str, what: &str) -> String {
    match loaded.origins.get(key) {
        Some(origin) => format!("{origin}: `{key}` {what}"),
        None => format!("`{key}` {what}"),
    }
}

fn complaint(one: &Override, error: &config::ConfigError) -> String {
    let error = error.to_string();
    let reason = match error.strip_prefix("unknown field") {
        Some(_) => format!("there is no setting `{}`; correct or unset it ({error})", one.key),
        None => format!("`{}` does not fit: {error}", one.key),
    };
    format!("{}: {reason}", one.origin)
}

fn overrides(sources: &Sources) -> Vec<Override> {
    let mut environment: Vec<Override> = sources
        .environment
        .iter()
        .filter_map(|(n, v)| from_environment(n, v))
        .collect();
    environment.sort_by(|a, b| a.key.cmp(&b.key));
    let flags = sources.flags.iter().map(|flag| Override {
        key: flag.key.to_owned(),
        value: flag.value.clone(),
        origin: Origin::Flag(flag.name.to_owned()),
    });
    environment.into_iter().chain(flags).collect()
}

/// `REGIONMESH_NODE__LOG_LEVEL` is the key `node.log_level`.
fn from_environment(name: &str, value: &str) -> Option<Override> {
    let key = name
        .strip_prefix(ENVIRONMENT_PREFIX)
        .filter(|_| !is_service_link(name))?
        .to_lowercase()
        .replace("__", ".");
    Some(Override {
        key,
        value: value.to_owned(),
        origin: Origin::Environment(name.to_owned()),
    })
}

/// Kubernetes tells every container of every service in variables named after it: `REGIONMESH_SERVICE_HOST`,
/// `REGIONMESH_PORT_7000_TCP` and the like say nothing to us. Every setting is in a table, so its name has two underscores.
fn is_service_link(name: &str) -> bool {
    let after_port = name.rsplit_once("_PORT_").map(|(_, rest)| rest);
    let numbered = after_port.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
    let named = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT");
    !name.contains("__") && (numbered || named)
}

fn merge<S: Settings>(
    file: Option<&(&Path, FileLayer)>,
    overrides: &[Override],
) -> Result<S, config::ConfigError> {
    let mut builder = Config::builder().add_source(Config::try_from(&S::default())?);
    if let Some((_, layer)) = file {
        builder = builder.add_source(config::File::from_str(&layer.text, FileFormat::Toml));
    }
    for one in overrides {
        builder = set(builder, one)?;
    }
    builder.build()?.try_deserialize()
}

/// A value in brackets is a list of words; everything else is text, which the setting's type then reads exactly.
fn set(
    builder: ConfigBuilder<DefaultState>,
    one: &Override,
) -> Result<ConfigBuilder<DefaultState>, config::ConfigError> {
    let list = one
        .value
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match list {
        Some(list) => {
            let words: Vec<String> = list
                .split(',')
                .map(|w| w.trim().trim_matches('"').to_owned())
                .filter(|w| !w.is_empty())
                .collect();
            builder.set_override(&one.key, words)
        }
        None => builder.set_override(&one.key, one.value.clone()),
    }
}

fn origins(file: Option<&(&Path, FileLayer)>, overrides: Vec<Override>) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    if let Some((path, layer)) = file {
        let lines = layer.lines.iter();
        origins.extend(lines.map(|(key, line)| (key.clone(), Origin::File(path.to_path_buf(), *line))));
    }
    origins.extend(overrides.into_iter().map(|one| (one.key, one.origin)));
    origins
}

#[cfg(test)]
mod tests;
