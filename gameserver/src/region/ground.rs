//! The ground of a region: which holdings lie here, as the store says, and which entity shows each.

use std::collections::BTreeMap;

use protocol::geometry::Position;
use protocol::ids::{EntityId, RegionNumber};
use store::{Holder, Holding};

/// A holding that the game wants to lie in a region, as the store has it.
pub(super) fn lying(region: RegionNumber, holding: game::Holding) -> Holding {
    let Position { x, y } = holding.at;
    Holding {
        id: holding.id,
        kind: holding.kind,
        holder: Holder::Ground { region, x, y },
        payload: holding.payload,
    }
}

/// One thing, and what shows it.
#[derive(Debug)]
pub(super) struct Lying {
    pub(super) holding: game::Holding,
    /// `None`: the game has not shown it.
    pub(super) entity: Option<EntityId>,
}

/// What lies in a region.
#[derive(Debug)]
pub(super) struct Ground {
    region: RegionNumber,
    lying: BTreeMap<u64, Lying>,
    is_known: bool,
}

impl Ground {
    pub(super) fn new(region: RegionNumber) -> Self {
        Self {
            region,
            lying: BTreeMap::new(),
            is_known: false,
        }
    }

    /// The store says what lies here. What was not known to is answered, to be shown.
    pub(super) fn read(&mut self, holdings: Vec<Holding>) -> Vec<game::Holding> {
        self.is_known = true;
        self.fall(holdings)
    }

    /// Holdings lie here now. What was not known to is answered, to be shown.
    pub(super) fn fall(&mut self, holdings: Vec<Holding>) -> Vec<game::Holding> {
        let lie_here = holdings.into_iter().filter_map(|holding| match holding.holder {
            Holder::Ground { region, x, y } if region == self.region => Some(game::Holding {
                id: holding.id,
                kind: holding.kind,
                at: Position { x, y },
                payload: holding.payload,
            }),
            _ => None,
        });
        let news: Vec<_> = lie_here
            .filter(|holding| !self.lying.contains_key(&holding.id))
            .collect();
        self.lying.extend(news.iter().map(|holding| {
            let (holding, entity) = (holding.clone(), None);
            (holding.id, Lying { holding, entity })
        }));
        news
    }

    /// Nothing is known, and nothing shown.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.region);
    }

    /// An entity shows a holding that lies here; whether it still does.
    pub(super) fn show(&mut self, holding: u64, entity: EntityId) -> bool {
        let lying = self.lying.get_mut(&holding);
        lying.map(|lying| lying.entity = Some(entity)).is_some()
    }

    pub(super) fn lying(&self, holding: u64) -> Option<&Lying> {
        self.lying.get(&holding)
    }

    pub(super) fn has(&self, holding: u64) -> bool {
        self.lying.contains_key(&holding)
    }

    /// Somebody has picked it up, or it is no more.
    pub(super) fn remove(&mut self, holding: u64) -> Option<Lying> {
        self.lying.remove(&holding)
    }

    /// What lies here, ascending.
    pub(super) fn holdings(&self) -> impl ExactSizeIterator<Item = u64> {
        self.lying.keys().copied()
    }

    /// Whether the store has said what lies here.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use protocol::ids::UserId;

    const HERE: RegionNumber = RegionNumber(1);

    /// As the game has it.
    fn shown(id: u64) -> game::Holding {
        let at = Position { x: 1.0, y: 2.0 };
        game::Holding {
            id,
            kind: 1,
            at,
            payload: Bytes::from_static(b"own"),
        }
    }

    #[test]
    fn only_what_lies_here_is_shown_and_each_once() {
        let mut ground = Ground::new(HERE);
        assert!(!ground.is_known());
        let held = Holding {
            holder: Holder::User(UserId(5)),
            ..lying(HERE, shown(3))
        };
        let read = vec![lying(HERE, shown(1)), lying(RegionNumber(2), shown(2)), held];
        assert_eq!(ground.read(read.clone()), [shown(1)]);
        assert!(ground.is_known() && ground.has(1) && !ground.has(2));
        let unseen = ground.remove(1).map(|lying| lying.entity);
        assert_eq!(unseen, Some(None), "nobody has shown it yet");
        assert!(!ground.show(1, EntityId(9)));
        assert_eq!(ground.read(read.clone()), [shown(1)], "it was put back");
        assert!(ground.show(1, EntityId(9)));
        assert_eq!(ground.read(read), [], "it is shown");
        assert_eq!(ground.holdings().collect::<Vec<_>>(), [1]);
        let shown = ground.remove(1).map(|lying| lying.entity);
        assert_eq!(shown, Some(Some(EntityId(9))));
        assert_eq!(ground.holdings().len(), 0);
    }
}
