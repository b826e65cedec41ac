//! Who sees whom: one snapshot for one player, made of the cells around its home cell under a byte budget.
//!
//! Where all of what the player lacks fits in, it is a section that all share who lack the same. Else the nearest cells go
//! first; one that was left out counts as nearer each time, and in the end the others wait for it,
//! so that none starves. What a cell costs is what its encoded bytes cost: they are appended as they came. Only a crowd,
//! whose cell no snapshot holds, is encoded again as a partial, nearest entities first.

use std::cmp::Reverse;

use bytes::Bytes;
use protocol::cell::{CellPoint, SnapshotHead, SnapshotWriter};
use protocol::geometry::{CellGrid, CellIndex, Position, Rect};
use protocol::ids::RegionNumber;
use protocol::limits::{SNAPSHOT_CELLS_MAX, SNAPSHOT_REGIONS_MAX};
use protocol::message::client::RegionView;

use super::section::{REGION_BYTES_MAX, Sections};
use super::session::Session;
use super::sight::{Sight, refresh_of};
use super::views::CellViews;

/// How much nearer a cell counts for each snapshot it was left out of, units.
const AGEING_UNITS: u32 = 16;
/// After so many the bytes that are left are saved up for it.
const LEFT_OUT_MAX: u32 = 4;
/// What of the room a crowd takes at most: nearly all, yet the cells around it often need but a few bytes, and would be told every
/// third snapshot for the sake of the crowd's farthest. What nobody takes is there for the next snapshot.
const CROWD_SHARE: (usize, usize) = (3, 4);
/// Bytes of a snapshot's head beside own state and regions, at most: nine numbers of up to eleven bytes.
const HEAD_BYTES_MAX: usize = 76;

/// What a cell contributes to this snapshot.
enum Piece {
    Keyframe(Bytes),
    /// Deltas since the state that the client will have.
    Deltas(u32),
    Partial(Bytes),
}

/// Bytes for cells in a snapshot.
#[derive(Clone, Copy)]
struct Room {
    /// Not planned yet.
    left: usize,
    /// In a snapshot that holds nothing else.
    whole: usize,
}

/// Buffers that one shard reuses from snapshot to snapshot.
#[derive(Default)]
pub(super) struct Composer {
    order: Vec<(u32, Reverse<u32>, usize)>,
    plan: Vec<(usize, Piece)>,
    regions: Vec<RegionView>,
    sections: Sections,
}

impl Composer {
    /// Appends a snapshot for the session to `out`, at most `bytes_max` bytes of it.
    pub(super) fn compose(
        &mut self,
        session: &mut Session,
        views: &mut CellViews,
        grid: &CellGrid,
        bytes_max: usize,
        now_ms: u64,
        out: &mut Vec<u8>,
    ) {
        // Whom the player alone sees takes of the datagram, and not of the bytes that cells have over time.
        let only = only(session).iter();
        let only_bytes: usize = only.map(|cell| SnapshotWriter::cell_cost(cell.len())).sum();
        let own_bytes = session.own.bytes.len();
        let rest = bytes_max.saturating_sub(only_bytes);
        let budget = rest.min(session.sight.bytes.available(now_ms) as usize);
        let room = Room {
            left: budget.saturating_sub(HEAD_BYTES_MAX + own_bytes),
            whole: rest.saturating_sub(HEAD_BYTES_MAX + own_bytes + REGION_BYTES_MAX),
        };
        let number = session.sight.next_number();
        let start = out.len();
        let home = session.sight.centre.unwrap_or_default();
        let cells_max = SNAPSHOT_CELLS_MAX - session.own.only.len();
        let section = self.sections.of(home, &session.sight, views, room.left, now_ms);
        if let Some(section) = section.filter(|section| section.count <= cells_max) {
            let mut writer = begin(session, number, &section.regions, bytes_max, now_ms, out);
            if writer.append_cells(&section.cells, section.count).is_ok() {
                section.note(&mut session.sight, now_ms);
            }
        } else {
            let near = position(session, views, grid);
            self.plan(&mut session.sight, views, grid, near, room, now_ms);
            let mut writer = begin(session, number, &self.regions, bytes_max, now_ms, out);
            for (index, piece) in self.plan.drain(..) {
                write(&mut writer, &mut session.sight, views, index, &piece, now_ms);
            }
        }
        let written = (out.len() - start).saturating_sub(only_bytes);
        session.sight.bytes.spend(written as u32, now_ms);
        session.composed_at_ms = now_ms;
    }

