//! Proxy: edge shards, sessions, routing, composition, co-located auth role.

pub mod edge;
pub mod server;
pub mod shard;
