//! Client SDK: connect, send, receive, view the world, resume.
