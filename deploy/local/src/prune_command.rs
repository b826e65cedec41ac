//! `regionmesh store prune`: forgets guests where no server does it, in the same portions as servers do.

use crate::command_line::PruneArguments;
use crate::topology_file;
use node::life::{Exit, Failure};
use protocol::ids::{NodeNumber, RegionNumber, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};
use store::limits::{FORGOTTEN_HOLDINGS_MAX, GUEST_IDLE_MS_MIN};
use store::request::ForgottenGuest;
use store::sqlite::backup;
use store::{NodeStore, Serving, StaleGuest, Store as _, StoreError, StoreReply, StoreRequest, is_database};
use topology::Topology;

/// Time between two portions: nodes come first.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is told how far it is.
const TELL: Duration = Duration::from_secs(2);
/// Longer than a database takes to be sure that a node is gone.
const SURE_WITHIN: Duration = Duration::from_secs(8);

/// A store that is pruned, and what was done so far.
struct Prune<'a> {
    store: &'a NodeStore,
    topology: &'a Topology,
    idle_ms: u64,
    most: u64,
    /// Regions that were taken over for this, and those that nodes serve.
    served: BTreeMap<RegionNumber, Serving>,
    occupied: BTreeSet<RegionNumber>,
    guests: u64,
    holdings: usize,
    sessions: u64,
    left_to_servers: u64,
    began: Instant,
    told: Instant,
}

pub(crate) fn run(arguments: &PruneArguments) -> Result<String, (Exit, String)> {
    pruned(arguments).map_err(|failure| (failure.exit, failure.message))
}

fn pruned(arguments: &PruneArguments) -> Result<String, Failure> {
    let idle_ms = u64::try_from(arguments.idle.as_millis()).unwrap_or(u64::MAX);
    if idle_ms < GUEST_IDLE_MS_MIN {
        let minutes = GUEST_IDLE_MS_MIN / 60_000;
        return Err(Failure::bad_input(format!(
            "--idle is at least {minutes}m: until then a ticket may bring a guest back"
        )));
    }
    let (topology, _) = topology_file::parsed(&arguments.topology)?;
    if !is_database(&arguments.store) {
        // Opening would make one that is not there.
        backup::check(&arguments.store).map_err(Failure::bad_input)?;
    }
    let store = NodeStore::open(&arguments.store).map_err(|error| match error.may_pass() {
        true => Failure::unreachable(error),
        false => Failure::bad_input(error),
    })?;
    let mut prune = Prune::new(&store, &topology, idle_ms, arguments.most);
    let done = prune.run();
    let said = prune.said();
    store.close();
    match done {
        Ok(()) => Ok(said),
        Err(error) => Err(Failure::failed(format!(
            "{error}\nUntil then: {said}Run it again to go on."
        ))),
    }
}

impl<'a> Prune<'a> {
    fn new(store: &'a NodeStore, topology: &'a Topology, idle_ms: u64, most: u64) -> Self {
        Self {
            store,
            topology,
            idle_ms,
            most,
            served: BTreeMap::new(),
            occupied: BTreeSet::new(),
            guests: 0,
            holdings: 0,
            sessions: 0,
            left_to_servers: 0,
            began: Instant::now(),
            told: Instant::now(),
        }
    }

    fn run(&mut self) -> Result<(), StoreError> {
        // From now on it is looked for all of them.
        for server in self.topology.servers() {
            self.store.has(server.number)?;
        }
        let mut after = None;
        loop {
            let idle_ms = self.idle_ms;
            let reply = self.ask(StoreRequest::StaleGuests { idle_ms, after })?;
            let StoreReply::StaleGuests { guests, next } = reply else {
                return Err(unexpected(&reply));
            };
            for (region, guests) in self.by_region(&guests) {
                self.portion(region, guests)?;
            }
            after = next;
            if after.is_none() || self.guests >= self.most {
                break;
            }
            self.pause();
        }
        self.sessions()
    }

    /// Forgets guests whose place is in one region, unless a node serves it.
    fn portion(&mut self, region: RegionNumber, mut guests: Vec<ForgottenGuest>) -> Result<(), StoreError> {
        let room = usize::try_from(self.most.saturating_sub(self.guests)).unwrap_or(usize::MAX);
        guests.truncate(room);
        if guests.is_empty() {
            return Ok(());
        }
        let count = guests.len() as u64;
        let Some(serving) = self.serving(region)? else {
            self.left_to_servers += count;
            return Ok(());
        };
        loop {
            let request = StoreRequest::ForgetGuests {
                serving,
                idle_ms: self.idle_ms,
                guests: guests.clone(),
            };
            match self.ask(request)? {
                StoreReply::Forgotten { guests, holdings } => {
                    self.guests += guests;
                    self.holdings += holdings.len();
                    // What one of them holds may be more than a transaction moves.
                    if holdings.len() < FORGOTTEN_HOLDINGS_MAX {
                        return Ok(());
                    }
                }
                // A node has begun to serve it: its server sees to them.
                StoreReply::NotServing(_) => {
                    self.served.remove(&region);
                    self.occupied.insert(region);
                    self.left_to_servers += count;
                    return Ok(());
                }
                reply => return Err(unexpected(&reply)),
            }
            self.pause();
        }
    }

