//! The one kind of hash map for rules: deterministic, as the whole of a game's rules should be.

/// A hash map whose order depends on nothing but what was put in: equal seeds stay equal. Only for keys that were made
/// here (entities, holdings, users), because its hash does not resist chosen ones.
#[allow(clippy::disallowed_types, reason = "the hasher is fixed, so the order is too")]
pub type FixedMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
