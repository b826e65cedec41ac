//! What one region's tick costs, from a hundred walking players to ten thousand, and with a crowd in one cell, beside
//! the bare arithmetic of the same walk in a flat array.

use bytes::Bytes;
use demo::OwnState;
use gameserver::region::{PHASES, RegionInput};
use protocol::ids::UserId;
use protocol::message::family::ServerToProxy;
use protocol::message::player::Inputs;

use crate::clocks::thread_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;
use crate::pairs::Pairs;
use crate::scene::{self, PROXIES, RegionHost, Walkers};

/// Players of the growth series, at the usual density.
const SIZES: [usize; 5] = [100, 300, 1_000, 3_000, 10_000];
/// Players of the crowd, all in one cell.
const CROWD: usize = 1_000;
/// Player ticks of one sample, about.
const SAMPLE_PLAYER_TICKS: usize = 200_000;
/// A soft save of everybody falls due once a second: samples hold whole seconds.
const SECOND_TICKS: usize = 20;

/// Measures and publishes all sizes; `pairs` pairs of each.
pub(crate) fn run(pairs: usize) -> anyhow::Result<()> {
    for players in SIZES {
        let others = Others::watch();
        let mut field = Field::new(players, scene::cells_wide(players))?;
        measure(&format!("tick-{players}"), &mut field, pairs, &others)?;
    }
    let others = Others::watch();
    let mut field = Field::new(CROWD, 1)?;
    measure(&format!("tick-crowd-{CROWD}"), &mut field, pairs, &others)
}

fn measure(name: &str, field: &mut Field, pairs: usize, others: &Others) -> anyhow::Result<()> {
    let seconds = (SAMPLE_PLAYER_TICKS / field.players / SECOND_TICKS).clamp(1, 20);
    let ticks = seconds * SECOND_TICKS;
    field.sample(SECOND_TICKS, Look::Whole)?;
    let mut last = Spent::default();
    let mut bare = BareWalk::new(field.players);
    let measured = Pairs::take(pairs, || {
        last = field.sample(ticks, Look::Whole)?;
        let per_tick = |ns: u64| ns as f64 / ticks as f64 / 1e3;
        Ok((
            per_tick(last.tick_ns + last.inputs_ns),
            per_tick(bare.sample(ticks)),
        ))
    })?;
    let what = format!(
        "CPU of a region's tick with {} walking players in {} cells, two proxies subscribed; bare: the same steps in a \
         flat array, packed",
        field.players, field.cells
    );
    let mut figure = Figure::paired(name, what, "us", &measured);
    let per_tick = |ns: u64| ns as f64 / ticks as f64 / 1e3;
    figure.detail("per player, us", measured.figure() / field.players as f64);
    figure.detail("share of a tick's 50 ms, percent", measured.figure() / 500.0);
    figure.detail("cells changed per tick", last.cells as f64 / ticks as f64);
    figure.detail("bytes of cells per tick", last.cell_bytes as f64 / ticks as f64);
    figure.detail("part: inputs as they arrive, us", per_tick(last.inputs_ns));
    let parts = field.sample(ticks, Look::Phases)?;
    for (phase, ns) in PHASES.iter().zip(parts.phases_ns) {
        figure.detail(format!("part: {phase}, us"), per_tick(ns));
        if *phase == "encode" {
            figure.detail(
                "encode per changed cell, us",
                ns as f64 / parts.cells as f64 / 1e3,
            );
        }
    }
    publish(name, vec![figure], others)
}

/// What of a tick is measured.
#[derive(Clone, Copy)]
enum Look {
    Whole,
    Phases,
}

/// What several ticks took.
#[derive(Default)]
struct Spent {
    tick_ns: u64,
    inputs_ns: u64,
    phases_ns: [u64; PHASES.len()],
    cells: usize,
    cell_bytes: usize,
}

/// A region full of players who walk.
struct Field {
    players: usize,
    cells: u32,
    host: RegionHost,
    walkers: Walkers,
    epochs: Vec<u64>,
    tick: u64,
}

