//! Players of one home cell under losses of their own: whoever gets a copy ends with the same cells as who got its own.

use bytes::Bytes;
use protocol::cell::{
    CellEncoder, CellEntity, CellPoint, CellState, DecodedCell, Motion, ParsedSnapshot, PositionForm,
    SnapshotHead,
};
use protocol::geometry::CellGrid;
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionNumber};
use protocol::message::checked::SnapshotAck;
use protocol::message::client::UpdateKind;

use super::*;
use crate::edge::views::RegionCells;

const HOME: CellIndex = CellIndex(5);
const ROOM: usize = 1_100;
const ENTITIES: u16 = 4;

/// Cells that change at random, and the views that are told.
struct World {
    grid: CellGrid,
    views: CellViews,
    truth: Vec<CellState>,
    epoch: RegionEpoch,
    tick: u64,
    dice: u32,
}

impl World {
    fn new() -> Self {
        let grid = CellGrid::new([128, 96], 32).unwrap();
        let mut views = CellViews::new(&grid);
        for cell in grid.around(HOME, 1) {
            views.watch(cell, RegionNumber(1), 0);
        }
        let mut world = Self {
            grid,
            views,
            truth: vec![CellState::default(); grid.len() as usize],
            epoch: RegionEpoch(1),
            tick: 0,
            dice: 7,
        };
        world.begin();
        world
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.dice >> 16) % sides
    }

    fn now_ms(&self) -> u64 {
        self.tick * 50
    }

    /// The region is served, from the first state of each cell on.
    fn begin(&mut self) {
        let cells: Vec<CellIndex> = self.grid.around(HOME, 1).collect();
        let keyframes = cells.iter().map(|cell| {
            let mut encoder = CellEncoder::new(PositionForm::of(&self.grid));
            for slot in 0..ENTITIES {
                let entity = CellEntity {
                    id: EntityId(u64::from(cell.0) << 8 | u64::from(slot)),
                    kind: 1,
                    owner_epoch: OwnerEpoch(1),
                    motion: Motion::default(),
                    state: Default::default(),
                    jumped: false,
                };
                encoder.put_add(slot, &entity).unwrap();
            }
            encoder.finish_keyframe(*cell, 1)
        });
        let keyframes = keyframes.collect();
        self.truth.fill(CellState::default());
        self.publish(keyframes);
    }

    /// Somebody moves in some of the cells.
    fn change(&mut self) {
        let cells: Vec<CellIndex> = self.grid.around(HOME, 1).collect();
        let mut deltas = Vec::new();
        for cell in cells {
            if self.roll(3) > 0 {
                continue;
            }
            let seq = self.truth[cell.0 as usize].seq();
            let at = CellPoint {
                x: self.roll(2_000) as i16,
                y: self.roll(2_000) as i16,
            };
            let mut encoder = CellEncoder::new(PositionForm::of(&self.grid));
            let slot = self.roll(u32::from(ENTITIES)) as u16;
            encoder.put_move(slot, at, 3).unwrap();
            deltas.push(encoder.finish_delta(cell, seq, seq + 1));
        }
        self.publish(deltas);
    }

    fn publish(&mut self, updates: Vec<Bytes>) {
        self.tick += 1;
        let mut cells = Vec::new();
        for bytes in updates {
            let decoded = DecodedCell::parse(&bytes, &self.grid).unwrap();
            self.truth[decoded.cell.0 as usize].apply(&decoded).unwrap();
            cells.push((bytes, decoded));
        }
        let published = RegionCells {
            node: NodeNumber(1),
            region: RegionNumber(1),
            region_epoch: self.epoch,
            tick: self.tick,
            server_time_ms: 0,
            cells,
        };
        self.views.take(&published, self.tick * 50, &mut Vec::new());
    }
}

/// What one player's client does with what arrives.
struct Player {
    sight: Sight,
    cells: Vec<CellState>,
    taken: Vec<u32>,
}

impl Player {
    fn new(grid: &CellGrid) -> Self {
        let mut sight = Sight::new(16_000, 0);
        let visible: Vec<CellIndex> = grid.around(HOME, 1).collect();
        sight.look(HOME, &visible);
        Self {
            sight,
            cells: vec![CellState::default(); grid.len() as usize],
            taken: Vec::new(),
        }
    }

    /// Gets a snapshot, which is lost or taken and acknowledged. Whether it was a copy.
    fn get(&mut self, sections: &mut Sections, world: &mut World, is_lost: bool) -> bool {
        let (now_ms, version) = (world.now_ms(), world.views.version());
        let number = self.sight.next_number();
        let made = sections.by_home.get(&HOME);
        let is_copy = made.is_some_and(|made| made.suits(&self.sight, (version, now_ms)));
        let section = sections
            .of(HOME, &self.sight, &mut world.views, ROOM, now_ms)
            .unwrap();
        let mut bytes = Vec::new();
        let head = SnapshotHead {
            number,
            regions: &section.regions,
            home_cell: HOME,
            ..SnapshotHead::default()
        };
        let mut writer = SnapshotWriter::new(&mut bytes, &head, ROOM + 100);
        writer.append_cells(&section.cells, section.count).unwrap();
        section.note(&mut self.sight, now_ms);
        if !is_lost {
            self.take(number, bytes.into(), world);
        }
        is_copy
    }

