//! The cluster's own count, read from the nodes' status pages: who simulates whom, what the store says was applied for
//! whom, and who holds what. Others may play in the same world: players are asked for by name, and only one's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::{JoinFile, ObservedNode};
use protocol::ids::UserId;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::{self, HttpError};
use crate::ledger::Applied;
use crate::places::Servers;

/// Users named in one question.
const USERS_PER_QUESTION: usize = 1_000;
/// How long the first count may fail before it counts as impossible.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries of the first one.
const FIRST_AGAIN: Duration = Duration::from_millis(200);

/// Why there is no census.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CensusError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{node}: {error}")]
    Node { node: String, error: Box<CensusError> },
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
    /// What keeps it from being ready.
    #[serde(default)]
    pub(crate) not_ready: Vec<String>,
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
    pub(crate) holdings: Vec<u64>,
    pub(crate) holdings_known: bool,
}

/// A holding's place in the store: a user's, or a region's ground.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct HoldingRow {
    pub(crate) id: u64,
    pub(crate) user: Option<u64>,
    pub(crate) region: Option<u32>,
}

/// How many holdings of a kind the store has, and how many were ever made and destroyed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct KindCount {
    pub(crate) kind: u32,
    pub(crate) held: u64,
    pub(crate) on_ground: u64,
    pub(crate) in_trades: u64,
    pub(crate) seeded: u64,
    pub(crate) minted: u64,
    pub(crate) burned: u64,
}

impl KindCount {
    /// So many more than were made and not destroyed.
    pub(crate) fn surplus(&self) -> i64 {
        let there = self.held + self.on_ground + self.in_trades + self.burned;
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        signed(there) - signed(self.seeded + self.minted)
    }
}

/// Where a player is simulated, or about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) region: u32,
    /// Whether nothing of it is under way: no crossing, no join, nothing that the store has not got.
    pub(crate) is_settled: bool,
}

/// The whole count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Census {
    pub(crate) regions: Vec<RegionCount>,
    /// Servers that show no region.
    pub(crate) servers_empty: u32,
    pub(crate) holdings: Vec<HoldingRow>,
    /// How many of each kind there are, and were.
    pub(crate) counts: Vec<KindCount>,
    /// Of the users asked for.
    pub(crate) chains: BTreeMap<UserId, Applied>,
    /// Of the users asked for, those who are simulated; more than one place is a mistake.
    pub(crate) players: BTreeMap<UserId, Vec<Whereabouts>>,
}

impl Census {
    /// Players simulated anywhere, whoever they are.
    pub(crate) fn all_players(&self) -> u64 {
        self.regions.iter().map(|region| region.players).sum()
    }

    /// Whether every server shows what it serves, and every region what lies in it.
    fn shows_all(&self) -> bool {
        self.servers_empty == 0 && self.regions.iter().all(|region| region.holdings_known)
    }

    /// Whether nothing is under way anywhere, of nobody. Questions to the store don't count: regions read all the time, and whoever
    /// awaits a write counts as unsaved.
    pub(crate) fn is_quiet(&self) -> bool {
        self.regions.iter().all(|region| {
            region.frozen + region.handovers + region.joining + region.unsaved == 0 && region.holdings_known
        })
    }
}

#[derive(Deserialize)]
struct ChainPage {
    chains: Vec<ChainRow>,
}

#[derive(Deserialize)]
struct CountPage {
    counts: Vec<KindCount>,
}

#[derive(Deserialize)]
struct PlayerPage {
    players: Vec<PlayerRow>,
}

#[derive(Deserialize)]
struct PlayerRow {
    user: u64,
    region: u32,
    settled: bool,
}

#[derive(Deserialize)]
struct ChainRow {
    user: u64,
    last_command: u64,
    chain_hash: String,
}

