//! How often each rule for those who cannot take everything came into play: slow links show here, and a storm that brings
//! none of it about has tested none of it.

/// Counts since the region was served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    /// Ticks of which a subscriber was told nothing, for want of room.
    pub skipped: u64,
    /// Ticks in which own states were left out, so that the next one starts with whoever got none.
    pub own_left_out: u64,
    /// Changes of a cell that found no room.
    pub missed: u64,
    /// Cells that were made up for by one merged delta.
    pub merged: u64,
    /// … and by the whole cell, which was shorter, or whose past was forgotten.
    pub whole: u64,
    /// Missed cells that found no room for so long that they started over.
    pub started_over: u64,
    /// First keyframes, and own states, that took more than there was.
    pub overdrawn: u64,
    /// Times that a region had to let another one of its process go first.
    pub in_line: u64,
}

impl Overflow {
    /// All of them, by name.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, u64); 8] {
        [
            ("skipped", self.skipped),
            ("own states left out", self.own_left_out),
            ("missed", self.missed),
            ("merged", self.merged),
            ("whole", self.whole),
            ("started over", self.started_over),
            ("overdrawn", self.overdrawn),
            ("in line", self.in_line),
        ]
    }
}

impl std::ops::AddAssign for Overflow {
    fn add_assign(&mut self, other: Self) {
        self.skipped += other.skipped;
        self.own_left_out += other.own_left_out;
        self.missed += other.missed;
        self.merged += other.merged;
        self.whole += other.whole;
        self.started_over += other.started_over;
        self.overdrawn += other.overdrawn;
        self.in_line += other.in_line;
    }
}
