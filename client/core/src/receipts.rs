//! Which snapshots were taken: newest number and a bit for each of the 32 before it, as they ride on inputs.

/// Snapshots are taken in the order of their numbers; a late one is dropped and shows as lost, so that the proxy, which
/// replays this rule, knows exactly what the client has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Receipts {
    newest: u32,
    mask: u32,
}

impl Receipts {
    /// Notes a snapshot; `false` when it is late and must be dropped.
    pub(super) fn take(&mut self, number: u32) -> bool {
        if number <= self.newest {
            return false;
        }
        let ahead = number - self.newest;
        let before = if self.newest == 0 { 0 } else { 1 };
        self.mask = match ahead {
            1..32 => self.mask << ahead | before << (ahead - 1),
            32 => before << 31,
            _ => 0,
        };
        self.newest = number;
        true
    }

    /// Newest number, and the mask.
    pub(super) fn acknowledgement(&self) -> (u32, u32) {
        (self.newest, self.mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_taken_snapshot_has_its_bit() {
        let mut receipts = Receipts::default();
        for number in [1, 2, 4, 7] {
            assert!(receipts.take(number));
        }
        assert!(!receipts.take(7));
        assert!(!receipts.take(5));
        // 7 is the newest; bits for 6, 5, 4, 3, 2, 1.
        assert_eq!(receipts.acknowledgement(), (7, 0b11_0100));
        receipts.take(39);
        assert_eq!(receipts.acknowledgement(), (39, 1 << 31));
        receipts.take(100);
        assert_eq!(receipts.acknowledgement(), (100, 0));
    }
}
