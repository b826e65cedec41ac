//! The topology file: parsing, checks, lookups, neighbours, signed bundle.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
