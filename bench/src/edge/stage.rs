//! One proxy shard between real clients and a real region, moved tick by tick, so that each step can be measured alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use demo::OwnState;
use gameserver::region::RegionInput;
use net::link_core::{Clear, Sealing as _};
use net::udp::BatchSocket;
use protocol::cell::DecodedCell;
use protocol::datagram::ConnectionId;
use protocol::geometry::CellGrid;
use protocol::ids::{AttachNo, LiveLane, RegionEpoch, RegionNumber, SessionGeneration, UserId};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::message::client;
use protocol::message::family::{BatchReader, ProxyToServer, ServerToProxy};
use protocol::message::player::{Inputs, Output};
use protocol::message::subscription::{CellUpdates, Unsubscribe};
use proxy::edge::{Admission, Edge, EdgeConfig, EdgeEffect, EdgeInput, OwnerAnswer, RegionCells};

use super::clients::{Arrivals, Clients};
use super::laps::Laps;
use super::shard::{Done, Job, ShardHandle};
use crate::clocks::thread_cpu_ns;
use crate::scene::{self, PROXIES, REGION, RegionHost, SERVER, SESSION, Walkers};

/// The world holds so many players for each of this shard: two proxies with one shard each.
const SHARDS: usize = 2;

/// What one tick took and brought.
#[derive(Default)]
pub(super) struct Ticked {
    /// CPU of the shard's thread, nanoseconds.
    pub(super) cpu_ns: u64,
    pub(super) laps: Laps,
    /// CPU of decoding cells, which a link's reader does once for all shards, nanoseconds.
    pub(super) decode_ns: u64,
    /// CPU of the region's tick, nanoseconds.
    pub(super) region_ns: u64,
    pub(super) arrivals: Arrivals,
}

/// All parts.
pub(super) struct Stage {
    players: usize,
    grid: CellGrid,
    host: RegionHost,
    walkers: Walkers,
    epochs: Vec<u64>,
    clients: Clients,
    shard: ShardHandle,
    tick: u64,
    decode_ns: u64,
    refused: u64,
}

impl Stage {
    /// So many players at the shard, all playing by datagram.
    pub(super) fn set(players: usize) -> anyhow::Result<Self> {
        let cells_wide = scene::cells_wide(players * SHARDS);
        let topology = scene::world(cells_wide)?;
        let socket = Arc::new(BatchSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?);
        let address = socket.local_addr()?;
        let edge = Edge::new(EdgeConfig::default(), Arc::clone(&topology));
        let mut stage = Self {
            players,
            grid: topology.world().grid(),
            host: RegionHost::new(&topology)?,
            walkers: Walkers::new(players * SHARDS, cells_wide * scene::CELL_SIZE),
            epochs: vec![0; players * SHARDS],
            clients: Clients::new(),
            shard: ShardHandle::spawn(edge, socket)?,
            tick: 0,
            decode_ns: 0,
            refused: 0,
        };
        stage.hear(vec![EdgeInput::ServerUp(SERVER)])?;
        stage.hear_region()?;
        for number in 0..players * SHARDS {
            if number < players {
                stage.admit(number, address)?;
            }
            stage.host.join(proxy_of(number, players), user(number));
            stage.hear_region()?;
        }
        stage.bind()?;
        Ok(stage)
    }

    fn admit(&mut self, number: usize, proxy: SocketAddr) -> anyhow::Result<()> {
        let prk = Prk::extract(&[0; 32], &number.to_le_bytes());
        let cid = ConnectionId((number as u64 + 1).to_le_bytes());
        let keys = || {
            let to_proxy = DatagramSecret::new(&prk, Direction::InitiatorToResponder);
            (
                to_proxy,
                DatagramSecret::new(&prk, Direction::ResponderToInitiator),
            )
        };
        let (datagrams_to_proxy, datagrams_to_client) = keys();
        self.clients.add(proxy, cid, keys(), self.host.now_ms())?;
        let admission = Admission {
            user: user(number),
            name: String::new(),
            session_id: SESSION,
            generation: SessionGeneration(1),
            attach_no: AttachNo(1),
            ticket: Bytes::from_static(&[0; 180]),
            region_hint: Some(REGION),
            cid: cid.0,
            datagrams_to_proxy,
            datagrams_to_client,
        };
        let done = self.run(vec![EdgeInput::Admit(Box::new(admission))])?;
        let admitted = done.effects.iter().find_map(|effect| match effect {
            EdgeEffect::Admitted(_, handle, _) => Some(*handle),
            _ => None,
        });
        let attach = client::Attach {
            attach_no: 1,
            signature: Bytes::from_static(&[1; 64]),
            ..client::Attach::default()
        };
        let handle = admitted.context("the shard did not admit a player")?;
        self.hear(vec![EdgeInput::FromClient(handle, attach.into())])
    }

