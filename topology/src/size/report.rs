//! A size as people read it.

use std::fmt::{self, Display, Formatter};

use super::{NodeSize, Size};

/// Nodes of a kind that are shown one by one; of more only the fullest.
const NODES_SHOWN_MAX: usize = 8;
/// Pairs of nodes that are shown.
const PAIRS_SHOWN_MAX: usize = 5;
/// What can be full that is shown.
const SHARES_SHOWN_MAX: usize = 5;

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} players at {} ticks per second, who see {:.0} others on average and at most {:.0}",
            self.players, self.tick_hz, self.visible[0], self.visible[1]
        )?;
        nodes(f, "game servers", &self.servers)?;
        nodes(f, "proxies", &self.proxies)?;
        let [peers, lanes] = self.links;
        writeln!(
            f,
            "\nlinks: {peers} between game servers, {lanes} from proxies' shards to game servers; most bytes go"
        )?;
        for pair in self.pairs.iter().take(PAIRS_SHOWN_MAX) {
            let [from, to] = &pair.names;
            writeln!(f, "  {from} → {to}  {}", Bytes(pair.bytes))?;
        }
        let store = &self.store;
        writeln!(
            f,
            "\nstore: {:.0} rows/s: {:.0} crossings, {:.0} durable commands, {:.0} soft saves",
            store.rows(),
            store.crossings,
            store.durable,
            store.soft
        )?;
        writeln!(f, "\nfullest:")?;
        for (what, share) in self.shares.iter().take(SHARES_SHOWN_MAX) {
            writeln!(f, "  {:>7.1} %  {what}", share * 100.0)?;
        }
        writeln!(f, "\nunit costs: {}", self.machine)
    }
}

fn nodes(f: &mut Formatter<'_>, what: &str, nodes: &[NodeSize]) -> fmt::Result {
    let cores: f64 = nodes.iter().map(|node| node.cores).sum();
    let is_cut = nodes.len() > NODES_SHOWN_MAX;
    let shown = if is_cut { ", the fullest of them" } else { "" };
    writeln!(f, "\n{} {what}, {cores:.2} cores{shown}", nodes.len())?;
    let mut fullest: Vec<_> = nodes.iter().collect();
    if is_cut {
        fullest.sort_by(|one, other| (other.cores / other.cores_max).total_cmp(&(one.cores / one.cores_max)));
    }
    for node in fullest.iter().take(NODES_SHOWN_MAX) {
        writeln!(
            f,
            "  {}  {:.0} players, {:.2} of {:.0} cores, {} in, {} out",
            node.name,
            node.players,
            node.cores,
            node.cores_max,
            Bytes(node.bytes_in),
            Bytes(node.bytes_out)
        )?;
    }
    Ok(())
}

/// Bytes per second, with a unit that suits.
struct Bytes(f64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes < 1e3 => write!(f, "{bytes:.0} B/s"),
            bytes if bytes < 1e6 => write!(f, "{:.1} kB/s", bytes / 1e3),
            bytes if bytes < 1e9 => write!(f, "{:.1} MB/s", bytes / 1e6),
            bytes => write!(f, "{:.1} GB/s", bytes / 1e9),
        }
    }
}
