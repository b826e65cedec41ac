//! Who sees an entity, besides the servers that simulate it and its neighbourhood.

use crate::geometry::Layer;
use crate::ids::UserId;

/// Which clients see an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    /// Whoever is near: within the rings of cells that a topology calls `view_rings`.
    #[default]
    Near,
    /// Whoever is within `far_rings`, which are more; as `Near` in a world without any.
    Far,
    /// One user, wherever in the entity's region it is; nobody else.
    Only(UserId),
    /// Nobody.
    Hidden,
}

impl Visibility {
    /// The layer of cells that shows it in a world that has all of them.
    #[must_use]
    pub const fn layer(self) -> Layer {
        match self {
            Self::Near => Layer::Near,
            Self::Far => Layer::Far,
            Self::Only(_) | Self::Hidden => Layer::Unseen,
        }
    }

    /// As messages and rows say it.
    #[must_use]
    pub const fn numbers(self) -> (u32, u64) {
        match self {
            Self::Near => (0, 0),
            Self::Far => (1, 0),
            Self::Only(user) => (2, user.0),
            Self::Hidden => (3, 0),
        }
    }

    /// The other way; `None` for what means nothing.
    #[must_use]
    pub const fn from_numbers(visibility: u32, only_user: u64) -> Option<Self> {
        match visibility {
            0 => Some(Self::Near),
            1 => Some(Self::Far),
            2 => Some(Self::Only(UserId(only_user))),
            3 => Some(Self::Hidden),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_lead_back_and_mean_nothing_else() {
        for visibility in [
            Visibility::Near,
            Visibility::Far,
            Visibility::Only(UserId(7)),
            Visibility::Hidden,
        ] {
            let (number, user) = visibility.numbers();
            assert_eq!(Visibility::from_numbers(number, user), Some(visibility));
        }
        assert_eq!(Visibility::from_numbers(4, 0), None);
    }
}