    /// Every client shows that it receives at its address.
    fn bind(&mut self) -> anyhow::Result<()> {
        let now_ms = self.host.now_ms();
        self.clients.bind(now_ms)?;
        self.shard.run(Job::Sweep { now_ms })?;
        self.clients.receive(now_ms)?;
        self.clients.respond(now_ms)?;
        self.shard.run(Job::Sweep { now_ms })?;
        Ok(())
    }

    /// Moves everything by one tick.
    pub(super) fn tick(&mut self) -> anyhow::Result<Ticked> {
        self.tick += 1;
        let now_ms = self.host.now_ms();
        let walkers = &self.walkers;
        self.clients.send_inputs(|number| walkers.input(number), now_ms)?;
        let swept = self.shard.run(Job::Sweep { now_ms })?;
        ensure!(swept.datagrams_in == self.players, "inputs were lost on loopback");
        self.walk_others();
        let mut ticked = Ticked {
            cpu_ns: swept.cpu_ns,
            laps: swept.laps,
            ..Ticked::default()
        };
        self.carry_out(swept)?;
        ticked.region_ns = self.host.tick();
        self.decode_ns = 0;
        let inputs = self.said()?;
        let heard = self.run(inputs)?;
        ensure!(
            heard.sent.dropped_full == 0,
            "snapshots were dropped at the socket"
        );
        ticked.cpu_ns += heard.cpu_ns;
        ticked.laps += heard.laps;
        ticked.decode_ns = self.decode_ns;
        self.carry_out(heard)?;
        ticked.arrivals = self.clients.receive(self.host.now_ms())?;
        Ok(ticked)
    }

    /// The same datagrams both ways without anything of ours in between; CPU in nanoseconds.
    pub(super) fn tick_bare(&mut self, arrivals: &Arrivals) -> anyhow::Result<u64> {
        self.clients.send_again()?;
        let received = self.shard.run(Job::SweepBare)?;
        ensure!(
            received.datagrams_in == self.players,
            "inputs were lost on loopback"
        );
        let (to, sizes) = (arrivals.to.clone(), arrivals.sizes.clone());
        let sent = self.shard.run(Job::SendBare { to, sizes })?;
        let discarded = self.clients.discard()?;
        ensure!(
            discarded == arrivals.sizes.len(),
            "snapshots were lost on loopback"
        );
        Ok(received.cpu_ns + sent.cpu_ns)
    }

    /// Measures the parts of the shard's work from now on.
    pub(super) fn take_laps(&mut self) -> anyhow::Result<()> {
        self.shard.run(Job::TakeLaps).map(|_| ())
    }

