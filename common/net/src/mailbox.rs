//! Words from any thread to one that sleeps on its sockets: taken all at once, a round's worth at a time. Nobody waits.

use std::sync::{Arc, Mutex, PoisonError};

use crate::udp::Waker;

/// The words that wait. Clones are one.
#[derive(Debug)]
pub struct Mailbox<T> {
    words: Arc<Mutex<Vec<T>>>,
    waker: Waker,
}

impl<T> Mailbox<T> {
    /// Nothing waits; `waker` wakes the thread that takes.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self {
            words: Arc::default(),
            waker,
        }
    }

    /// Puts a word in and wakes the thread.
    pub fn send(&self, word: T) {
        self.with(|words| words.push(word));
        self.waker.wake();
    }

    /// All that waits, in order; `into` is empty.
    pub fn take(&self, into: &mut Vec<T>) {
        self.with(|words| std::mem::swap(words, into));
    }

    fn with(&self, act: impl FnOnce(&mut Vec<T>)) {
        act(&mut self.words.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self {
            words: Arc::clone(&self.words),
            waker: self.waker.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_order_and_once() {
        let mailbox = Mailbox::new(Waker::new().unwrap());
        let other = mailbox.clone();
        mailbox.send(1);
        other.send(2);
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        assert_eq!(taken, [1, 2]);
        taken.clear();
        mailbox.take(&mut taken);
        assert_eq!(taken, [0; 0]);
    }
}
