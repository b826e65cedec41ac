//! A hash map whose order depends on nothing but what was put in: equal seeds stay equal. Only for keys that we made
//! ourselves, because its hash does not resist chosen ones.

#[allow(clippy::disallowed_types, reason = "the hasher is fixed, so the order is too")]
pub(crate) type FixedMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
