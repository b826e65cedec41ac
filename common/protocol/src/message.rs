//! Messages inside frames: the families, their generated types, and the batch that carries them.
//!
//! The types in `generated/` are made of the files in `proto/` by a test, which also compares them.

pub mod checked;
pub mod family;
pub mod fragment;

/// Families 0x21–0x36: heartbeats and operators' orders.
pub mod node {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.node.rs");
}

/// Families 0x40–0x4F: serving, subscribing, cell updates.
pub mod subscription {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.subscription.rs");
}

/// Families 0x50–0x5F: joins, inputs, commands, outputs, routing.
pub mod player {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.player.rs");
}

/// Families 0x60–0x6F: handover.
pub mod handover {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.handover.rs");
}

/// Families 0x70–0x7F: effects on foreign entities.
pub mod effect {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.effect.rs");
}

/// Families 0x90–0x9F: between a client and its proxy; also the bodies of datagrams and cells.
pub mod client {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.client.rs");
}

/// Families 0xA0–0xAF: what proxies ask auth nodes.
pub mod auth {
    #![allow(missing_docs, reason = "generated; the comments stand in the .proto file")]
    #![allow(clippy::all, unreachable_pub, unused_qualifications)]
    include!("../generated/regionmesh.auth.rs");
}
