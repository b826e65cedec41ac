//! Batched UDP for threads without a run time: one system call moves up to 64 datagrams, a thread with nothing to do
//! sleeps, and other threads can wake it.

mod poller;
mod recv_batch;
mod send_batch;
mod socket;
mod stamped_batch;
mod waker;

pub use poller::{Interest, Poller, Ready};
pub use recv_batch::RecvBatch;
pub use send_batch::{SendBatch, SendReport};
pub use socket::{BatchSocket, BufferBytes, WaitOutcome};
pub use stamped_batch::StampedBatch;
pub use waker::Waker;

/// Datagrams that one system call moves at most.
pub const BATCH_DATAGRAMS: usize = 64;
