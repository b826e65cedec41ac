//! Who we are, as a handshake needs it: our certificate and key, and whom we trust.

use super::store::StoreIdentity;
use crate::identity::{
    AuthorityKeys, AuthorityPublic, CertificateError, Clock, DiskCertificate, NodeKey, OutsideValidity,
    WireCertificate,
};
use crate::ids::{ClusterId, Incarnation, Lanes, NodeUuid, TopologyVersion};

/// This node's side of every handshake.
#[derive(Clone, Debug)]
pub struct LocalNode {
    pub(super) cluster_id: ClusterId,
    pub(super) authorities: AuthorityKeys,
    /// The authority that signed our certificate. We dial under it: while keys rotate, nodes that have dropped the
    /// old authority still answer those who hold a certificate of the new one.
    pub(super) authority: AuthorityPublic,
    pub(super) certificate: WireCertificate,
    pub(super) key: NodeKey,
    pub(super) incarnation: Incarnation,
    /// How many lanes this process dials each peer on. One, unless it says otherwise.
    pub lanes: Lanes,
    /// The store that this node works on: peers on another one are refused. None, unless it says otherwise.
    pub store: StoreIdentity,
    /// Told to peers, so that the older side can ask for the newer topology. Keep it up to date.
    pub topology_version: TopologyVersion,
}

impl LocalNode {
    /// Checks that a trusted authority signed our certificate; its time is for peers to judge, and for alarms.
    ///
    /// # Errors
    /// `NotSigned` or `BadPublicKey`: the operator gave this node the wrong certificate, cluster or authority.
    pub fn new(
        certificate: &DiskCertificate,
        cluster_id: ClusterId,
        authorities: AuthorityKeys,
        incarnation: Incarnation,
    ) -> Result<Self, CertificateError> {
        let wire = certificate.wire();
        let signed_by = |key: &AuthorityPublic| {
            let verified = wire.verify(&AuthorityKeys::new(*key), cluster_id, any_time());
            verified.is_ok()
        };
        let authority = authorities.iter().find(signed_by);
        Ok(Self {
            cluster_id,
            authorities,
            authority: authority.ok_or(CertificateError::NotSigned)?,
            certificate: wire,
            key: certificate.node_key(),
            incarnation,
            lanes: Lanes::ONE,
            store: StoreIdentity::default(),
            topology_version: TopologyVersion::default(),
        })
    }

    /// The same node with a certificate that was renewed.
    ///
    /// # Errors
    /// `BadPublicKey` when it is not this node's, by uuid and key; `NotSigned` as [`new`](Self::new).
    pub fn renewed(&self, certificate: &DiskCertificate) -> Result<Self, CertificateError> {
        let (cluster_id, authorities) = (self.cluster_id, self.authorities);
        let renewed = Self::new(certificate, cluster_id, authorities, self.incarnation)?;
        if renewed.uuid() != self.uuid() || renewed.key.public() != self.key.public() {
            return Err(CertificateError::BadPublicKey);
        }
        Ok(Self {
            lanes: self.lanes,
            store: self.store,
            topology_version: self.topology_version,
            ..renewed
        })
    }

    /// Whether our certificate is out of time at this wall clock (Unix milliseconds): who dials us may go without a word.
    #[must_use]
    pub fn outside(&self, wall_ms: u64) -> Option<OutsideValidity> {
        self.certificate.validity().check(Clock::of_node(wall_ms)).err()
    }

    /// Our uuid.
    #[must_use]
    pub fn uuid(&self) -> NodeUuid {
        self.certificate.claimed_uuid()
    }
}

/// A clock that forgives every validity: for checking who signed apart from when.
pub(super) fn any_time() -> Clock {
    Clock::with_leeway(0, u64::MAX)
}
