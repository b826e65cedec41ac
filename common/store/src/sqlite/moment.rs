//! What a batch knows of its time: read once, and the same for all its requests, whichever tables they touch.

/// What every statement of a batch may need to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) generation: u16,
    pub(super) now_ms: i64,
}