    /// Forgets what nobody uses any more.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.sections.sweep(now_ms);
    }

    /// Decides what each cell contributes, and leaves out what does not fit.
    fn plan(
        &mut self,
        sight: &mut Sight,
        views: &mut CellViews,
        grid: &CellGrid,
        near: Position,
        mut room: Room,
        now_ms: u64,
    ) {
        self.plan.clear();
        self.regions.clear();
        self.order.clear();
        self.order
            .extend(sight.cells.iter().enumerate().map(|(index, seen)| {
                let distance = cell_rect(grid, seen.cell).distance(near) as u32;
                (
                    distance.saturating_sub(seen.left_out.saturating_mul(AGEING_UNITS)),
                    Reverse(seen.left_out),
                    index,
                )
            }));
        self.order.sort_unstable();

        for at in 0..self.order.len() {
            let (_, _, index) = self.order[at];
            self.plan_cell(sight, views, grid, near, index, &mut room, now_ms);
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the inner loop of plan, apart so that it can be read"
    )]
    fn plan_cell(
        &mut self,
        sight: &mut Sight,
        views: &mut CellViews,
        grid: &CellGrid,
        near: Position,
        index: usize,
        bytes: &mut Room,
        now_ms: u64,
    ) {
        let cell = sight.cells[index].cell;
        let Some(view) = views.get(cell) else { return };
        let (Some(seq), region, epoch) = (view.seq(), view.region, view.epoch) else {
            return;
        };
        if sight.cells[index].epoch != epoch {
            sight.restart(index, epoch);
        }
        let seen = sight.cells[index];
        let keyframe_due = refresh_of(cell, now_ms) > seen.refreshed;
        if seen.sent == Some(seq) && !keyframe_due {
            return;
        }
        let Some(region_cost) = self.region_cost(region) else {
            sight.cells[index].left_out += 1;
            return;
        };
        let room = bytes.left.saturating_sub(region_cost);

        let repair = seen.sent.filter(|sent| *sent < seq).and_then(|sent| {
            let costs = view
                .deltas_since(sent)?
                .map(|bytes| SnapshotWriter::cell_cost(bytes.len()));
            Some((sent, costs.sum::<usize>()))
        });
        // A keyframe that is only due, not needed, gives way to deltas when it does not fit.
        let keyframe = (keyframe_due || repair.is_none())
            .then(|| views.keyframe(cell))
            .flatten();
        let (piece, cost) = match (keyframe, repair) {
            (Some(bytes), _) if SnapshotWriter::cell_cost(bytes.len()) <= room => {
                let cost = SnapshotWriter::cell_cost(bytes.len());
                (Piece::Keyframe(bytes), cost)
            }
            (_, Some((sent, cost))) if cost <= room => (Piece::Deltas(sent), cost),
            _ => {
                let whole = views.keyframe(cell).map_or(0, |bytes| bytes.len());
                let crowd = SnapshotWriter::cell_cost(whole) > bytes.whole;
                let share = room / CROWD_SHARE.1 * CROWD_SHARE.0;
                let nearest = crowd.then(|| partial(views, grid, cell, near, share)).flatten();
                let Some(nearest) = nearest else {
                    let left_out = &mut sight.cells[index].left_out;
                    *left_out += 1;
                    if *left_out > LEFT_OUT_MAX && !crowd {
                        bytes.left = 0;
                    }
                    return;
                };
                let cost = SnapshotWriter::cell_cost(nearest.len());
                (Piece::Partial(nearest), cost)
            }
        };
        sight.cells[index].left_out = 0;
        if region_cost > 0 {
            self.regions.extend(views.region(region));
        }
        bytes.left = room.saturating_sub(cost);
        self.plan.push((index, piece));
    }

    /// Bytes that naming a cell's region takes. `None`: no client takes a snapshot that names one more, so the cell's turn
    /// comes, as if there had been no room.
    fn region_cost(&self, region: RegionNumber) -> Option<usize> {
        if self.regions.iter().any(|named| named.region == region.0) {
            return Some(0);
        }
        (self.regions.len() < SNAPSHOT_REGIONS_MAX).then_some(REGION_BYTES_MAX)
    }
}

