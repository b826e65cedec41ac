//! Which nodes may serve which region, as an operator tells a database: its functions give a region to no other login.

use protocol::ids::{ClusterId, NodeNumber, RegionNumber, TopologyVersion};
use tokio_postgres::types::Type;

use super::link::Link;
use super::parameter::{Parameter, limited};
use super::statements::failed;
use super::{PostgresAddress, PostgresCause, PostgresError};

const NOTE: &str = "SELECT regionmesh.note_candidates($1, $2, $3, $4)";

/// Tells a database who may serve which region by a topology of this version, in place of what it was told before. The login in the
/// address owns the store, or is an operator's. Blocks.
///
/// # Errors
/// `PostgresError`, also when the store is another cluster's or was told of a newer topology; nothing was changed then.
pub fn note(
    address: &PostgresAddress,
    cluster: ClusterId,
    version: TopologyVersion,
    candidates: &[(RegionNumber, NodeNumber)],
) -> Result<(), PostgresError> {
    let regions: Vec<i64> = candidates.iter().map(|(region, _)| i64::from(region.0)).collect();
    let nodes: Vec<i32> = candidates.iter().map(|(_, node)| i32::from(node.0)).collect();
    let (cluster, offered) = (cluster.0.as_slice(), limited(version.0));
    let parameters: [Parameter<'_>; 4] = [
        (&cluster, Type::BYTEA),
        (&offered, Type::INT8),
        (&regions, Type::INT8_ARRAY),
        (&nodes, Type::INT4_ARRAY),
    ];
    let noted = Link::alone(address, async |client| {
        let asked = client.query_typed_one(NOTE, &parameters).await;
        let newest: Result<Option<i64>, _> = asked.and_then(|row| row.try_get(0));
        newest.map_err(failed)
    });
    let refused = |cause: PostgresCause| PostgresError::new(address, cause);
    let newest = noted.map_err(|error| refused(error.into()))?;
    match newest.map_err(|error| refused(error.into()))? {
        None => Err(refused(PostgresCause::OtherCluster)),
        Some(found) if found != offered => Err(refused(PostgresCause::NewerTopology {
            found: TopologyVersion(found.cast_unsigned()),
            offered: version,
        })),
        Some(_) => Ok(()),
    }
}
