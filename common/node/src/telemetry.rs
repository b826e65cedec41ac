//! What a node says about itself: log lines and metrics. Both are set up once per process, first of all.

mod links;
mod live;
mod log;
mod log_limit;
mod log_writer;
mod metrics;
mod process;
mod reasons;

pub use links::{LINK_METRICS, LinkName, put_link};
pub use live::{LiveMetrics, Sheet};
pub(crate) use log::tell_left_out;
pub use log::{LevelError, LogControl, LogFormat, last_words, parse_level};
pub use metrics::{Kind, Metric, Metrics, undescribed};
pub(crate) use process::tell as tell_process;
pub use process::{PROCESS_METRICS, ProcessUsage, cpu_s, usage};
pub use reasons::Reasons;

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// No thread to write the log.
    #[error("the log cannot be written: {0}")]
    Log(#[source] std::io::Error),
    /// Something else in this process has set it up already.
    #[error("telemetry is set up twice in one process: {0}")]
    Twice(String),
}

/// Handles on what was set up.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Changes the log level at run time.
    pub log: LogControl,
    /// Renders the metrics.
    pub metrics: Metrics,
}

/// Sets up logging to standard error and the metrics recorder, with HELP for everything in `tables`.
///
/// # Errors
/// When the level cannot be read, or telemetry is set up already.
pub fn install(level: &str, format: LogFormat, tables: &[&[Metric]]) -> Result<Telemetry, TelemetryError> {
    let log = log::install(level, format)?;
    let metrics = metrics::install(&[&[PROCESS_METRICS], tables].concat())?;
    start_at_zero();
    Ok(Telemetry { log, metrics })
}

/// What counts errors is there before the first one: an alarm on its growth would miss that one.
fn start_at_zero() {
    for name in [log_writer::DROPPED, log_limit::SUPPRESSED] {
        ::metrics::counter!(name).increment(0);
    }
}
