//! The ground of a region: which holdings lie here, as the store says, and which entity shows each.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Questions for what lies here that have no answer yet.
    questions: usize,
    /// What the store may have said to lie here before it was taken or destroyed: the answers to these questions may be older.
    gone: BTreeSet<u64>,
}

impl Ground {
    pub(super) fn new(region: RegionNumber) -> Self {
        Self {
            region,
            lying: BTreeMap::new(),
            is_known: false,
            questions: 0,
            gone: BTreeSet::new(),
        }
    }

    /// The store is asked what lies here.
    pub(super) fn ask(&mut self) {
        self.questions += 1;
    }

    /// The store says what lies here. What was not known to is answered, to be shown.
    pub(super) fn read(&mut self, mut holdings: Vec<Holding>) -> Vec<game::Holding> {
        holdings.retain(|holding| !self.gone.contains(&holding.id));
        self.questions = self.questions.saturating_sub(1);
        if self.questions == 0 {
            self.gone.clear();
        }
        self.is_known = true;
        self.fall(holdings)
    }

    /// The store has, by now, that somebody has taken it or that it is no more.
    pub(super) fn gone(&mut self, holding: u64) {
        if self.questions > 0 {
            self.gone.insert(holding);
        }
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
        let lie_here = lie_here.inspect(|holding| {
            self.gone.remove(&holding.id);
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
        self.lying.clear();
        self.is_known = false;
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
    fn an_answer_that_is_older_than_a_taking_brings_nothing_back() {
        let mut ground = Ground::new(HERE);
        let both = || vec![lying(HERE, shown(1)), lying(HERE, shown(2))];
        ground.gone(2);
        ground.ask();
        ground.ask();
        ground.gone(1);
        assert_eq!(
            ground.read(both()),
            [shown(2)],
            "what was gone before was put back"
        );
        ground.remove(2);
        ground.gone(2);
        ground.fall(vec![lying(HERE, shown(2))]);
        ground.remove(2);
        ground.forget();
        assert_eq!(ground.read(both()), [shown(2)], "it was put back as well");
        ground.ask();
        assert_eq!(ground.read(both()), [shown(1)], "it was asked for later");
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
