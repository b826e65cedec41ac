//! Sealed bytes of one stream that the kernel has not taken yet.

/// Memory that is kept between bursts, bytes.
const KEEP_BYTES: usize = 32 * 1024;

/// The bytes, and how many of them are written.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    written: usize,
}

impl Unsent {
    /// Where frames are sealed to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What is to be written next.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// So many of them have been written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
            self.written = 0;
        }
    }

    /// What is left, taken away.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.written.min(self.bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_leaves_in_order_and_memory_stays_small() {
        let mut unsent = Unsent::default();
        unsent.end().extend_from_slice(&[7; 3 * KEEP_BYTES]);
        unsent.wrote(KEEP_BYTES);
        unsent.end().push(8);
        assert_eq!(
            (unsent.rest().len(), unsent.rest().last()),
            (2 * KEEP_BYTES + 1, Some(&8))
        );
        unsent.wrote(2 * KEEP_BYTES + 1);
        assert!(unsent.rest().is_empty() && unsent.bytes.capacity() <= KEEP_BYTES);
        unsent.end().extend_from_slice(b"abc");
        unsent.wrote(1);
        assert_eq!(unsent.into_rest(), b"bc");
    }
}
