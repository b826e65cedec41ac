//! Takes up a topology that an operator pushes: `POST /topology` at the admin endpoint, with the signed bundle. What a running cluster
//! cannot take up is refused here, before it is in force anywhere; the rest spreads as if a peer had brought it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node::admin::StatusBoard;
use node::clock::wall_ms;
use node::topology_in_force::TopologyInForce;
use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::subscription::Topology as Offered;
use store::{NodeStore, RegionHolder, StoreHandle, StoreReply, StoreRequest};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use topology::{Difference, Topology};

use super::world_mailbox::News;

/// Pushes that may wait.
const PUSHES_MAX: usize = 4;
/// How long what was accepted may take to come into force here.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(5);

struct Push {
    bundle: Vec<u8>,
    answer: oneshot::Sender<Result<String, String>>,
}

/// What the task asks and tells.
pub(super) struct PushParts {
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) store: StoreHandle,
    /// The same, for questions about processes.
    pub(super) processes: Arc<NodeStore>,
    pub(super) news: mpsc::WeakSender<News>,
    /// Whether regions move while servers run.
    pub(super) has_standbys: bool,
}

/// Answers `/topology`.
pub(super) struct PushTask {
    parts: PushParts,
    pushes: mpsc::Receiver<Push>,
}

/// Who serves which region by a process that is there.
type Holders = BTreeMap<RegionNumber, NodeNumber>;

impl PushTask {
    /// From now on what is pushed to `board` waits for the task.
    pub(super) fn new(board: &StatusBoard, parts: PushParts) -> Self {
        // The board outlives the store, which closes when the last handle is gone: it gets a channel instead of one.
        let (to, pushes) = mpsc::channel(PUSHES_MAX);
        board.answer_push(move |bundle| {
            let to = to.clone();
            Box::pin(async move {
                let stops = || "the server stops".to_owned();
                let (answer, answered) = oneshot::channel();
                to.try_send(Push { bundle, answer }).map_err(|_| stops())?;
                answered.await.unwrap_or_else(|_| Err(stops()))
            })
        });
        Self { parts, pushes }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while let Some(Some(push)) = stop.run_until_cancelled(self.pushes.recv()).await {
            let taking = self.parts.take(push.bundle);
            let Some(taken) = stop.run_until_cancelled(taking).await else {
                return;
            };
            // Who asked may have stopped waiting.
            let _ = push.answer.send(taken);
        }
    }
}

impl PushParts {
    async fn take(&self, bundle: Vec<u8>) -> Result<String, String> {
        let offered = self.in_force.judge(&bundle, wall_ms());
        let offered = offered.map_err(|error| error.to_string())?;
        let holders = self.holders().await?;
        let listing = self.in_force.listing();
        let told = judged(listing.now(), offered.topology(), &holders, self.has_standbys)?;
        let news = News::Topology(Offered {
            bundle: bundle.into(),
        });
        let mut changes = self.in_force.changes();
        let is_told = self.news.upgrade().is_some_and(|to| to.try_send(news).is_ok());
        let version = offered.version();
        let in_force = changes.wait_for(|newest| *newest >= version);
        match tokio::time::timeout(IN_FORCE_WITHIN, in_force).await {
            Ok(Ok(_)) if is_told => Ok(told),
            _ => Err("the server stops, or is stuck".to_owned()),
        }
    }

    async fn holders(&self) -> Result<Holders, String> {
        let (mut holders, mut is_there) = (Holders::new(), BTreeMap::new());
        let listing = self.in_force.listing();
        for region in listing.now().regions() {
            let region = region.number;
            let Some(holder) = self.holder(region).await? else {
                continue;
            };
            let node = holder.service.node;
            if holder.since == holder.newest && !is_there.contains_key(&node) {
                is_there.insert(node, self.has(node).await?);
            }
            if holder.since == holder.newest && is_there.get(&node) == Some(&true) {
                holders.insert(region, node);
            }
        }
        Ok(holders)
    }

    async fn holder(&self, region: RegionNumber) -> Result<Option<RegionHolder>, String> {
        match self.store.ask(StoreRequest::ReadHolder { region }).await {
            Ok(StoreReply::Holder(holder)) => Ok(holder),
            Ok(_) => Err(unknown(&"it gave another answer")),
            Err(error) => Err(unknown(&error)),
        }
    }

    async fn has(&self, node: NodeNumber) -> Result<bool, String> {
        let store = Arc::clone(&self.processes);
        let asked = tokio::task::spawn_blocking(move || store.has(node)).await;
        let asked = asked.map_err(|error| unknown(&error))?;
        asked.map_err(|error| unknown(&error))
    }
}

fn unknown(why: &dyn std::fmt::Display) -> String {
    format!("the store does not say who serves which region, so nothing was changed: {why}; try again")
}

