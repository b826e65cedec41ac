//! Log lines to standard error, as text or JSON; the filter can be replaced while the process runs. Whoever logs never
//! waits for whoever reads.

use super::TelemetryError;
use super::log_limit::LogLimit;
use super::log_writer::LogWriter;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no log filter; {remedy}", remedy = Self::REMEDY)]
pub struct LevelError(String);

impl LevelError {
    /// What to do.
    pub const REMEDY: &str =
        "write error, warn, info, debug, trace or off, or add targets as in `info,net=debug`";
}

/// Reads a filter.
///
/// # Errors
/// `LevelError` with what would be right.
pub fn parse_level(level: &str) -> Result<EnvFilter, LevelError> {
    let known = ["error", "warn", "info", "debug", "trace", "off"];
    let wrong = || LevelError(level.to_owned());
    let level = level.replace(' ', "");
    // A bare word that is no level would be taken for a target and silence everything else.
    let readable =
        |part: &str| part.contains(['=', ':', '[']) || known.contains(&part.to_lowercase().as_str());
    if level.is_empty() || !level.split(',').all(readable) {
        return Err(wrong());
    }
    EnvFilter::builder().parse(level).map_err(|_| wrong())
}

/// Changes the filter of the running process.
#[derive(Clone)]
pub struct LogControl(Arc<dyn Fn(EnvFilter) + Send + Sync>);

impl LogControl {
    /// Replaces the filter.
    ///
    /// # Errors
    /// `LevelError`; the old filter then stays.
    pub fn set(&self, level: &str) -> Result<(), LevelError> {
        (self.0)(parse_level(level)?);
        tracing::info!(level, "log level changed");
        Ok(())
    }

    /// For tests and tools that do not log.
    #[must_use]
    pub fn detached() -> Self {
        Self(Arc::new(|_| {}))
    }
}

/// The log of this process, once it is set up.
static WRITER: OnceLock<LogWriter> = OnceLock::new();
/// What it takes of each kind of line.
static LIMIT: LazyLock<LogLimit> = LazyLock::new(LogLimit::default);
/// How long the end of the process waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The last line of a process, in plain words (none if empty), and everything said and logged before it. A reader that does not
/// read keeps the process from its end for a second at most.
pub fn last_words(line: &str) {
    match WRITER.get() {
        Some(writer) => {
            if !line.is_empty() {
                writer.push(format!("{line}\n").as_bytes());
            }
            writer.flush(LAST_WORDS);
        }
        None if line.is_empty() => {}
        None => program::note(line),
    }
    program::flush();
}

/// Tells of lines that were left out because too many of their kind had come. To be called every few seconds.
pub(crate) fn tell_left_out() {
    for left_out in LIMIT.over(Instant::now()) {
        // In the log's own form. One for each kind and span: it needs no limit of its own.
        tracing::warn!(
            lines = left_out.lines,
            said = left_out.said,
            "log lines of one kind were left out"
        );
    }
}

/// As the hook of the standard library, but it does not wait for standard error.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("it did not say why");
    let at = panic.location().map(ToString::to_string);
    let current = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(thread = current.name(), at, %backtrace, message, "panic");
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogControl")
    }
}

pub(super) fn install(level: &str, format: LogFormat) -> Result<LogControl, TelemetryError> {
    let (filter, handle) = reload::Layer::<EnvFilter, Registry>::new(parse_level(level)?);
    let writer = LogWriter::start(std::io::stderr()).map_err(TelemetryError::Log)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer.clone())
        .with_ansi(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let limit: &'static LogLimit = &LIMIT;
    let lines = lines.with_filter(limit);
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry
        .try_init()
        .map_err(|error| TelemetryError::Twice(error.to_string()))?;
    let _ = WRITER.set(writer);
    std::panic::set_hook(Box::new(log_panic));
    Ok(LogControl(Arc::new(move |filter| {
        // Fails only when the subscriber is gone, and then nobody logs.
        let _ = handle.reload(filter);
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets_and_nothing_else() {
        for good in ["info", "WARN", "off", "info,net=debug", "info, node::admin=trace"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        for bad in ["", "loud", "info,verbose", "net=loud", "info,,debug"] {
            assert!(parse_level(bad).is_err(), "{bad}");
        }
    }
}
