//! What the cluster's processes use while the swarm plays: processor time and memory, sampled from their status pages.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::census::NodeStatus;

/// Memory may grow by so much of what it was after a third of the run ...
const GROWTH_MAX: f64 = 1.1;
/// ... and by so much on top, bytes.
const GROWTH_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// … and by so much for each player that the process has had more since, bytes: players change between processes in a run, and
/// what one has cost is not given back to the system when it goes on to the next.
const PLAYER_BYTES: f64 = 128.0 * 1024.0;

/// A process over the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct NodeUse {
    pub(crate) name: String,
    pub(crate) role: String,
    /// Processor seconds while measured, of all processes of this name.
    pub(crate) cpu_s: f64,
    /// At the end.
    pub(crate) rss_bytes: u64,
    /// After a third of the run; `None` when that was not seen, as of a process that was restarted since.
    pub(crate) rss_third_bytes: Option<u64>,
    pub(crate) memory_flat: Option<bool>,
    /// At the end.
    pub(crate) players: u64,
    /// After a third of the run, and the most since.
    #[serde(skip)]
    pub(crate) players_third: u64,
    #[serde(skip)]
    pub(crate) players_most: u64,
    pub(crate) restarts: u32,
    /// Looks that it did not answer.
    pub(crate) unanswered: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    pid: u32,
    cpu_s: f64,
}

/// Follows the processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {
    uses: BTreeMap<String, (NodeUse, Seen)>,
}

impl Nodes {
    /// Takes a look at the nodes; the first one is where counting begins.
    pub(crate) fn look(&mut self, statuses: &[NodeStatus]) {
        for (name, (node, _)) in &mut self.uses {
            let answered = statuses.iter().any(|status| status.name == *name);
            node.unanswered += u32::from(!answered);
        }
        for status in statuses {
            let seen = Seen {
                pid: status.pid,
                cpu_s: status.cpu_s,
            };
            let (node, last) = self.uses.entry(status.name.clone()).or_insert_with(|| {
                let first = NodeUse {
                    name: status.name.clone(),
                    role: status.role.clone(),
                    ..NodeUse::default()
                };
                (first, seen)
            });
            if last.pid == status.pid {
                node.cpu_s += (status.cpu_s - last.cpu_s).max(0.0);
            } else {
                node.cpu_s += status.cpu_s;
                node.restarts += 1;
                node.rss_third_bytes = None;
            }
            *last = seen;
            node.rss_bytes = status.rss_bytes;
            node.players = status.players;
            node.players_most = node.players_most.max(status.players);
        }
    }

    /// A third of the run is over: memory is compared with what it is now.
    pub(crate) fn third(&mut self) {
        for (node, _) in self.uses.values_mut() {
            node.rss_third_bytes = Some(node.rss_bytes);
            (node.players_third, node.players_most) = (node.players, node.players);
        }
    }

    /// The processes, judged. One that was restarted since a third of the run has nothing to be compared with.
    pub(crate) fn finish(self) -> Vec<NodeUse> {
        let nodes = self.uses.into_values().map(|(mut node, _)| {
            let more_players = node.players_most.saturating_sub(node.players_third);
            let of_players = more_players as f64 * PLAYER_BYTES;
            let allowed = |third: u64| third as f64 * GROWTH_MAX + GROWTH_BYTES + of_players;
            let is_flat = |third| node.rss_bytes as f64 <= allowed(third);
            node.memory_flat = node.rss_third_bytes.map(is_flat);
            node.cpu_s = (node.cpu_s * 1_000.0).round() / 1_000.0;
            node
        });
        nodes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn status(pid: u32, cpu_s: f64, rss_bytes: u64) -> NodeStatus {
        NodeStatus {
            name: "gs-a".to_owned(),
            pid,
            cpu_s,
            rss_bytes,
            ..NodeStatus::default()
        }
    }

    fn run(third: u64, end: u64) -> NodeUse {
        let mut nodes = Nodes::default();
        nodes.look(&[status(1, 10.0, third)]);
        nodes.third();
        nodes.look(&[status(1, 12.5, end)]);
        nodes.finish().remove(0)
    }

    #[test]
    fn memory_is_flat_within_a_tenth_and_eight_mebibytes() {
        assert_eq!(run(100 * MIB, 118 * MIB).memory_flat, Some(true));
        assert_eq!(run(100 * MIB, 119 * MIB).memory_flat, Some(false));
        assert_eq!(run(MIB, MIB).cpu_s, 2.5);
    }

    /// As many players at the third, at some time later, and at the end.
    fn moved(players: [u64; 3], end: u64) -> Option<bool> {
        let [third, later, last] = players.map(|players| NodeStatus {
            players,
            ..status(1, 10.0, 100 * MIB)
        });
        let mut nodes = Nodes::default();
        nodes.look(&[third]);
        nodes.third();
        nodes.look(&[later]);
        nodes.look(&[NodeStatus {
            rss_bytes: end,
            ..last
        }]);
        nodes.finish().remove(0).memory_flat
    }

    #[test]
    fn players_that_come_from_another_process_bring_their_memory_and_leave_it() {
        // 100 of them, 12.5 MiB.
        assert_eq!(moved([500, 600, 600], 130 * MIB), Some(true));
        assert_eq!(moved([500, 600, 600], 131 * MIB), Some(false));
        assert_eq!(moved([500, 600, 500], 130 * MIB), Some(true));
        assert_eq!(
            moved([500, 400, 500], 119 * MIB),
            Some(false),
            "who comes back is no more"
        );
        assert_eq!(moved([600, 500, 500], 119 * MIB), Some(false));
    }

    #[test]
    fn a_restarted_process_is_counted_on() {
        let mut nodes = Nodes::default();
        nodes.look(&[status(1, 10.0, MIB)]);
        nodes.look(&[status(1, 11.0, MIB)]);
        nodes.third();
        nodes.look(&[status(2, 0.5, 100 * MIB)]);
        let node = nodes.finish().remove(0);
        assert_eq!((node.cpu_s, node.restarts, node.memory_flat), (1.5, 1, None));
        assert_eq!(node.unanswered, 0);
    }

    #[test]
    fn a_node_that_does_not_answer_is_counted() {
        let mut nodes = Nodes::default();
        nodes.look(&[status(1, 10.0, MIB)]);
        nodes.look(&[]);
        assert_eq!(nodes.finish().remove(0).unanswered, 1);
    }
}
