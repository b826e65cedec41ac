//! Sockets: batched UDP, sealed TCP streams, links between nodes.