    fn take(&mut self, number: u32, bytes: Bytes, world: &World) {
        let snapshot = prost::Message::decode(bytes).unwrap();
        let parsed = ParsedSnapshot::check(snapshot, &world.grid).unwrap();
        for cell in &parsed.cells {
            let state = &mut self.cells[cell.cell.0 as usize];
            // Whatever was there: its region may be served anew.
            if cell.kind == UpdateKind::Keyframe {
                *state = CellState::default();
            }
            let _ = state.apply(cell);
        }
        let recent = self.taken.iter().filter(|taken| number - **taken <= 32);
        let mask = recent.fold(0, |mask, taken| mask | 1 << (number - taken - 1));
        self.taken.push(number);
        self.sight.acknowledge(SnapshotAck { latest: number, mask });
    }

    fn sees(&self, world: &World) -> bool {
        let mut cells = world.grid.around(HOME, 1).map(|cell| cell.0 as usize);
        cells.all(|cell| self.cells[cell].entities().eq(world.truth[cell].entities()))
    }
}

#[test]
fn players_who_lose_different_snapshots_all_end_with_what_there_is() {
    let (mut world, mut sections) = (World::new(), Sections::default());
    let mut players: Vec<Player> = (0..5).map(|_| Player::new(&world.grid)).collect();
    let mut copies = 0;
    for tick in 0..400 {
        if tick == 200 {
            // Its numbers begin again.
            world.epoch = RegionEpoch(2);
            world.begin();
        } else {
            world.change();
        }
        for (index, player) in players.iter_mut().enumerate() {
            // The first two lose nothing.
            let is_lost = index >= 2 && tick < 390 && world.roll(5) == 0;
            copies += usize::from(player.get(&mut sections, &mut world, is_lost));
        }
    }
    for (index, player) in players.iter().enumerate() {
        assert!(player.sees(&world), "player {index}");
    }
    assert!((600..1_600).contains(&copies), "{copies} of 2000 were copies");
}

#[test]
fn who_lacks_the_same_gets_a_copy_and_who_lacks_more_does_not() {
    let (mut world, mut sections) = (World::new(), Sections::default());
    let mut players: Vec<Player> = (0..3).map(|_| Player::new(&world.grid)).collect();
    for tick in 0..200 {
        world.change();
        let mut get = |player: &mut Player| player.get(&mut sections, &mut world, false);
        let [first, second, third] = &mut players[..] else {
            panic!("there are three");
        };
        assert!(!get(first), "tick {tick}");
        assert!(get(second), "tick {tick}");
        // It comes every other tick, and lacks two states of what has changed since.
        if tick % 2 == 0 {
            get(third);
        }
        assert!(third.sees(&world) || tick % 2 == 1, "tick {tick}");
    }
    assert!(players[..2].iter().all(|player| player.sees(&world)));
    players[0].get(&mut sections, &mut world, false);
    assert_eq!(sections.by_home[&HOME].count, 0, "it lacks nothing any more");
}

#[test]
fn every_cell_is_whole_again_about_every_two_seconds_for_all_at_once() {
    let (mut world, mut sections) = (World::new(), Sections::default());
    let mut player = Player::new(&world.grid);
    let mut since = vec![0; world.grid.len() as usize];
    for _ in 0..400 {
        world.change();
        player.get(&mut sections, &mut world, false);
        let section = &sections.by_home[&HOME];
        for part in &section.parts {
            let ticks = &mut since[part.cell.0 as usize];
            *ticks = match part.brings {
                Brings::Keyframe(..) => 0,
                Brings::Deltas(..) | Brings::Nothing => *ticks + 1,
            };
            assert!(*ticks <= 60, "cell {} was not whole for {ticks} ticks", part.cell);
        }
    }
}

#[test]
fn what_does_not_fit_is_no_section_and_what_nobody_uses_is_forgotten() {
    let (mut world, mut sections) = (World::new(), Sections::default());
    let player = Player::new(&world.grid);
    let now_ms = world.now_ms();
    let mut of = |room| {
        let section = sections.of(HOME, &player.sight, &mut world.views, room, now_ms);
        section.map(Section::bytes)
    };
    assert_eq!(of(300), None);
    let bytes = of(ROOM).unwrap();
    assert_eq!((of(bytes), of(bytes - 1)), (Some(bytes), None));
    sections.sweep(now_ms + KEPT_MS - 1);
    assert_eq!(sections.by_home.len(), 1);
    sections.sweep(now_ms + KEPT_MS);
    assert!(sections.by_home.is_empty());
}