/// What a running cluster can make of a topology, told region by region; or why nothing.
fn judged(
    before: &Topology,
    after: &Topology,
    holders: &Holders,
    has_standbys: bool,
) -> Result<String, String> {
    let ground = Difference::between(before, after).ground;
    if !ground.is_empty() {
        return Err(format!(
            "no running cluster takes this up: {}; end all nodes, and start them with what `regionmesh topology sign` makes of it",
            ground.join("; ")
        ));
    }
    let name_of = |region: RegionNumber| {
        after
            .region(region)
            .map_or_else(|| region.to_string(), |region| region.name.clone())
    };
    let server = |node: NodeNumber| {
        let named = after.server(node).or_else(|| before.server(node));
        named.map_or_else(|| format!("node {node}"), |server| server.name.clone())
    };
    let mut gone: BTreeMap<NodeNumber, Vec<String>> = BTreeMap::new();
    for (region, node) in holders {
        if after.server(*node).is_none() {
            gone.entry(*node).or_default().push(name_of(*region));
        } else if !before.may_serve(*node, *region) {
            let (region, server) = (name_of(*region), server(*node));
            let until = match has_standbys {
                true => format!("wait until it has, or end {server}"),
                // The others heed who serves it by this topology or by the one before, and by no older one.
                false => format!("end {server} and start it again first"),
            };
            return Err(format!(
                "region {region} is still with {server}, and is to go elsewhere by the topology in force: {until}"
            ));
        }
    }
    if let Some((node, regions)) = gone.first_key_value() {
        let (name, regions) = (server(*node), regions.join(", "));
        return Err(format!(
            "{name} serves {regions}, and the topology does not have it any more: list it as a standby somewhere, push that, and take it out \
            once others serve its regions; or end it first"
        ));
    }
    let moved = holders.iter().filter_map(|(region, node)| {
        let now = after.region(*region)?;
        let (name, from, to) = (&now.name, server(*node), server(now.server));
        let line = match (now.may_be_served_by(*node), has_standbys) {
            (false, true) => format!("region {name} goes from {from} to {to}"),
            (false, false) => format!("region {name} goes from {from} to {to} when both are started again"),
            (true, _) if before.region(*region)?.server != now.server && now.server != *node => {
                format!("region {name} stays with {from}, which stands by for it; `regionmesh region give {name} {to}` moves it")
            }
            (true, _) => return None,
        };
        Some(line)
    });
    Ok(moved.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = include_str!("../../../deploy/topologies/standby.toml");
    const B: NodeNumber = NodeNumber(2);
    const E: NodeNumber = NodeNumber(5);
    const NORTH_EAST: RegionNumber = RegionNumber(2);

    fn parsed(text: &str) -> Topology {
        topology::parse("t.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// What is made of a topology in which this is that.
    fn push(change: &[(&str, &str)], holder: NodeNumber, has_standbys: bool) -> Result<String, String> {
        let mut text = BEFORE.to_owned();
        for (this, that) in change {
            assert!(text.contains(this), "{this}");
            text = text.replace(this, that);
        }
        let holders = Holders::from([(NORTH_EAST, holder)]);
        judged(&parsed(BEFORE), &parsed(&text), &holders, has_standbys)
    }

    const OF_B: &str = "server = \"gs-b\"\nstandby = [\"gs-e\"]";
    const OF_A: &str = "server = \"gs-a\"\nstandby = [\"gs-e\"]";

    #[test]
    fn it_is_told_what_becomes_of_each_region() {
        let to_e = [
            (OF_B, "server = \"gs-e\""),
            (OF_A, "server = \"gs-a\"\nstandby = [\"gs-b\"]"),
        ];
        assert_eq!(
            push(&to_e, B, true).unwrap(),
            "region north-east goes from gs-b to gs-e"
        );
        assert!(push(&to_e, B, false).unwrap().contains("started again"));
        assert_eq!(push(&to_e, E, true).unwrap(), "", "it is there already");
        let turned = [(OF_B, "server = \"gs-e\"\nstandby = [\"gs-b\"]")];
        assert!(
            push(&turned, B, true)
                .unwrap()
                .starts_with("region north-east stays with gs-b")
        );
        assert_eq!(push(&turned, E, true).unwrap(), "");
    }

    #[test]
    fn what_no_running_cluster_can_take_up_is_refused_with_what_to_do() {
        let without_b = [
            (OF_B, "server = \"gs-e\""),
            (
                "[[server]]\nname = \"gs-b\"\nnumber = 2\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n",
                "",
            ),
        ];
        let refused = push(&without_b, B, true).unwrap_err();
        assert!(refused.contains("gs-b serves north-east"), "{refused}");
        assert_eq!(push(&without_b, E, true).unwrap(), "", "it serves nothing");
        for change in [
            ("tick_hz = 20", "tick_hz = 10"),
            ("cell_size = 32", "cell_size = 64"),
            ("number = 4\nmin", "number = 9\nmin"),
        ] {
            let refused = push(&[change], B, true).unwrap_err();
            assert!(refused.contains("no running cluster"), "{refused}");
        }
        let not_listed = push(&[], NodeNumber(1), true).unwrap_err();
        assert!(
            not_listed.contains("wait until it has, or end gs-a"),
            "{not_listed}"
        );
        let on_a_file = push(&[], NodeNumber(1), false).unwrap_err();
        assert!(
            on_a_file.contains("end gs-a and start it again first"),
            "{on_a_file}"
        );
    }
}
