//! The entities of a region: a dense table found by id, so that a tick walks through memory and not through maps.

use game::FixedMap;
use protocol::cell::{Motion, StateBytes};
use protocol::geometry::Position;
use protocol::ids::{EntityId, OwnerEpoch, UserId};
use protocol::visibility::Visibility;

use super::waiting_inputs::WaitingInputs;

/// Index of an entity in the table; good until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntityKey(pub(super) u32);

/// One entity that this region simulates.
#[derive(Clone, Debug)]
pub(super) struct Entity {
    pub(super) id: EntityId,
    pub(super) kind: u16,
    pub(super) owner_epoch: OwnerEpoch,
    pub(super) at: Position,
    pub(super) heading: u8,
    /// Units per second.
    pub(super) speed: f32,
    pub(super) state: StateBytes,
    pub(super) user: Option<UserId>,
    pub(super) visibility: Visibility,
    /// The other way round whenever it was put somewhere else than it walked to.
    pub(super) jumped: bool,
    /// Index of its cell within the region, and its slot there.
    pub(super) cell: u32,
    pub(super) slot: u16,
    /// What subscribers were told last.
    pub(super) sent: Motion,
    pub(super) change: Change,
    /// Those that have come since the last tick.
    pub(super) inputs: WaitingInputs,
}

/// What happened to an entity since its cell was encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// It is listed as touched in its cell.
    pub(super) listed: bool,
    /// Subscribers have not got it yet.
    pub(super) added: bool,
    /// Its state bytes are new.
    pub(super) state: bool,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Entities {
    table: Vec<Option<Entity>>,
    free: Vec<u32>,
    by_id: FixedMap<EntityId, u32>,
}

impl Entities {
    /// `None`: there is one of this id already.
    pub(super) fn insert(&mut self, entity: Entity) -> Option<EntityKey> {
        let id = entity.id;
        if self.by_id.contains_key(&id) {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.table[index as usize] = Some(entity);
                index
            }
            None => {
                self.table.push(Some(entity));
                (self.table.len() - 1) as u32
            }
        };
        self.by_id.insert(id, index);
        Some(EntityKey(index))
    }

    pub(super) fn remove(&mut self, key: EntityKey) -> Option<Entity> {
        let entity = self.table.get_mut(key.0 as usize)?.take()?;
        self.by_id.remove(&entity.id);
        self.free.push(key.0);
        Some(entity)
    }

    pub(super) fn key(&self, id: EntityId) -> Option<EntityKey> {
        self.by_id.get(&id).copied().map(EntityKey)
    }

    pub(super) fn get(&self, key: EntityKey) -> Option<&Entity> {
        self.table.get(key.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: EntityKey) -> Option<&mut Entity> {
        self.table.get_mut(key.0 as usize)?.as_mut()
    }

    /// All of them, in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.table.iter().flatten()
    }

    /// Those that are nobody's.
    pub(super) fn of_the_game(&self) -> Vec<EntityKey> {
        let keys = (0..).zip(&self.table);
        let of_the_game =
            |entity: &Option<Entity>| entity.as_ref().is_some_and(|entity| entity.user.is_none());
        keys.filter(|(_, entity)| of_the_game(entity))
            .map(|(index, _)| EntityKey(index))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
