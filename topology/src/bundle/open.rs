//! Opening a bundle: the limit, then the signature, and only then what is inside.

use std::sync::Arc;

use protocol::identity::{AuthorityKeys, Clock, NodePublic, Role, Validity};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, TopologyVersion};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use protocol::wire::Reader;

use super::{Bundle, BundleError, MAGIC, NodeEntry, SIGNATURE_BYTES, TopologyView, VERSION, signed_bytes};
use crate::limits::{BUNDLE_NODES_MAX, BUNDLE_REVOCATIONS_MAX, FILE_BYTES_MAX};

impl TopologyView {
    /// Opens the first bundle a node sees, such as the one in its data directory.
    ///
    /// # Errors
    /// Any `BundleError` but `NotNewer`.
    pub fn open(
        bytes: &[u8],
        authorities: &AuthorityKeys,
        cluster_id: ClusterId,
        clock: Clock,
    ) -> Result<Self, BundleError> {
        if bytes.len() > TOPOLOGY_BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        let (unsigned, signature) = bytes
            .split_last_chunk::<SIGNATURE_BYTES>()
            .ok_or(BundleError::Malformed)?;
        if !unsigned.starts_with(&MAGIC) {
            return Err(BundleError::Malformed);
        }
        authorities
            .verify(&signed_bytes(unsigned), signature)
            .map_err(|_| BundleError::NotSigned)?;
        let bundle = Bundle::parse(unsigned)?;
        if bundle.cluster_id != cluster_id {
            return Err(BundleError::WrongCluster);
        }
        let validity = Validity {
            from_ms: i64::MIN,
            until_ms: bundle.not_after_ms,
        };
        validity.check(clock).map_err(|_| BundleError::Expired)?;
        let topology = bundle.topology()?;
        Self::new(&bundle, topology, Arc::from(bytes))
    }

    /// Opens a bundle that may take the place of this one.
    ///
    /// # Errors
    /// Any `BundleError`; `NotNewer` for a version that is not higher, so that nobody brings back what was revoked.
    pub fn open_newer(
        &self,
        bytes: &[u8],
        authorities: &AuthorityKeys,
        clock: Clock,
    ) -> Result<Self, BundleError> {
        let offered = Self::open(bytes, authorities, self.cluster_id(), clock)?;
        if offered.supersedes(self.version()) {
            return Ok(offered);
        }
        Err(BundleError::NotNewer {
            held: self.version(),
            offered: offered.version(),
        })
    }
}

impl Bundle {
    /// Reads everything but the signature, which must have been verified.
    fn parse(unsigned: &[u8]) -> Result<Self, BundleError> {
        let mut reader = Reader::new(unsigned);
        if reader.array()? != MAGIC || reader.u8()? != VERSION {
            return Err(BundleError::Malformed);
        }
        let cluster_id = ClusterId(reader.array()?);
        let version = TopologyVersion(reader.u64()?);
        let not_after_ms = reader.i64()?;
        let length = limited(reader.u32()? as usize, FILE_BYTES_MAX)?;
        let toml = std::str::from_utf8(reader.bytes(length)?).map_err(|_| BundleError::Malformed)?;
        let count = limited(usize::from(reader.u16()?), BUNDLE_NODES_MAX)?;
        let nodes = (0..count).map(|_| node(&mut reader)).collect::<Result<_, _>>()?;
        let count = limited(usize::from(reader.u16()?), BUNDLE_REVOCATIONS_MAX)?;
        let revoked = (0..count)
            .map(|_| Ok(NodeUuid(reader.array()?)))
            .collect::<Result<_, BundleError>>()?;
        if !reader.is_empty() {
            return Err(BundleError::Malformed);
        }
        Ok(Self {
            cluster_id,
            version,
            not_after_ms,
            toml: toml.to_owned(),
            nodes,
            revoked,
        })
    }
}

fn node(reader: &mut Reader<'_>) -> Result<NodeEntry, BundleError> {
    Ok(NodeEntry {
        number: NodeNumber(reader.u16()?),
        role: Role::from_number(reader.u8()?).ok_or(BundleError::Malformed)?,
        uuid: NodeUuid(reader.array()?),
        public: NodePublic::parse(&reader.array()?).map_err(|_| BundleError::Malformed)?,
    })
}

fn limited(count: usize, most: usize) -> Result<usize, BundleError> {
    if count > most {
        Err(BundleError::TooLarge)
    } else {
        Ok(count)
    }
}
