//! Gives a region to another server when an operator asks: `POST /give?region=NAME&to=NAME` at the admin endpoint.

use std::sync::Arc;
use std::time::Duration;

use node::admin::StatusBoard;
use node::topology_in_force::TopologyInForce;
use protocol::ids::{NodeNumber, RegionNumber};
use tokio::sync::oneshot;
use topology::Topology;

use super::world_mailbox::{Mailbox, Order};

/// How long the world may take until it says what came of it; it gives up itself before.
const PATIENCE: Duration = Duration::from_secs(15);

/// From now on regions are given away when `board` is asked to.
pub(super) fn answer(
    board: &StatusBoard,
    in_force: &Arc<TopologyInForce>,
    mailbox: &Mailbox,
    has_standbys: bool,
) {
    let (in_force, mailbox) = (Arc::clone(in_force), mailbox.clone());
    board.answer_give(move |query| {
        let asked = match has_standbys {
            true => parse(in_force.listing().now(), &query),
            false => Err("servers stand by for each other on a database only; beside a file, start servers with a topology that has \
                the region elsewhere".to_owned()),
        };
        let mailbox = mailbox.clone();
        Box::pin(async move {
            let Asked { region, to, what } = asked?;
            tracing::info!("asked over the admin endpoint to give {what}");
            let (given, answer) = oneshot::channel();
            mailbox.send(Order::Give(region, to, given));
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(Ok(()))) => Ok(format!("gave {what}")),
                Ok(Ok(Err(why))) => Err(format!("did not give {what}: {why}")),
                Ok(Err(_)) => Err(format!("did not give {what}: the server stops")),
                Err(_) => Err(format!("did not give {what} yet: the store has not said whether it is done; look who serves it")),
            }
        })
    });
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    region: RegionNumber,
    to: NodeNumber,
    what: String,
}

/// Regions and servers are named, or numbered, as in the topology.
fn parse(topology: &Topology, query: &str) -> Result<Asked, String> {
    let value = |key: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value);
        found.next().filter(|value| !value.is_empty())
    };
    let (Some(region), Some(to)) = (value("region"), value("to")) else {
        return Err("say which region goes where: /give?region=NAME&to=SERVER".to_owned());
    };
    let is_named = |it: &&topology::Region| it.name == region || it.number.to_string() == region;
    let region = topology.regions().iter().find(is_named);
    let region = region.ok_or_else(|| "the topology has no such region".to_owned())?;
    let is_named = |it: &&topology::Server| it.name == to || it.number.to_string() == to;
    let server = topology.servers().iter().find(is_named);
    let server = server.ok_or_else(|| "the topology has no such game server".to_owned())?;
    if !region.may_be_served_by(server.number) {
        return Err(format!(
            "the topology lists {} neither as server nor as standby of region {}",
            server.name, region.name
        ));
    }
    Ok(Asked {
        region: region.number,
        to: server.number,
        what: format!("region {} to {}", region.name, server.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_servers_are_named_or_numbered_and_only_candidates_get_any() {
        let world = include_str!("../../../deploy/topologies/standby.toml");
        let topology = topology::parse("t.toml", world).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let asked =
            |query: &str| parse(&topology, query).map(|asked| (asked.region.0, asked.to.0, asked.what));
        let what = "region north-east to gs-e".to_owned();
        for query in ["region=north-east&to=gs-e", "to=5&region=2"] {
            assert_eq!(asked(query), Ok((2, 5, what.clone())));
        }
        let refused = [
            ("", "say which region"),
            ("region=&to=gs-e", "say which region"),
            ("region=nowhere&to=gs-e", "no such region"),
            ("region=2&to=edge-1", "no such game server"),
            (
                "region=2&to=gs-a",
                "lists gs-a neither as server nor as standby of region north-east",
            ),
        ];
        for (query, why) in refused {
            assert!(asked(query).is_err_and(|said| said.contains(why)), "{query}");
        }
    }
}