/// Begins a snapshot with what is the player's own: the head, and whom it alone sees.
fn begin<'a>(
    session: &Session,
    number: u32,
    regions: &[RegionView],
    bytes_max: usize,
    now_ms: u64,
    out: &'a mut Vec<u8>,
) -> SnapshotWriter<'a> {
    let mut writer = SnapshotWriter::new(out, &head(session, number, regions, now_ms), bytes_max);
    for cell in only(session) {
        // There is room: both are bounded, and go before all else.
        let _ = writer.append_cell(cell);
    }
    writer
}

/// Whom the player alone sees, as its owner says.
fn only(session: &Session) -> &[Bytes] {
    if session.own.owner_epoch == session.route.trusted_epoch() {
        &session.own.only
    } else {
        &[]
    }
}

fn head<'a>(session: &'a Session, number: u32, regions: &'a [RegionView], now_ms: u64) -> SnapshotHead<'a> {
    let owner_epoch = session.route.trusted_epoch();
    // What a former owner said goes with its ticks: under the epoch of one that counts lower ones it would hide all that is to come.
    let own = (session.own.owner_epoch == owner_epoch).then_some(&session.own);
    SnapshotHead {
        number,
        tick: own.map_or(0, |own| own.tick),
        input_ack: session.own.input_ack,
        own: own.map_or(&[], |own| &own.bytes),
        owner_epoch: owner_epoch.0,
        regions,
        echo_ms: session.inputs.sent_at_ms,
        echo_held_ms: now_ms
            .saturating_sub(session.inputs.received_at_ms)
            .min(u64::from(u32::MAX)) as u32,
        home_cell: session.sight.centre.unwrap_or_default(),
        discontinuity: session.own.discontinuity,
    }
}

/// Appends one cell's piece and notes what the client will have then.
fn write(
    writer: &mut SnapshotWriter<'_>,
    sight: &mut Sight,
    views: &CellViews,
    index: usize,
    piece: &Piece,
    now_ms: u64,
) {
    let Some(view) = views.get(sight.cells[index].cell) else {
        return;
    };
    let Some(seq) = view.seq() else { return };
    match piece {
        Piece::Keyframe(bytes) => {
            if writer.append_cell(bytes).is_ok() {
                sight.sent_whole(index, view.epoch, seq, now_ms);
            }
        }
        Piece::Deltas(base) => {
            let Some(deltas) = view.deltas_since(*base) else {
                return;
            };
            // The plan made room for all of them. Should one be refused, the client has those before it, and the next
            // repair starts from a state that is older than its own: that applies as well.
            let all = deltas.clone().all(|bytes| writer.append_cell(bytes).is_ok());
            if all {
                sight.sent(index, Some(*base), seq);
            }
        }
        Piece::Partial(bytes) => {
            let _ = writer.append_cell(bytes);
        }
    }
}

/// A partial is worth its bytes only where there is room for several entities.
const PARTIAL_ROOM_MIN: usize = 64;

fn partial(
    views: &mut CellViews,
    grid: &CellGrid,
    cell: CellIndex,
    near: Position,
    room: usize,
) -> Option<Bytes> {
    let room = room.checked_sub(3).filter(|room| *room >= PARTIAL_ROOM_MIN)?;
    views.partial(cell, CellPoint::of(near, cell, grid), room)
}

/// Where the player stands, as its home cell shows it; before it does, the middle of the cell.
fn position(session: &Session, views: &CellViews, grid: &CellGrid) -> Position {
    let Some(home) = session.sight.centre else {
        return Position::default();
    };
    let half = grid.cell_size as f32 / 2.0;
    let origin = grid.origin(home);
    let middle = Position {
        x: origin.x + half,
        y: origin.y + half,
    };
    let seen = views.get(home).and_then(|view| view.entity(session.own.entity));
    seen.map_or(middle, |entity| entity.motion.at.position(home, grid))
}

fn cell_rect(grid: &CellGrid, cell: CellIndex) -> Rect {
    let (column, row) = grid.column_row(cell);
    let (x, y) = (column * grid.cell_size, row * grid.cell_size);
    Rect {
        min: [x, y],
        max: [x + grid.cell_size, y + grid.cell_size],
    }
}
