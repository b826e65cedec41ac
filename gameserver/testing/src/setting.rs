//! What a playground is made of: the plan of its world, and how servers, regions and the one proxy are numbered.

use std::sync::Arc;

use game::{CommandNumber, RegionNumber, UserId};
use gameserver::join_check::VerifiedJoin;
use protocol::ids::{AttachNo, EventNumber, Incarnation, Lane, LiveLane, NodeNumber, ProxyLane, SessionId};
use topology::Topology;

use super::player::LOGIN;

/// All players' proxy, which speaks by one lane.
pub(crate) const PROXY: LiveLane = LiveLane {
    at: ProxyLane {
        node: NodeNumber(101),
        lane: match Lane::new(0) {
            Some(lane) => lane,
            None => panic!("there is a lane 0"),
        },
    },
    incarnation: Incarnation(1),
};

/// Server 1 serves region 1, and so on.
pub(crate) fn node_of(region: RegionNumber) -> NodeNumber {
    NodeNumber(region.0 as u16)
}

pub(crate) fn region_of(node: NodeNumber) -> RegionNumber {
    RegionNumber(node.0.into())
}

/// What the proxy says of a user who comes.
pub(crate) fn join(user: UserId, acked_command: u64, acked_event: u64) -> VerifiedJoin {
    VerifiedJoin {
        user,
        session: SessionId([1; 16]),
        session_generation: LOGIN,
        attach_no: AttachNo(1),
        client_pub: [1; 32],
        acked_command: CommandNumber(acked_command),
        acked_event: EventNumber(acked_event),
        name: String::new(),
        account: protocol::ticket::AccountKind::Guest,
    }
}

/// Regions side by side, each on a server of its own.
pub(crate) fn plan(regions: u16) -> Arc<Topology> {
    let mut text = format!(
        "[world]\nname = \"playground\"\nsize = [{}, 128]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\n\
         handover_margin = 1.0\n",
        128 * u32::from(regions)
    );
    let mut servers = Vec::new();
    for number in 1..=regions {
        text += &format!(
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
        );
        servers.push(format!("\"gs-{number}\""));
    }
    text += "[[proxy]]\nname = \"edge\"\nnumber = 101\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
    text += &format!(
        "[grid]\ncolumns = {regions}\nrows = 1\nservers = [{}]\n",
        servers.join(", ")
    );
    let plan = topology::parse("playground.toml", &text);
    Arc::new(plan.unwrap_or_else(|mistakes| panic!("the plan of the playground: {mistakes:?}")))
}