#[derive(Deserialize)]
struct HoldingPage {
    holdings: Vec<HoldingRow>,
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
        let mut asked = JoinSet::new();
        for node in &self.nodes {
            let node = node.clone();
            asked.spawn(async move {
                let answer = status(&node).await;
                if let Err(error) = &answer {
                    tracing::debug!(node = node.name, %error, "no status");
                }
                answer.ok()
            });
        }
        let mut seen: Vec<NodeStatus> = asked.join_all().await.into_iter().flatten().collect();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        seen
    }

    /// What nodes say of themselves that keeps players out; empty when all is well with those that answer.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let seen = self.look().await;
        let silent = self
            .nodes
            .iter()
            .filter(|node| !seen.iter().any(|one| one.name == node.name));
        let silent = silent.map(|node| format!("{} does not answer", node.name));
        let unready = seen.iter().filter(|node| !node.not_ready.is_empty());
        let unready =
            unready.map(|node| format!("{} is not ready: {}", node.name, node.not_ready.join(", ")));
        silent.chain(unready).collect()
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

    /// The count before anybody comes. What cannot be counted then would be told when the run is over, and its result lost.
    /// A server that has just started shows its regions a moment later.
    ///
    /// # Errors
    /// Some node has not answered properly for seconds.
    pub(crate) async fn first_census(&self) -> Result<Census, CensusError> {
        let until = Instant::now() + FIRST_PATIENCE;
        loop {
            let counted = self.census(&[], &BTreeSet::new()).await;
            let is_whole = counted.as_ref().is_ok_and(Census::shows_all);
            if is_whole || Instant::now() >= until {
                return counted;
            }
            tokio::time::sleep(FIRST_AGAIN).await;
        }
    }

    /// Counts everything; chains and whereabouts of these users. Servers that do not answer are done without when the others serve
    /// all of `regions`: they have taken over.
    pub(crate) async fn census(
        &self,
        users: &[UserId],
        regions: &BTreeSet<u32>,
    ) -> Result<Census, CensusError> {
        let mut census = Census::default();
        let (mut answering, mut silent) = (None, None);
        for node in self.nodes.iter().filter(|node| node.role == "gameserver") {
            let counted = match status(node).await {
                Ok(counted) => counted,
                Err(error) => {
                    silent.get_or_insert_with(|| error.of(node));
                    continue;
                }
            };
            answering = Some(node);
            // One that is ready without a region stands by.
            census.servers_empty += u32::from(counted.regions.is_empty() && !counted.not_ready.is_empty());
            census.regions.extend(counted.regions);
            for users in users.chunks(USERS_PER_QUESTION) {
                let found = players(node, users).await.map_err(|error| error.of(node))?;
                for row in found {
                    let at = Whereabouts {
                        region: row.region,
                        is_settled: row.settled,
                    };
                    census.players.entry(UserId(row.user)).or_default().push(at);
                }
            }
        }
        census.regions.sort_by_key(|region| region.region);
        let served: BTreeSet<u32> = census.regions.iter().map(|region| region.region).collect();
        if let Some(error) = silent.filter(|_| regions.is_empty() || !regions.is_subset(&served)) {
            return Err(error);
        }
        let node = answering.ok_or(CensusError::Nobody)?;
        let stored = async {
            let base = census_url(node);
            let holdings = holdings(&base).await?;
            let counts: CountPage = parse(&base, &http::get(&format!("{base}?counts=")).await?)?;
            let mut chains = BTreeMap::new();
            for users in users.chunks(USERS_PER_QUESTION) {
                let url = format!("{base}?chains={}", named(users));
                let page: ChainPage = parse(&base, &http::get(&url).await?)?;
                let rows = page.chains.into_iter();
                chains.extend(rows.filter_map(|row| Some((UserId(row.user), row.applied()?))));
            }
            Ok((holdings, counts.counts, chains))
        };
        (census.holdings, census.counts, census.chains) =
            stored.await.map_err(|error: CensusError| error.of(node))?;
        Ok(census)
    }
}

impl CensusError {
    fn of(self, node: &ObservedNode) -> Self {
        Self::Node {
            node: node.name.clone(),
            error: Box::new(self),
        }
    }
}

async fn status(node: &ObservedNode) -> Result<NodeStatus, CensusError> {
    let page = http::get(&node.status_url).await?;
    let mut status: NodeStatus = parse(&node.status_url, &page)?;
    status.name.clone_from(&node.name);
    status.role.clone_from(&node.role);
    Ok(status)
}

fn census_url(node: &ObservedNode) -> String {
    node.status_url.replace("/status", "/census")
}

fn named(users: &[UserId]) -> String {
    let named: Vec<String> = users.iter().map(|user| user.0.to_string()).collect();
    named.join(",")
}

async fn players(node: &ObservedNode, users: &[UserId]) -> Result<Vec<PlayerRow>, CensusError> {
    let base = census_url(node);
    let url = format!("{base}?players={}", named(users));
    let page: PlayerPage = parse(&base, &http::get(&url).await?)?;
    Ok(page.players)
}

async fn holdings(base: &str) -> Result<Vec<HoldingRow>, CensusError> {
    let mut holdings: Vec<HoldingRow> = Vec::new();
    loop {
        let last = holdings.last();
        let after = last.map_or_else(String::new, |holding| holding.id.to_string());
        let url = format!("{base}?holdings={after}");
        let page: HoldingPage = parse(base, &http::get(&url).await?)?;
        let is_empty = page.holdings.is_empty();
        holdings.extend(page.holdings);
        if page.last_page || is_empty {
            return Ok(holdings);
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
            "regions": [{"region": 2, "players": 3, "population": 9, "holdings": [5], "holdings_known": true, "tick": 7}]}"#;
        let status: NodeStatus = parse("u", page).unwrap();
        assert_eq!((status.rss_bytes, status.regions[0].population), (4096, 9));
        let page = br#"{"holdings": [{"id": 1, "kind": 3, "user": 7}, {"id": 2, "kind": 3, "region": 4}], "last_page": true}"#;
        let rows: HoldingPage = parse("u", page).unwrap();
        assert_eq!(
            (rows.holdings[0].user, rows.holdings[1].region),
            (Some(7), Some(4))
        );
        let page = br#"{"counts": [{"kind": 3, "held": 4, "on_ground": 1, "in_trades": 1, "seeded": 3, "minted": 5, "burned": 2}]}"#;
        let counts: CountPage = parse("u", page).unwrap();
        assert_eq!((counts.counts[0].kind, counts.counts[0].surplus()), (3, 0));
        let chain_hash = "0f".repeat(32);
        let page =
            format!(r#"{{"chains": [{{"user": 7, "last_command": 3, "chain_hash": "{chain_hash}"}}]}}"#);
        let chains: ChainPage = parse("u", page.as_bytes()).unwrap();
        assert_eq!(chains.chains[0].applied().unwrap().chain_hash, [15; 32]);
        assert!(parse::<NodeStatus>("u", b"[").is_err());
    }

    #[test]
    fn a_server_that_shows_nothing_yet_is_waited_for() {
        let known = RegionCount {
            holdings_known: true,
            ..RegionCount::default()
        };
        let census = |regions, servers_empty| Census {
            regions,
            servers_empty,
            ..Census::default()
        };
        assert!(census(vec![known.clone()], 0).shows_all());
        assert!(!census(vec![known], 1).shows_all());
        assert!(!census(vec![RegionCount::default()], 0).shows_all());
    }

    #[test]
    fn a_census_is_quiet_when_nothing_is_under_way() {
        let still = RegionCount {
            holdings_known: true,
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