    /// Messages and datagrams that the shard refused so far: none, or the benchmark measures the wrong thing.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    fn walk_others(&mut self) {
        for number in self.players..self.epochs.len() {
            let input = Bytes::copy_from_slice(&self.walkers.input(number).encode());
            let inputs = Inputs {
                user: user(number).0,
                owner_epoch: self.epochs[number],
                number: self.tick,
                inputs: vec![input],
            };
            let proxy = proxy_of(number, self.players);
            self.host.give(RegionInput::FromProxy(proxy, inputs.into()));
        }
    }

    fn run(&mut self, inputs: Vec<EdgeInput>) -> anyhow::Result<Done> {
        let now_ms = self.host.now_ms();
        self.shard.run(Job::Hear { inputs, now_ms })
    }

    fn hear(&mut self, inputs: Vec<EdgeInput>) -> anyhow::Result<()> {
        let done = self.run(inputs)?;
        self.carry_out(done)
    }

    fn hear_region(&mut self) -> anyhow::Result<()> {
        let inputs = self.said()?;
        self.hear(inputs)
    }

    /// Does what the shard wants done, and what comes of that.
    fn carry_out(&mut self, done: Done) -> anyhow::Result<()> {
        let mut frames = Clear::default();
        frames.extend(&done.to_server);
        while let Some(frame) = frames.next_frame(0)? {
            let mut batch = BatchReader::new(frame.payload);
            while let Some(message) = batch.next_message::<ProxyToServer>()? {
                if let ProxyToServer::Inputs(inputs) = message {
                    self.host.give(RegionInput::FromProxy(PROXIES[0], inputs.into()));
                }
            }
        }
        let mut answers = Vec::new();
        for effect in done.effects {
            match effect {
                EdgeEffect::Watch(cell) => self.host.subscribe(PROXIES[0], vec![cell.0]),
                EdgeEffect::Unwatch(cell) => self.unsubscribe(cell.0),
                EdgeEffect::ReadOwner(user, trusted) => {
                    let row = self.host.owner(user)?;
                    let (node, region, epoch) = (row.node, row.region, row.owner_epoch);
                    let answer = OwnerAnswer::Row { node, region, epoch };
                    answers.push(EdgeInput::Owner(user, trusted, answer));
                }
                EdgeEffect::CloseClient(_, _, code) => bail!("the shard closed a client: {code:?}"),
                EdgeEffect::Refused(_) => self.refused += 1,
                _ => {}
            }
        }
        if answers.is_empty() {
            return Ok(());
        }
        self.hear(answers)
    }

    fn unsubscribe(&mut self, cell: u32) {
        let unsubscribe = Unsubscribe {
            region: REGION.0,
            region_epoch: self.host.epoch(),
            cells: vec![cell],
        };
        self.host
            .give(RegionInput::FromProxy(PROXIES[0], unsubscribe.into()));
    }

    /// What the region said, as the reader of the proxy's link hands it to the shard.
    fn said(&mut self) -> anyhow::Result<Vec<EdgeInput>> {
        let mut inputs = Vec::new();
        let (mut cells, mut ends) = (Vec::new(), Vec::new());
        for (proxy, message) in self.host.take_said() {
            match &message {
                ServerToProxy::Output(output) => self.see(output)?,
                ServerToProxy::Joined(joined) => self.epochs[number(joined.user)] = joined.owner_epoch,
                _ => {}
            }
            if proxy != PROXIES[0].at {
                continue;
            }
            match message {
                ServerToProxy::Serving(serving) => inputs.push(EdgeInput::Serving(SERVER, serving)),
                ServerToProxy::CellUpdates(updates) => cells.push(self.decoded(updates)?),
                ServerToProxy::TickEnd(end) => ends.push(EdgeInput::TickEnd(SERVER, end)),
                message => inputs.push(EdgeInput::FromServer(SERVER, message)),
            }
        }
        inputs.extend(cells);
        inputs.extend(ends);
        Ok(inputs)
    }

    fn see(&mut self, output: &Output) -> anyhow::Result<()> {
        let own = OwnState::parse(&output.own)?;
        self.walkers.seen(number(output.user), own.at);
        Ok(())
    }

    fn decoded(&mut self, updates: CellUpdates) -> anyhow::Result<EdgeInput> {
        let before = thread_cpu_ns();
        let cells = updates.cells.into_iter();
        let cells = cells.map(|bytes| DecodedCell::parse(&bytes, &self.grid).map(|cell| (bytes, cell)));
        let decoded = RegionCells {
            node: SERVER,
            region: RegionNumber(updates.region),
            region_epoch: RegionEpoch(updates.region_epoch),
            tick: updates.tick,
            server_time_ms: updates.server_time_ms,
            cells: cells.collect::<Result<_, _>>()?,
        };
        self.decode_ns += thread_cpu_ns() - before;
        Ok(EdgeInput::Cells(decoded))
    }
}

fn user(number: usize) -> UserId {
    UserId(number as u64 + 1)
}

fn number(user: u64) -> usize {
    user as usize - 1
}

fn proxy_of(number: usize, players: usize) -> LiveLane {
    PROXIES[usize::from(number >= players)]
}
