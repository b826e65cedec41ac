//! Cells on their way to one subscriber, as many in a message as it takes well.

use bytes::Bytes;
use protocol::limits::CELL_UPDATES_MAX;

/// Cells of one message, bytes: well below a frame. A cell that is longer is a message of its own.
pub(super) const BATCH_BYTES_MAX: usize = 128 * 1024;
/// What a cell costs beside its own bytes: tag and length.
const CELL_HEAD_BYTES: usize = 4;

/// The shortest update names its cell and its kind in two bytes each.
const CELL_BYTES_MIN: usize = 4;
// So a message never holds more cells than one may.
const _: () = assert!(BATCH_BYTES_MAX / (CELL_HEAD_BYTES + CELL_BYTES_MIN) <= CELL_UPDATES_MAX);

/// Bytes that a cell takes in a message.
pub(super) fn cost(cell: &Bytes) -> usize {
    cell.len() + CELL_HEAD_BYTES
}

/// Collects cells, in order.
#[derive(Debug, Default)]
pub(super) struct Batches {
    full: Vec<Vec<Bytes>>,
    last: Vec<Bytes>,
    last_bytes: usize,
}

impl Batches {
    pub(super) fn push(&mut self, cell: Bytes) {
        let bytes = cost(&cell);
        if self.last_bytes + bytes > BATCH_BYTES_MAX && !self.last.is_empty() {
            self.full.push(std::mem::take(&mut self.last));
            self.last_bytes = 0;
        }
        self.last_bytes += bytes;
        self.last.push(cell);
    }

    /// The cells of each message. Leaves nothing.
    pub(super) fn take(&mut self, mut each: impl FnMut(Vec<Bytes>)) {
        self.last_bytes = 0;
        self.full.drain(..).for_each(&mut each);
        if !self.last.is_empty() {
            each(std::mem::take(&mut self.last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short_but_for_a_cell_that_is_long_by_itself() {
        let mut batches = Batches::default();
        let lengths = [60_000, 60_000, 60_000, 300_000, 5, 6];
        for length in lengths {
            batches.push(vec![0; length].into());
        }
        let mut messages = Vec::new();
        batches.take(|cells| messages.push(cells.iter().map(Bytes::len).collect::<Vec<_>>()));
        assert_eq!(
            messages,
            [vec![60_000, 60_000], vec![60_000], vec![300_000], vec![5, 6]]
        );
        batches.take(|_| panic!("nothing is left"));
    }
}
