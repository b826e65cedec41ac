//! What a database holds, for people, and what of it an operator should mend.

use protocol::ids::{ClusterId, NodeNumber, WorldId};

use super::keeper::{column, one};
use super::link::Link;
use crate::StoreError;

/// A look at a store in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Whose it is; nobody's before a node has opened it.
    pub cluster: Option<ClusterId>,
    /// Which world.
    pub world: WorldId,
    /// How many migrations it has seen.
    pub schema: i64,
    /// The generation of its epochs.
    pub generation: u16,
    /// Players with a row.
    pub players: u64,
    /// Those of them that are guests.
    pub guests: u64,
    /// Valuables that somebody has.
    pub held: u64,
    /// Valuables that lie somewhere.
    pub on_ground: u64,
    /// Valuables that are offered in trades.
    pub in_trades: u64,
    /// Creatures that outlive the process of their region.
    pub creatures: u64,
    /// Nodes that work on it just now.
    pub nodes: Vec<NodeNumber>,
    /// What is wrong with it, or with the settings of its server; nothing when all is well.
    pub complaints: Vec<String>,
}

pub(super) fn read(link: &mut Link) -> Result<DatabaseReport, StoreError> {
    const REPORT: &str = "SELECT cluster_id, world_id, schema, generation, players, guests, held, on_ground, in_trades, creatures, nodes, complaints \
        FROM regionmesh.report()";
    let row = one(link.call(REPORT, &[]))?;
    let damaged = |what: &str| StoreError::Corrupt(what.to_owned());
    let cluster: Option<Vec<u8>> = column(&row, 0)?;
    let world: Vec<u8> = column(&row, 1)?;
    let number = |at| column::<i64>(&row, at).map(i64::cast_unsigned);
    let nodes: Vec<i32> = column(&row, 10)?;
    Ok(DatabaseReport {
        cluster: cluster.and_then(|id| Some(ClusterId(id.try_into().ok()?))),
        world: WorldId(
            world
                .try_into()
                .map_err(|_| damaged("the id of the world is missing"))?,
        ),
        schema: i64::from(column::<i32>(&row, 2)?),
        generation: u16::try_from(column::<i32>(&row, 3)?).map_err(|_| damaged("store generation"))?,
        players: number(4)?,
        guests: number(5)?,
        held: number(6)?,
        on_ground: number(7)?,
        in_trades: number(8)?,
        creatures: number(9)?,
        nodes: nodes
            .into_iter()
            .filter_map(|node| u16::try_from(node).ok().map(NodeNumber))
            .collect(),
        complaints: column(&row, 11)?,
    })
}
