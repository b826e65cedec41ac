//! What ends a node: a thread or task that it cannot do without. An error value, so that libraries say it and only the
//! binary exits: several nodes can live in one process.

/// How the thread was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It ended although nobody had asked it to.
    #[error("ended by itself: {0}")]
    Ended(String),
    /// It panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It was seen in the same iteration for so many looks.
    #[error("has been stuck for {0} looks")]
    Stalled(u32),
    /// The rules of the game have not come back from this call of theirs.
    #[error("is held up by the rules of the game, which do not come back from `{0}`")]
    Hung(&'static str),
}

/// A thread or task that the node cannot do without is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{thread} {loss}")]
pub struct Fatal {
    /// Its name, as `/readyz?verbose` shows it.
    pub thread: String,
    /// What became of it.
    pub loss: Loss,
}
