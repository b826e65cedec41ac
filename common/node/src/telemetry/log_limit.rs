//! How many lines of one kind a log takes: a full disk or a peer that is refused over and over must not bury everything
//! else. A kind is the place in the source that says it. What was left out is told in one line, with what it said.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of one kind in one span of time …
const LINES_MAX: u32 = 20;
/// … of this length. At most one more line tells of the rest.
const SPAN: Duration = Duration::from_secs(10);
/// Bytes of a message that are repeated when the rest is told.
const MESSAGE_BYTES_MAX: usize = 120;
/// Counts lines that were left out.
pub(super) const SUPPRESSED: &str = "regionmesh_log_lines_suppressed_total";

/// Counts lines by kind. What an operator turns on to look closely, debug and trace, is not limited.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<HashMap<Identifier, Kind>>);

/// One kind in its present span.
#[derive(Debug)]
struct Kind {
    began: Instant,
    lines: u32,
    left_out: u64,
    said: String,
}

/// What was left out of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// So many lines …
    pub(super) lines: u64,
    /// … that said this, or something like it.
    pub(super) said: String,
}

impl LogLimit {
    /// Whether one more line of a kind is written. `said` gives its message, when it is the first that is not.
    fn takes(&self, kind: Identifier, now: Instant, said: impl FnOnce() -> String) -> bool {
        let mut kinds = self.lock();
        let new = || Kind {
            began: now,
            lines: 0,
            left_out: 0,
            said: String::new(),
        };
        let kind = kinds.entry(kind).or_insert_with(new);
        // A span in which something was left out ends when that is told, or when nobody cares to.
        let age = now.saturating_duration_since(kind.began);
        if age >= 2 * SPAN || age >= SPAN && kind.left_out == 0 {
            *kind = new();
        }
        kind.lines = kind.lines.saturating_add(1);
        let takes = kind.lines <= LINES_MAX;
        if !takes {
            if kind.left_out == 0 {
                kind.said = said();
            }
            kind.left_out += 1;
        }
        takes
    }

    /// What was left out in spans that are over. To be called now and then.
    pub(super) fn over(&self, now: Instant) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        self.lock().retain(|_, kind| {
            let is_over = now.saturating_duration_since(kind.began) >= SPAN;
            if is_over && kind.left_out > 0 {
                left_out.push(LeftOut {
                    lines: kind.left_out,
                    said: std::mem::take(&mut kind.said),
                });
            }
            !is_over
        });
        left_out
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for &'static LogLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let takes = *metadata.level() > Level::INFO
            || self.takes(metadata.callsite(), Instant::now(), || message_of(event));
        if !takes {
            metrics::counter!(SUPPRESSED).increment(1);
        }
        takes
    }
}

fn message_of(event: &Event<'_>) -> String {
    let mut message = Message(String::new());
    event.record(&mut message);
    let Message(mut text) = message;
    let end = (0..=MESSAGE_BYTES_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_cut_and_counted_and_other_kinds_are_not_touched() {
        let limit: &'static LogLimit = Box::leak(Box::default());
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(limit));
        tracing::subscriber::with_default(subscriber, || {
            for user in 0..1_570 {
                tracing::warn!(user, "the row of a player cannot be written");
                tracing::debug!(user, "a look at it");
            }
            tracing::warn!("something else");
        });
        let count = |what: &str| {
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            text.matches(what).count()
        };
        assert_eq!(count("cannot be written"), LINES_MAX as usize);
        assert_eq!((count("a look at it"), count("something else")), (1_570, 1));
        let now = Instant::now();
        assert_eq!(limit.over(now), [], "its span is not over");
        let left_out = LeftOut {
            lines: 1_550,
            said: "the row of a player cannot be written".to_owned(),
        };
        assert_eq!(limit.over(now + SPAN), [left_out]);
        assert_eq!(limit.over(now + SPAN), [], "told once");
        assert!(limit.lock().is_empty(), "what is quiet is forgotten");
    }
}
