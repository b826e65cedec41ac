//! The ground of a region: which holdings lie here, as the store says, and which entity shows each.

use std::collections::{BTreeMap, BTreeSet};

use protocol::geometry::Position;
use protocol::ids::{EntityId, RegionNumber};
use store::{Holder, Holding};

/// Doubts of a region are settled with one question a second at most.
const DOUBT_MS: u64 = 1_000;

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

/// What an answer of the store changes.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    /// Nobody had heard of it: it is to be shown.
    pub(super) fallen: Vec<game::Holding>,
    /// What shows something that lies here no more.
    pub(super) phantoms: Vec<EntityId>,
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
    /// What fell here since: the answers may be older than that as well.
    fell: BTreeSet<u64>,
    /// The store may have got something that this region has not heard of: it is to be asked again.
    is_doubted: bool,
    asked_ms: u64,
}

impl Ground {
    pub(super) fn new(region: RegionNumber) -> Self {
        Self {
            region,
            lying: BTreeMap::new(),
            is_known: false,
            questions: 0,
            gone: BTreeSet::new(),
            fell: BTreeSet::new(),
            is_doubted: false,
            asked_ms: 0,
        }
    }

    /// The store is asked what lies here.
    pub(super) fn ask(&mut self, now_ms: u64) {
        self.questions += 1;
        self.is_doubted = false;
        self.asked_ms = now_ms;
    }

    /// What lies here may have changed without a word. The region asks once for many who doubt it.
    pub(super) fn doubt(&mut self) {
        self.is_doubted = true;
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// Whether a doubt is to be settled now.
    pub(super) fn is_to_be_asked(&self, now_ms: u64) -> bool {
        self.is_doubted && self.questions == 0 && now_ms >= self.asked_ms.saturating_add(DOUBT_MS)
    }

    /// The store says what lies here.
    pub(super) fn read(&mut self, mut holdings: Vec<Holding>) -> Read {
        holdings.retain(|holding| !self.gone.contains(&holding.id));
        let said: BTreeSet<u64> = holdings.iter().map(|holding| holding.id).collect();
        let lies = |id: &u64| said.contains(id) || self.fell.contains(id);
        let gone: Vec<u64> = self.lying.keys().copied().filter(|id| !lies(id)).collect();
        let gone = gone.iter().filter_map(|id| self.lying.remove(id));
        let phantoms = gone.filter_map(|lying| lying.entity).collect();
        self.questions = self.questions.saturating_sub(1);
        if self.questions == 0 {
            self.gone.clear();
            self.fell.clear();
        }
        self.is_known = true;
        let fallen = self.fall(holdings);
        Read { fallen, phantoms }
    }

    /// The store has, by now, that somebody has taken it or that it is no more.
    pub(super) fn gone(&mut self, holding: u64) {
        if self.questions > 0 {
            self.gone.insert(holding);
            self.fell.remove(&holding);
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
            if self.questions > 0 {
                self.fell.insert(holding.id);
            }
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
        ground.ask(0);
        ground.ask(0);
        ground.gone(1);
        assert_eq!(
            ground.read(both()).fallen,
            [shown(2)],
            "what was gone before was put back"
        );
        ground.remove(2);
        ground.gone(2);
        ground.fall(vec![lying(HERE, shown(2))]);
        ground.remove(2);
        ground.forget();
        assert_eq!(ground.read(both()).fallen, [shown(2)], "it was put back as well");
        ground.ask(0);
        assert_eq!(ground.read(both()).fallen, [shown(1)], "it was asked for later");
    }

    #[test]
    fn what_lies_here_no_more_goes_and_what_fell_since_the_question_stays() {
        let mut ground = Ground::new(HERE);
        ground.ask(0);
        ground.read(vec![lying(HERE, shown(1)), lying(HERE, shown(2))]);
        ground.show(1, EntityId(7));
        ground.show(2, EntityId(8));
        ground.ask(0);
        ground.fall(vec![lying(HERE, shown(3))]);
        let read = ground.read(vec![lying(HERE, shown(2))]);
        assert_eq!(read.phantoms, [EntityId(7)]);
        assert_eq!(ground.holdings().collect::<Vec<_>>(), [2, 3]);
        ground.ask(0);
        ground.ask(0);
        ground.fall(vec![lying(HERE, shown(4))]);
        ground.remove(4);
        ground.gone(4);
        ground.read(vec![
            lying(HERE, shown(2)),
            lying(HERE, shown(4)),
            lying(HERE, shown(5)),
        ]);
        assert_eq!(ground.holdings().collect::<Vec<_>>(), [2, 5]);
        ground.read(vec![lying(HERE, shown(2))]);
        let left = ground.holdings().collect::<Vec<_>>();
        assert_eq!(left, [2, 5], "the answer to the older question came last");
    }

    #[test]
    fn a_doubt_is_settled_once_a_second_and_not_while_a_question_has_no_answer() {
        let mut ground = Ground::new(HERE);
        assert!(!ground.is_to_be_asked(5_000), "nobody doubts");
        ground.ask(5_000);
        ground.doubt();
        assert!(!ground.is_to_be_asked(9_000), "asked already");
        ground.read(Vec::new());
        assert!(ground.is_doubted(), "the answer may be older than the doubt");
        assert!(!ground.is_to_be_asked(5_999) && ground.is_to_be_asked(6_000));
        ground.ask(6_000);
        assert!(!ground.is_doubted());
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
        assert_eq!(ground.read(read.clone()).fallen, [shown(1)]);
        assert!(ground.is_known() && ground.has(1) && !ground.has(2));
        let unseen = ground.remove(1).map(|lying| lying.entity);
        assert_eq!(unseen, Some(None), "nobody has shown it yet");
        assert!(!ground.show(1, EntityId(9)));
        assert_eq!(ground.read(read.clone()).fallen, [shown(1)], "it was put back");
        assert!(ground.show(1, EntityId(9)));
        assert_eq!(ground.read(read).fallen, [], "it is shown");
        assert_eq!(ground.holdings().collect::<Vec<_>>(), [1]);
        let shown = ground.remove(1).map(|lying| lying.entity);
        assert_eq!(shown, Some(Some(EntityId(9))));
        assert_eq!(ground.holdings().len(), 0);
    }
}
