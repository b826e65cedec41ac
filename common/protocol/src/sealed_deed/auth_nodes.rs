//! Whom deeds are sealed to.

use crate::entropy::{self, Entropy};
use crate::identity::NodePublic;
use crate::ids::NodeUuid;
use crate::limits::AUTH_NODES_MAX;

/// An auth node, as `join.json` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthNode {
    /// Who it is.
    pub uuid: NodeUuid,
    /// The key of its certificate.
    pub public: NodePublic,
}

/// The auth nodes of a cluster; none: its proxies check passwords themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthNodes([Option<AuthNode>; AUTH_NODES_MAX]);

impl AuthNodes {
    /// These; `None` when there are more than a cluster may have.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = AuthNode>) -> Option<Self> {
        let (mut all, mut nodes) = (Self::default(), nodes.into_iter());
        for (place, node) in all.0.iter_mut().zip(&mut nodes) {
            *place = Some(node);
        }
        nodes.next().is_none().then_some(all)
    }

    /// Every one.
    pub fn iter(&self) -> impl Iterator<Item = &AuthNode> {
        self.0.iter().flatten()
    }

    /// Any of them, by chance: whoever tries again may find another one.
    #[must_use]
    pub fn pick(&self, entropy: &mut dyn Entropy) -> Option<AuthNode> {
        let all = self.iter().count();
        let drawn = u32::from_le_bytes(match all {
            0 => return None,
            _ => entropy::array(entropy),
        });
        let place = usize::try_from(drawn).ok()?.checked_rem(all)?;
        self.iter().nth(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::CountingEntropy;
    use crate::identity::NodeKey;

    #[test]
    fn a_cluster_has_so_many_auth_nodes_and_any_of_them_is_picked() {
        let nodes = |count: u8| {
            (0..count).map(|number| AuthNode {
                uuid: NodeUuid([number; 16]),
                public: NodeKey::from_seed(&[3; 32]).public(),
            })
        };
        assert_eq!(AuthNodes::new(nodes(AUTH_NODES_MAX as u8 + 1)), None);
        assert_eq!(AuthNodes::default().pick(&mut CountingEntropy(1)), None);
        let two = AuthNodes::new(nodes(2)).unwrap();
        let picked: std::collections::BTreeSet<_> = (0..32)
            .filter_map(|seed| Some(two.pick(&mut CountingEntropy(seed))?.uuid))
            .collect();
        assert_eq!(picked.len(), 2);
    }
}
