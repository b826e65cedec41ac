//! Passes what operators say on to the rules: `POST /rules?region=NAME` at the admin endpoint, with their words as its body.

use std::sync::Arc;
use std::time::Duration;

use game::limits::OPERATOR_BYTES_MAX;
use node::admin::StatusBoard;
use node::topology_in_force::TopologyInForce;
use protocol::ids::RegionNumber;
use tokio::sync::oneshot;
use topology::Topology;

use super::world_mailbox::{Mailbox, Order};

/// How long the world may take to come round.
const PATIENCE: Duration = Duration::from_secs(10);

/// From now on rules hear what `board` is told.
pub(super) fn answer(board: &StatusBoard, in_force: &Arc<TopologyInForce>, mailbox: &Mailbox) {
    let (in_force, mailbox) = (Arc::clone(in_force), mailbox.clone());
    board.answer_operator(move |query, body| {
        let asked = parse(in_force.listing().now(), &query, body);
        let mailbox = mailbox.clone();
        Box::pin(async move {
            let (region, command) = asked?;
            tracing::info!(%region, "told the rules something over the admin endpoint");
            let (answered, answer) = oneshot::channel();
            mailbox.send(Order::Operate(region, command, answered));
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err("the server stops".to_owned()),
                Err(_) => Err("the world does not come round; look at /readyz".to_owned()),
            }
        })
    });
}

/// Regions are named, or numbered, as in the topology.
fn parse(topology: &Topology, query: &str, body: Vec<u8>) -> Result<(RegionNumber, String), String> {
    let named = query
        .strip_prefix("region=")
        .filter(|name| !name.is_empty() && !name.contains('&'));
    let name = named.ok_or_else(|| "say to the rules of which region: /rules?region=NAME".to_owned())?;
    let is_named = |it: &&topology::Region| it.name == name || it.number.to_string() == name;
    let region = topology.regions().iter().find(is_named);
    let region = region.ok_or_else(|| "the topology has no such region".to_owned())?;
    if body.is_empty() || body.len() > OPERATOR_BYTES_MAX {
        return Err(format!(
            "what is said to rules has 1 to {OPERATOR_BYTES_MAX} bytes"
        ));
    }
    let command = String::from_utf8(body).map_err(|_| "what is said to rules is UTF-8".to_owned())?;
    Ok((region.number, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_named_or_numbered_and_something_is_said() {
        let world = include_str!("../../../deploy/topologies/standby.toml");
        let topology = topology::parse("t.toml", world).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let asked = |query: &str, body: &[u8]| parse(&topology, query, body.to_vec());
        for query in ["region=north-east", "region=2"] {
            assert_eq!(asked(query, b"rain"), Ok((RegionNumber(2), "rain".to_owned())));
        }
        let refused: [(&str, &[u8], &str); 6] = [
            ("", b"rain", "which region"),
            ("region=", b"rain", "which region"),
            ("region=2&region=3", b"rain", "which region"),
            ("region=nowhere", b"rain", "no such region"),
            ("region=2", b"", "1 to 1024 bytes"),
            ("region=2", &[0xff], "UTF-8"),
        ];
        for (query, body, why) in refused {
            assert!(
                asked(query, body).is_err_and(|said| said.contains(why)),
                "{query}"
            );
        }
        assert!(asked("region=2", &[b'x'; OPERATOR_BYTES_MAX + 1]).is_err());
    }
}
