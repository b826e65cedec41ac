//! Client SDK: connect, send, receive, view the world, resume.

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod core;
