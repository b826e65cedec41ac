//! The cluster's own count, read from the nodes' status pages: who simulates how many, what the store says was
//! applied for whom, and who holds what.

use std::collections::BTreeMap;

use client::{JoinFile, ObservedNode};
use protocol::ids::UserId;
use serde::Deserialize;

use crate::http::{self, HttpError};
use crate::ledger::Applied;
use crate::places::Servers;

/// Users named in one question.
const USERS_PER_QUESTION: usize = 500;

/// Why there is no census.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CensusError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{url} gave no status of the expected shape: {error}")]
    Malformed { url: String, error: serde_json::Error },
    #[error("no game server of the cluster answers")]
    Nobody,
}

/// A node's status page.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct NodeStatus {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) cpu_s: f64,
    #[serde(default)]
    pub(crate) rss_bytes: u64,
    #[serde(default)]
    pub(crate) players: u64,
    #[serde(default)]
    pub(crate) regions: Vec<RegionCount>,
}

/// What a region says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct RegionCount {
    pub(crate) region: u32,
    pub(crate) population: u64,
    pub(crate) players: u64,
    pub(crate) spawned: u64,
    pub(crate) despawned: u64,
    pub(crate) frozen: u64,
    pub(crate) handovers: u64,
    pub(crate) joining: u64,
    pub(crate) unsaved: u64,
    pub(crate) gems: Vec<u64>,
    pub(crate) gems_known: bool,
}

/// A gem's place in the store: a user's, or a region's ground.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct GemRow {
    pub(crate) id: u64,
    pub(crate) user: Option<u64>,
    pub(crate) region: Option<u32>,
}

/// The whole count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Census {
    pub(crate) regions: Vec<RegionCount>,
    pub(crate) gems: Vec<GemRow>,
    pub(crate) chains: BTreeMap<UserId, Applied>,
}

impl Census {
    /// Players simulated anywhere.
    pub(crate) fn players(&self) -> u64 {
        self.regions.iter().map(|region| region.players).sum()
    }

    /// Whether nothing is under way anywhere. Questions to the store don't count: regions read all the time, and whoever
    /// awaits a write counts as unsaved.
    pub(crate) fn is_quiet(&self) -> bool {
        self.regions.iter().all(|region| {
            region.frozen + region.handovers + region.joining + region.unsaved == 0 && region.gems_known
        })
    }
}

#[derive(Deserialize)]
struct ChainPage {
    chains: Vec<ChainRow>,
}

#[derive(Deserialize)]
struct ChainRow {
    user: u64,
    last_command: u64,
    chain_hash: String,
}

#[derive(Deserialize)]
struct GemPage {
    holdings: Vec<GemRow>,
    last_page: bool,
}

/// Reads status pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observer {
    nodes: Vec<ObservedNode>,
}

impl Observer {
    pub(crate) fn new(join: &JoinFile) -> Self {
        Self {
            nodes: join.observe.clone(),
        }
    }

