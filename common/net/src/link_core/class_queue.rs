//! The encoded messages of one class, packed into chunks so that a message costs no allocation and a frame can be cut
//! between messages.

use std::collections::VecDeque;

/// A chunk takes no further message beyond this, or beyond what one frame carries, bytes.
const CHUNK_BYTES: usize = 16 * 1024;
/// A chunk takes no further message beyond this number, so that several fit into a frame.
const CHUNK_MESSAGES: usize = 2048;

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    messages: usize,
}

/// What a frame can still take.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bytes: usize,
    pub(super) messages: usize,
}

/// One class of what waits.
#[derive(Debug, Default)]
pub(super) struct ClassQueue {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    spare: Vec<u8>,
}

impl ClassQueue {
    /// Appends the message that `write` writes, `length` bytes.
    pub(super) fn push(&mut self, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let fits =
            |chunk: &Chunk| chunk.bytes.len() + length <= CHUNK_BYTES && chunk.messages < CHUNK_MESSAGES;
        if !self.chunks.back().is_some_and(fits) {
            self.chunks.push_back(Chunk {
                bytes: std::mem::take(&mut self.spare),
                messages: 0,
            });
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let before = chunk.bytes.len();
            write(&mut chunk.bytes);
            debug_assert_eq!(chunk.bytes.len() - before, length);
            chunk.messages += 1;
            self.bytes += chunk.bytes.len() - before;
        }
    }

    /// Moves whole chunks into `out` while there is room.
    pub(super) fn take(&mut self, room: &mut Room, out: &mut Vec<u8>) {
        while let Some(mut chunk) = self
            .chunks
            .pop_front_if(|chunk| chunk.bytes.len() <= room.bytes && chunk.messages <= room.messages)
        {
            room.bytes -= chunk.bytes.len();
            room.messages -= chunk.messages;
            self.bytes -= chunk.bytes.len();
            out.extend_from_slice(&chunk.bytes);
            chunk.bytes.clear();
            // One emptied chunk is kept, and only of common size: a burst must not stay in memory.
            if chunk.bytes.capacity() <= CHUNK_BYTES {
                self.spare = chunk.bytes;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