    /// The service of a region that no node serves, taken over in the name of whoever had it; `None` where one does.
    fn serving(&mut self, region: RegionNumber) -> Result<Option<Serving>, StoreError> {
        if let Some(serving) = self.served.get(&region) {
            return Ok(Some(*serving));
        }
        if self.occupied.contains(&region) {
            return Ok(None);
        }
        let found = match self.ask(StoreRequest::ReadService { region })? {
            StoreReply::Service(found) => found,
            reply => return Err(unexpected(&reply)),
        };
        let listed = self
            .topology
            .region(region)
            .and_then(|region| region.candidates().next());
        let Some(node) = found.map(|serving| serving.node).or(listed) else {
            return Ok(None);
        };
        // Whoever starts after this look takes the region after us, or before us and then we do not get it.
        if self.is_there(node)? {
            self.occupied.insert(region);
            return Ok(None);
        }
        let after = found.map(|serving| serving.region_epoch);
        match self.ask(StoreRequest::ServeRegion { region, node, after })? {
            StoreReply::Serving(region_epoch) => {
                let serving = Serving {
                    node,
                    region,
                    region_epoch,
                };
                self.served.insert(region, serving);
                Ok(Some(serving))
            }
            StoreReply::Service(_) => {
                self.occupied.insert(region);
                Ok(None)
            }
            reply => Err(unexpected(&reply)),
        }
    }

