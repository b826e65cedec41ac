//! What one player holds, as memory has it: read as the ids alone, ascending.

use std::ops::Deref;

use bytes::Bytes;
use store::Holding;

/// One thing, but for its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::region) struct Kept {
    pub(in crate::region) kind: u32,
    pub(in crate::region) payload: Bytes,
}

/// All of them. Ids and things stand in one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::region) struct Purse {
    ids: Vec<u64>,
    things: Vec<Kept>,
}

impl Purse {
    /// As the store has it, in any order.
    pub(in crate::region) fn of(holdings: &[Holding]) -> Self {
        let mut purse = Self::default();
        for holding in holdings {
            purse.insert(holding.id, Kept::of(holding));
        }
        purse
    }

    /// Whether it was not there.
    pub(in crate::region) fn insert(&mut self, id: u64, thing: Kept) -> bool {
        let Err(at) = self.ids.binary_search(&id) else {
            return false;
        };
        self.ids.insert(at, id);
        self.things.insert(at, thing);
        true
    }

    pub(in crate::region) fn remove(&mut self, id: u64) -> Option<Kept> {
        let at = self.ids.binary_search(&id).ok()?;
        self.ids.remove(at);
        Some(self.things.remove(at))
    }

    pub(in crate::region) fn thing(&self, id: u64) -> Option<&Kept> {
        let at = self.ids.binary_search(&id).ok()?;
        self.things.get(at)
    }
}

impl Kept {
    pub(in crate::region) fn of(holding: &Holding) -> Self {
        Self {
            kind: holding.kind,
            payload: holding.payload.clone(),
        }
    }
}

impl Deref for Purse {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.ids
    }
}

#[cfg(test)]
impl<const N: usize> PartialEq<[u64; N]> for Purse {
    fn eq(&self, ids: &[u64; N]) -> bool {
        self.ids == ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(kind: u32) -> Kept {
        Kept {
            kind,
            payload: Bytes::new(),
        }
    }

    #[test]
    fn each_id_has_its_own_thing_whatever_the_order() {
        let mut purse = Purse::default();
        for id in [5, 1, 3] {
            assert!(purse.insert(id, thing(id as u32)));
            assert!(!purse.insert(id, thing(9)), "it is there");
        }
        assert_eq!(purse, [1, 3, 5]);
        assert_eq!(purse.remove(3), Some(thing(3)));
        assert_eq!(purse.remove(3), None);
        assert_eq!((purse.thing(5), purse.thing(3)), (Some(&thing(5)), None));
    }
}
