//! A hash map with a fixed, fast hasher: for keys that this proxy made, so that no outsider can choose collisions, and
//! with the same order in every run, so that equal seeds give equal simulations.

/// `std`'s map under foldhash's fixed seed.
#[allow(clippy::disallowed_types, reason = "the hasher is fixed, so the order is too")]
pub(crate) type FastMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
