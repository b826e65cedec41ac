//! The topology file: parsing, checks, lookups, neighbours, signed bundle.
