//! The four layers and how they lie over each other. Each value keeps the origin of the topmost layer that has it.

use super::error::{Located, Where};
use super::file::{self, FileLayer};
use super::origin::Origin;
use super::shape::Shape;
use super::{ConfigError, Loaded, Mistake, PassedOver, Settings};
use config::{Config, ConfigBuilder, FileFormat, builder::DefaultState};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;

use std::path::PathBuf;

/// Every environment variable of ours begins with this; tables are separated from keys by two underscores.
pub(crate) const ENVIRONMENT_PREFIX: &str = "REGIONMESH_";

/// A flag that was given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As the user writes it: `--admin`.
    pub name: &'static str,
    /// Dotted key of the setting: `node.admin`.
    pub key: Cow<'static, str>,
    /// The value as text.
    pub value: String,
}

/// What the layers are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// Environment variables; those without our prefix are left out.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// Reads the process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        Self {
            file,
            environment: std::env::vars_os().collect(),
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
/// `ConfigError` with all mistakes of all layers.
pub fn load<S: Settings>(sources: &Sources) -> Result<Loaded<S>, ConfigError> {
    let shape = Shape::of::<S>();
    let mut mistakes = Vec::new();
    let file = match &sources.file {
        Some(path) => file::read::<S>(path, &shape, &mut mistakes),
        None => FileLayer {
            is_read: true,
            ..FileLayer::default()
        },
    };
    let mut passed_over = of_other_roles(sources, &file);
    let overrides = usable::<S>(
        overrides(sources, &mut mistakes),
        &shape,
        &mut passed_over,
        &mut mistakes,
    );
    let merged: Result<S, _> = merge(&file.good, &overrides);
    let origins = origins(sources, &file, overrides);
    match merged {
        Ok(settings) => {
            // Of a file that could not be read, anything may be in it that is missing here.
            if file.is_read {
                let wrong = not_yet_told(settings.check(), &mistakes);
                mistakes.extend(wrong.into_iter().map(|mistake| located(mistake, &origins, &file)));
            }
            if mistakes.is_empty() {
                return Ok(Loaded {
                    settings,
                    origins,
                    passed_over,
                });
            }
        }
        Err(error) => mistakes.push(Located {
            place: Where::Nowhere,
            message: error.to_string(),
            help: "correct the setting".to_owned(),
        }),
    }
    Err(ConfigError {
        file: file.text,
        mistakes,
    })
}

/// What was refused in a layer already may be what is wrong or missing now.
fn not_yet_told(wrong: Vec<Mistake>, told: &[Located]) -> Vec<Mistake> {
    let is_told = |key: &str| {
        told.iter()
            .any(|other| other.message.contains(&format!("`{key}`")))
    };
    wrong
        .into_iter()
        .filter(|mistake| !is_told(&mistake.key))
        .collect()
}

fn located(mistake: Mistake, origins: &BTreeMap<String, Origin>, file: &FileLayer) -> Located {
    let place = match (origins.get(&mistake.key), file.keys.get(&mistake.key)) {
        (Some(Origin::File(..)), Some(span)) => Where::File(span.clone()),
        (Some(origin), _) => Where::Layer(origin.clone()),
        (None, _) => Where::Nowhere,
    };
    Located {
        place,
        message: format!("`{}` {}", mistake.key, mistake.what),
        help: mistake.remedy,
    }
}

fn of_other_roles(sources: &Sources, file: &FileLayer) -> Vec<PassedOver> {
    let path = sources.file.clone().unwrap_or_default();
    let of_file = file.passed_over.iter().map(|(key, role, line)| PassedOver {
        key: key.clone(),
        role,
        origin: Origin::File(path.clone(), *line),
    });
    of_file.collect()
}

/// Those that this process has and that fit; the others are noted.
fn usable<S: Settings>(
    overrides: Vec<Override>,
    shape: &Shape,
    passed_over: &mut Vec<PassedOver>,
    mistakes: &mut Vec<Located>,
) -> Vec<Override> {
    let mut usable = Vec::new();
    for one in overrides {
        let noted = |message, help| Located {
            place: Where::Layer(one.origin.clone()),
            message,
            help,
        };
        if !shape.is_value(&one.key) {
            match shape.other_role(&one.key) {
                Some(role) => passed_over.push(PassedOver {
                    key: one.key,
                    role,
                    origin: one.origin,
                }),
                None => mistakes.push(noted(super::unknown(&one.key), shape.help(&one.key))),
            }
            continue;
        }
        match merge::<S>(&toml::Table::new(), std::slice::from_ref(&one)) {
            Ok(_) => usable.push(one),
            Err(error) => {
                let message = format!("`{}` does not fit: {error}", one.key);
                mistakes.push(noted(
                    message,
                    "write a value of the setting's type, or leave it out".to_owned(),
                ));
            }
        }
    }
    usable
}

fn overrides(sources: &Sources, mistakes: &mut Vec<Located>) -> Vec<Override> {
    let mut environment: Vec<Override> = Vec::new();
    for (name, value) in &sources.environment {
        // A name that is not UTF-8 is none of ours.
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
            continue;
        };
        let origin = Origin::Environment(name.to_owned());
        match value.to_str() {
            Some(value) => environment.push(Override {
                key: key_of(name),
                value: value.to_owned(),
                origin,
            }),
            None => mistakes.push(Located {
                place: Where::Layer(origin),
                message: format!("the value of `{}` is not UTF-8", key_of(name)),
                help: "write it in UTF-8".to_owned(),
            }),
        }
    }
    environment.sort_by(|a, b| a.key.cmp(&b.key));
    let flags = sources.flags.iter().map(|flag| Override {
        key: flag.key.clone().into_owned(),
        value: flag.value.clone(),
        origin: Origin::Flag(flag.name.to_owned()),
    });
    environment.into_iter().chain(flags).collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX) && !is_service_link(name)
}

/// `REGIONMESH_NODE__LOG_LEVEL` is the key `node.log_level`.
fn key_of(name: &str) -> String {
    let key = name.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or(name);
    key.to_lowercase().replace("__", ".")
}

/// Kubernetes tells every container of every service in variables named after it: `REGIONMESH_SERVICE_HOST`,
/// `REGIONMESH_PORT_7000_TCP` and the like say nothing to us. Every setting is in a table, so its name has two underscores.
fn is_service_link(name: &str) -> bool {
    let after_port = name.rsplit_once("_PORT_").map(|(_, rest)| rest);
    let numbered = after_port.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
    let named = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT");
    !name.contains("__") && (numbered || named)
}

fn merge<S: Settings>(file: &toml::Table, overrides: &[Override]) -> Result<S, config::ConfigError> {
    let file = toml::to_string(file).unwrap_or_default();
    let mut builder = Config::builder()
        .add_source(Config::try_from(&S::default())?)
        .add_source(config::File::from_str(&file, FileFormat::Toml));
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

fn origins(sources: &Sources, file: &FileLayer, overrides: Vec<Override>) -> BTreeMap<String, Origin> {
    let path = sources.file.clone().unwrap_or_default();
    let of_file = file
        .keys
        .iter()
        .map(|(key, span)| (key.clone(), Origin::File(path.clone(), file.line_of(span))));
    let above = overrides.into_iter().map(|one| (one.key, one.origin));
    of_file.chain(above).collect()
}

#[cfg(test)]
mod tests;