impl Field {
    fn new(players: usize, cells_wide: u32) -> anyhow::Result<Self> {
        let topology = scene::world(cells_wide)?;
        let cells = topology.world().grid().len();
        let mut field = Self {
            players,
            cells,
            host: RegionHost::new(&topology)?,
            walkers: Walkers::new(players, cells_wide * scene::CELL_SIZE),
            epochs: vec![0; players],
            tick: 0,
        };
        for proxy in PROXIES {
            field.host.subscribe(proxy, (0..cells).collect());
        }
        for number in 0..players {
            let proxy = PROXIES[number % PROXIES.len()];
            field.host.join(proxy, UserId(number as u64 + 1));
        }
        field.hear(&mut Spent::default())?;
        Ok(field)
    }

    fn sample(&mut self, ticks: usize, look: Look) -> anyhow::Result<Spent> {
        let mut spent = Spent::default();
        for _ in 0..ticks {
            let inputs = self.inputs();
            spent.inputs_ns += self.host.give_all(inputs);
            match look {
                Look::Whole => spent.tick_ns += self.host.tick(),
                Look::Phases => {
                    let phases = self.host.tick_in_phases();
                    let sums = spent.phases_ns.iter_mut();
                    sums.zip(phases).for_each(|(sum, (_, ns))| *sum += ns);
                }
            }
            self.hear(&mut spent)?;
        }
        Ok(spent)
    }

    fn inputs(&mut self) -> Vec<RegionInput> {
        self.tick += 1;
        let input = |(number, epoch): (usize, &u64)| {
            let bytes = Bytes::copy_from_slice(&self.walkers.input(number).encode());
            let inputs = Inputs {
                user: number as u64 + 1,
                owner_epoch: *epoch,
                number: self.tick,
                inputs: vec![bytes],
            };
            RegionInput::FromProxy(PROXIES[number % PROXIES.len()], inputs.into())
        };
        self.epochs.iter().enumerate().map(input).collect()
    }

    fn hear(&mut self, spent: &mut Spent) -> anyhow::Result<()> {
        for (proxy, message) in self.host.take_said() {
            match message {
                ServerToProxy::Joined(joined) => self.epochs[joined.user as usize - 1] = joined.owner_epoch,
                ServerToProxy::Output(output) => {
                    let own = OwnState::parse(&output.own)?;
                    self.walkers.seen(output.user as usize - 1, own.at);
                }
                ServerToProxy::CellUpdates(updates) if proxy == PROXIES[0].at => {
                    spent.cells += updates.cells.len();
                    spent.cell_bytes += updates.cells.iter().map(Bytes::len).sum::<usize>();
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The same number of walkers as numbers in a row: step, turn round at the rim, six packed bytes each.
struct BareWalk {
    walkers: Vec<([f32; 2], [f32; 2])>,
    packed: Vec<u8>,
}

impl BareWalk {
    fn new(count: usize) -> Self {
        let walker = |number: usize| ([number as f32 % 512.0, 9.0], [0.2, 0.1]);
        Self {
            walkers: (0..count).map(walker).collect(),
            packed: Vec::new(),
        }
    }

    fn sample(&mut self, ticks: usize) -> u64 {
        let before = thread_cpu_ns();
        for _ in 0..ticks {
            self.packed.clear();
            for (number, (at, step)) in self.walkers.iter_mut().enumerate() {
                for (at, step) in at.iter_mut().zip(step) {
                    *at += *step;
                    if !(0.0..512.0).contains(at) {
                        *step = -*step;
                    }
                }
                let [x, y] = at.map(|at| (at * 64.0) as i16);
                let slot = number as u8;
                let ([x0, x1], [y0, y1]) = (x.to_le_bytes(), y.to_le_bytes());
                self.packed.extend_from_slice(&[slot, x0, x1, y0, y1, 7]);
            }
            std::hint::black_box(&self.packed);
        }
        thread_cpu_ns() - before
    }
}