    /// Whether there is anything to read.
    pub(crate) fn sees_nothing(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The status of every node that answers, under its name in the join file.
    pub(crate) async fn look(&self) -> Vec<NodeStatus> {
        let mut seen = Vec::new();
        for node in &self.nodes {
            match self.status(node).await {
                Ok(status) => seen.push(status),
                Err(error) => tracing::debug!(node = node.name, %error, "no status"),
            }
        }
        seen
    }

    async fn status(&self, node: &ObservedNode) -> Result<NodeStatus, CensusError> {
        let page = http::get(&node.status_url).await?;
        let mut status: NodeStatus = parse(&node.status_url, &page)?;
        status.name.clone_from(&node.name);
        status.role.clone_from(&node.role);
        Ok(status)
    }

    /// Who serves which region.
    pub(crate) async fn servers(&self) -> Servers {
        let nodes = self.look().await;
        let regions = nodes.iter().flat_map(|node| {
            let name = &node.name;
            node.regions
                .iter()
                .map(move |region| (region.region, name.clone()))
        });
        regions.collect()
    }

    /// Counts everything; the chains of these users.
    pub(crate) async fn census(&self, users: &[UserId]) -> Result<Census, CensusError> {
        let mut census = Census::default();
        let servers = self.nodes.iter().filter(|node| node.role == "gameserver");
        let mut answers = None;
        for node in servers {
            census.regions.extend(self.status(node).await?.regions);
            answers = Some(node);
        }
        census.regions.sort_by_key(|region| region.region);
        let base = answers.ok_or(CensusError::Nobody)?;
        let base = base.status_url.replace("/status", "/census");
        census.gems = gems(&base).await?;
        for users in users.chunks(USERS_PER_QUESTION) {
            let named: Vec<String> = users.iter().map(|user| user.0.to_string()).collect();
            let url = format!("{base}?chains={}", named.join(","));
            let page: ChainPage = parse(&base, &http::get(&url).await?)?;
            let rows = page
                .chains
                .into_iter()
                .filter_map(|row| Some((UserId(row.user), row.applied()?)));
            census.chains.extend(rows);
        }
        Ok(census)
    }
}

async fn gems(base: &str) -> Result<Vec<GemRow>, CensusError> {
    let mut gems: Vec<GemRow> = Vec::new();
    loop {
        let after = gems.last().map_or_else(String::new, |gem| gem.id.to_string());
        let url = format!("{base}?holdings={after}");
        let page: GemPage = parse(base, &http::get(&url).await?)?;
        let is_empty = page.holdings.is_empty();
        gems.extend(page.holdings);
        if page.last_page || is_empty {
            return Ok(gems);
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(url: &str, page: &'a [u8]) -> Result<T, CensusError> {
    serde_json::from_slice(page).map_err(|error| CensusError::Malformed {
        url: url.to_owned(),
        error,
    })
}

impl ChainRow {
    fn applied(&self) -> Option<Applied> {
        let digits = self.chain_hash.as_bytes();
        let mut chain_hash = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in chain_hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Applied {
            last_command: self.last_command,
            chain_hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_nodes_are_read() {
        let page = br#"{"name": "x", "cpu_s": 1.5, "rss_bytes": 4096, "players": 3, "unknown": {},
            "regions": [{"region": 2, "players": 3, "population": 9, "gems": [5], "gems_known": true, "tick": 7}]}"#;
        let status: NodeStatus = parse("u", page).unwrap();
        assert_eq!((status.rss_bytes, status.regions[0].population), (4096, 9));
        let page = br#"{"holdings": [{"id": 1, "kind": 3, "user": 7}, {"id": 2, "kind": 3, "region": 4}], "last_page": true}"#;
        let gems: GemPage = parse("u", page).unwrap();
        assert_eq!(
            (gems.holdings[0].user, gems.holdings[1].region),
            (Some(7), Some(4))
        );
        let chain_hash = "0f".repeat(32);
        let page =
            format!(r#"{{"chains": [{{"user": 7, "last_command": 3, "chain_hash": "{chain_hash}"}}]}}"#);
        let chains: ChainPage = parse("u", page.as_bytes()).unwrap();
        assert_eq!(chains.chains[0].applied().unwrap().chain_hash, [15; 32]);
        assert!(parse::<NodeStatus>("u", b"[").is_err());
    }

    #[test]
    fn a_census_is_quiet_when_nothing_is_under_way() {
        let still = RegionCount {
            gems_known: true,
            ..RegionCount::default()
        };
        let busy = RegionCount {
            frozen: 1,
            ..still.clone()
        };
        let census = |regions| Census {
            regions,
            ..Census::default()
        };
        assert!(census(vec![still.clone(), still.clone()]).is_quiet());
        assert!(!census(vec![still, busy]).is_quiet());
    }
}
