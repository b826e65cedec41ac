//! Whom clients seal passwords to, as the authority knows it.

use super::AuthorityDir;
use protocol::sealed_deed::AuthNode;
use topology::Topology;

impl AuthorityDir {
    /// The auth nodes of this topology that papers were issued to, as `join.json` names them.
    #[must_use]
    pub fn auth_nodes(&self, topology: &Topology) -> Vec<AuthNode> {
        let auths = topology.auths().iter();
        let known = auths.filter_map(|auth| self.state.nodes.get(&auth.name));
        known
            .filter_map(|node| {
                Some(AuthNode {
                    uuid: node.uuid,
                    public: node.public?,
                })
            })
            .collect()
    }
}
