//! The single commit point: a request/reply store trait, SQLite and simulated behind it.