    /// Whether a node works on the store. A database is sure of an absence only once it has looked for a while.
    fn is_there(&self, node: NodeNumber) -> Result<bool, StoreError> {
        while self.store.has(node)? {
            let is_file = matches!(self.store, NodeStore::File(_));
            if is_file || self.began.elapsed() >= SURE_WITHIN {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(false)
    }

    fn sessions(&mut self) -> Result<(), StoreError> {
        let (idle_ms, mut after): (u64, Option<UserId>) = (self.idle_ms, None);
        loop {
            match self.ask(StoreRequest::ForgetSessions { idle_ms, after })? {
                StoreReply::SessionsForgotten { sessions, next } => {
                    self.sessions += sessions;
                    after = next;
                }
                reply => return Err(unexpected(&reply)),
            }
            if after.is_none() {
                return Ok(());
            }
            self.pause();
        }
    }

    fn by_region(&self, guests: &[StaleGuest]) -> BTreeMap<RegionNumber, Vec<ForgottenGuest>> {
        let mut by_region: BTreeMap<RegionNumber, Vec<ForgottenGuest>> = BTreeMap::new();
        for guest in guests {
            let (region, at) = self.topology.resting_place(guest.home_cell);
            by_region.entry(region).or_default().push(ForgottenGuest {
                user: guest.user,
                owner_epoch: guest.owner_epoch,
                x: at.x,
                y: at.y,
            });
        }
        by_region
    }

    fn ask(&self, request: StoreRequest) -> Result<StoreReply, StoreError> {
        let mut answers = self.store.execute(&[request]);
        let nothing = || Err(StoreError::Unknown("the store gave no answer".to_owned()));
        answers.pop().unwrap_or_else(nothing)
    }

    fn pause(&mut self) {
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            program::note(self.said().trim_end());
        }
        thread::sleep(PAUSE);
    }

    fn said(&self) -> String {
        let Self {
            guests,
            holdings,
            sessions,
            left_to_servers,
            ..
        } = self;
        let mut text = format!(
            "{guests} guests forgotten, {holdings} holdings laid down, {sessions} sessions of guests that never came forgotten\n"
        );
        if *left_to_servers > 0 {
            text += &format!("{left_to_servers} guests are left to the servers of their regions\n");
        }
        text
    }
}

fn unexpected(reply: &StoreReply) -> StoreError {
    StoreError::Unknown(format!("the store gave an answer to another question: {reply:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::geometry::Position;
    use protocol::ids::{AttemptId, ClusterId, EntityId, OwnerEpoch, RegionEpoch, StateVersion};
    use std::fs;
    use std::path::Path;
    use store::{Accept, Holder, Holding, Membership, PlayerBody, PlayerRow};

    const WORLD: &str = include_str!("../../topologies/two-by-two.toml");
    const HERE: RegionNumber = RegionNumber(1);
    const THERE: RegionNumber = RegionNumber(2);
    const FORMER: NodeNumber = NodeNumber(1);
    const RUNS: NodeNumber = NodeNumber(2);
    const GUEST: u64 = 1 << 40;

    fn ask(store: &NodeStore, request: StoreRequest) -> StoreReply {
        store.execute(&[request]).remove(0).unwrap()
    }

    fn open(file: &Path, data: &Path, node: NodeNumber) -> NodeStore {
        let member = Membership {
            cluster: ClusterId([1; 16]),
            node,
            data,
            accept: Accept::Remembered,
        };
        NodeStore::open_as(file, &member).unwrap()
    }

    /// Guests of a server, each with a holding of the same number, which never come back.
    fn left(store: &NodeStore, topology: &Topology, node: NodeNumber, region: RegionNumber, numbers: &[u64]) {
        let after = None;
        let serve = StoreRequest::ServeRegion { region, node, after };
        assert_eq!(ask(store, serve), StoreReply::Serving(RegionEpoch::first(1)));
        let [x, y] = topology.region(region).unwrap().rect.min.map(|edge| edge as f32);
        let home_cell = topology.world().grid().cell_at(Position { x, y });
        for number in numbers {
            let row = PlayerRow {
                user: UserId(GUEST + number),
                owner: Some(node),
                region,
                region_epoch: RegionEpoch::first(1),
                owner_epoch: OwnerEpoch(0),
                attempt: AttemptId(0),
                version: StateVersion(0),
                entity: EntityId(*number),
                body: PlayerBody {
                    home_cell,
                    ..PlayerBody::default()
                },
            };
            let holding = Holding {
                id: *number,
                kind: 1,
                holder: Holder::User(row.user),
                payload: Default::default(),
            };
            let row = match ask(store, StoreRequest::InsertPlayer { row }) {
                StoreReply::Inserted(row) => row,
                other => panic!("{other:?}"),
            };
            let (region, seed, holdings) = (RegionNumber(100 + *number as u32), 1, vec![holding]);
            ask(
                store,
                StoreRequest::SeedHoldings {
                    region,
                    seed,
                    holdings,
                },
            );
            let save = store::PlayerSave {
                user: row.user,
                owner_epoch: row.owner_epoch,
                version: StateVersion(1),
                body: row.body,
            };
            let serving = Serving {
                node,
                region: row.region,
                region_epoch: row.region_epoch,
            };
            assert_eq!(
                ask(store, StoreRequest::Release { serving, save }),
                StoreReply::Released
            );
        }
    }

    #[test]
    fn guests_go_where_no_node_serves_as_many_as_were_asked_for_and_the_rest_stays_to_servers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.db");
        let [data, other] = ["a", "b"].map(|name| folder.path().join(name));
        fs::create_dir(&data).unwrap();
        fs::create_dir(&other).unwrap();
        let topology = topology::parse("t.toml", WORLD).unwrap_or_else(|m| panic!("{m}"));
        let former = open(&file, &data, FORMER);
        left(&former, &topology, FORMER, HERE, &[1, 2, 3]);
        former.close();
        let runs = open(&file, &other, RUNS);
        left(&runs, &topology, RUNS, THERE, &[4]);

        let store = NodeStore::open(&file).unwrap();
        let mut prune = Prune::new(&store, &topology, 0, 2);
        prune.run().unwrap();
        assert_eq!((prune.guests, prune.holdings), (2, 2), "{}", prune.said());
        let mut prune = Prune::new(&store, &topology, 0, 100);
        prune.run().unwrap();
        assert_eq!((prune.guests, prune.left_to_servers), (1, 1), "{}", prune.said());
        let StoreReply::Holdings(holdings) = ask(&runs, StoreRequest::AllHoldings { after: None }) else {
            panic!("no holdings");
        };
        for holding in &holdings {
            match holding.holder {
                Holder::Ground { region, .. } => assert!(region == HERE && holding.id < 4, "{holding:?}"),
                Holder::User(user) => assert_eq!((user.0, holding.id), (GUEST + 4, 4)),
                Holder::Trade(_) => panic!("{holding:?}"),
            }
        }
        assert_eq!(holdings.len(), 4);
        let service = ask(&runs, StoreRequest::ReadService { region: THERE });
        let StoreReply::Service(Some(serving)) = service else {
            panic!("{service:?}");
        };
        assert_eq!(
            serving.region_epoch,
            RegionEpoch::first(1),
            "nobody was fenced who runs"
        );
        store.close();
        runs.close();
    }
}
