//! Which datagram numbers were received: a sliding window behind the highest.

use crate::limits::DATAGRAM_WINDOW;

const WORDS: usize = (DATAGRAM_WINDOW / 64) as usize;
const _: () = assert!(DATAGRAM_WINDOW.is_multiple_of(64) && DATAGRAM_WINDOW.is_power_of_two());

/// Asked before decrypting, told after authentication: otherwise anybody could move it by sending large numbers.
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    highest: Option<u64>,
    /// A ring: the bit of a number is its remainder.
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// Whether the number is new: above all others, or inside the window and not recorded.
    #[must_use]
    pub fn accepts(&self, number: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        match highest.checked_sub(number) {
            None => true,
            Some(behind) if behind >= DATAGRAM_WINDOW => false,
            Some(_) => {
                let (word, bit) = place(number);
                self.seen.get(word).is_some_and(|seen| seen & bit == 0)
            }
        }
    }

    /// Whether the number is above all that were recorded.
    #[must_use]
    pub fn is_newest(&self, number: u64) -> bool {
        self.highest.is_none_or(|highest| number > highest)
    }

    /// Records a number that [`accepts`](Self::accepts) agreed to and that proved authentic.
    pub fn record(&mut self, number: u64) {
        if self.is_newest(number) {
            // The places that the window slides over belong to numbers that were never seen.
            let first = self.highest.map_or(number, |highest| highest.saturating_add(1));
            if number.saturating_sub(first) >= DATAGRAM_WINDOW {
                self.seen = [0; WORDS];
            } else {
                (first..number).for_each(|skipped| self.clear(skipped));
            }
            self.highest = Some(number);
        }
        let (word, bit) = place(number);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen |= bit;
        }
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = place(number);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen &= !bit;
        }
    }
}

fn place(number: u64) -> (usize, u64) {
    let within = number & (DATAGRAM_WINDOW - 1);
    ((within >> 6) as usize, 1 << (within & 63))
}
