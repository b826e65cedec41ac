//! What a server that drains does with its regions: each goes to the first of its other candidates that runs, as when an operator asks for
//! it, so that its players need not wait until this server counts as dead.

use std::time::Duration;

use protocol::ids::{NodeNumber, RegionNumber};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use topology::{Region, Topology};

use super::lease_task::node_name;
use super::world_mailbox::{Mailbox, Order};
use crate::world::NotGiven;

/// How long a server that drains tries.
const WITHIN: Duration = Duration::from_secs(1);

/// Gives these regions away, which are written down. Those that nobody takes stay this node's.
pub(super) async fn give_away(
    mailbox: &Mailbox,
    topology: &Topology,
    own: NodeNumber,
    regions: impl IntoIterator<Item = RegionNumber>,
) {
    let mut gifts = JoinSet::new();
    for region in regions {
        let candidates = topology.region(region).into_iter();
        let others = candidates.flat_map(Region::candidates).filter(|to| *to != own);
        let others = others.map(|to| (to, node_name(topology, to))).collect();
        gifts.spawn(give(mailbox.clone(), region, others));
    }
    let giving = async { while gifts.join_next().await.is_some() {} };
    if tokio::time::timeout(WITHIN, giving).await.is_err() {
        tracing::warn!("not all regions were given away in time: others take them over in a while");
    }
}

async fn give(mailbox: Mailbox, region: RegionNumber, others: Vec<(NodeNumber, String)>) {
    for (to, name) in others {
        let (given, outcome) = oneshot::channel();
        mailbox.send(Order::Give(region, to, given));
        match outcome.await {
            Ok(Ok(())) => return tracing::info!(%region, to = %name, "gave this region away"),
            Ok(Err(NotGiven::NotRunning | NotGiven::NotListed | NotGiven::Unlisted)) => {}
            Ok(Err(why)) => {
                return tracing::warn!(%region, "this region was not given away: {why}; others take it over in a while");
            }
            // The thread has ended.
            Err(_) => return,
        }
    }
}
