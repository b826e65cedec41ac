//! The encoded messages of one class, packed into chunks so that a message costs no allocation and a batch can be cut
//! between messages.

use std::collections::VecDeque;

/// A chunk takes no further message beyond this, or beyond what one batch carries, bytes.
const CHUNK_BYTES: usize = 16 * 1024;
/// Messages later than this after a chunk's first start a new one, so that ages stay true, microseconds.
const CHUNK_SPAN_US: u64 = 10_000;
/// A chunk takes no further message beyond this number, so that several fit into a batch.
const CHUNK_MESSAGES: usize = 2048;

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    messages: usize,
    first_us: u64,
}

impl Chunk {
    fn takes(&self, length: usize, chunk_bytes_max: usize, now_us: u64) -> bool {
        self.bytes.len() + length <= chunk_bytes_max
            && self.messages < CHUNK_MESSAGES
            && now_us.saturating_sub(self.first_us) <= CHUNK_SPAN_US
    }
}

/// What a batch can still take.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bytes: usize,
    pub(super) messages: usize,
}

/// One class of a queue.
#[derive(Debug)]
pub(super) struct ClassLane {
    chunks: VecDeque<Chunk>,
    chunk_bytes_max: usize,
    bytes: usize,
    spare: Vec<u8>,
}

impl ClassLane {
    /// A batch carries at least one chunk, however small batches are.
    pub(super) fn new(batch_bytes_max: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            chunk_bytes_max: CHUNK_BYTES.min(batch_bytes_max),
            bytes: 0,
            spare: Vec::new(),
        }
    }

    /// Appends the message that `write` writes, `length` bytes.
    pub(super) fn push(&mut self, length: usize, now_us: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let back = self.chunks.back();
        let fits = back.is_some_and(|chunk| chunk.takes(length, self.chunk_bytes_max, now_us));
        if !fits {
            self.chunks.push_back(Chunk {
                bytes: std::mem::take(&mut self.spare),
                messages: 0,
                first_us: now_us,
            });
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let before = chunk.bytes.len();
            write(&mut chunk.bytes);
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

    pub(super) fn oldest_us(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.first_us)
    }
}
