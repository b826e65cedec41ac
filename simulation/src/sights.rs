//! Whom each creature of a run is shown to: its number says so from its birth on, wherever it goes and whoever dies.

use game::{Ctx, EntityId, Visibility};
use protocol::ids::UserId;

/// What the creatures are that keep to it.
pub(crate) const KINDS: [u16; 2] = [SHEEP, COW];
pub(crate) const SHEEP: u16 = 9;
pub(crate) const COW: u16 = 10;

/// Whom a creature is shown to.
pub(crate) fn of(creature: EntityId) -> Visibility {
    match creature.0 % 4 {
        0 => Visibility::Far,
        1 => Visibility::Hidden,
        2 => Visibility::Only(UserId(1 + creature.0 / 4 % 4)),
        _ => Visibility::Near,
    }
}

/// It is born.
pub(crate) fn begin(ctx: &mut dyn Ctx, creature: EntityId) {
    assert!(
        ctx.show(creature, of(creature)),
        "H7: a creature that cannot be hidden"
    );
}

/// It has come from elsewhere.
pub(crate) fn check(ctx: &dyn Ctx, creature: EntityId) {
    let seen = ctx.entity(creature).map(|creature| creature.visibility);
    assert_eq!(seen, Some(of(creature)), "H4: whom {creature} is shown to");
}

/// Whether a user may see it at all.
pub(crate) fn may_see(user: UserId, creature: EntityId) -> bool {
    match of(creature) {
        Visibility::Near | Visibility::Far => true,
        Visibility::Only(one) => one == user,
        Visibility::Hidden => false,
    }
}
