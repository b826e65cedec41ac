//! Properties of lookups over worlds cut at random: one owner for each place, and border strips that are needed on
//! both sides, each compared with the slow and obvious way to say the same.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use proptest::prelude::*;
use protocol::geometry::{Layer, Position, Rect};
use protocol::ids::NodeNumber;
use topology::{Code, Topology, parse};

const CELL: u32 = 8;

/// A world cut by guillotine: each cut takes the largest region that can still be halved.
#[derive(Clone, Debug)]
struct Cut {
    cells: [u32; 2],
    border_cells: u32,
    cuts: Vec<(u32, u32)>,
    owners: Vec<u8>,
}

fn worlds() -> impl Strategy<Value = Cut> {
    let cells = [4_u32..24, 4_u32..24];
    let cuts = prop::collection::vec((0_u32..1000, 0_u32..2), 0..14);
    let owners = prop::collection::vec(0_u8..3, 15);
    (cells, 1_u32..=3, cuts, owners).prop_map(|(cells, border_cells, cuts, owners)| Cut {
        cells,
        border_cells,
        cuts,
        owners,
    })
}

impl Cut {
    /// The regions, in cells.
    fn rects(&self) -> Vec<Rect> {
        let mut rects = vec![Rect {
            min: [0, 0],
            max: self.cells,
        }];
        for (index, &(at, axis)) in self.cuts.iter().enumerate() {
            let whole = rects[index % rects.len()];
            let axis = axis as usize;
            let room = whole.max[axis] - whole.min[axis];
            if room < 2 * self.border_cells {
                continue;
            }
            let line = whole.min[axis] + self.border_cells + at % (room - 2 * self.border_cells + 1);
            let (mut first, mut second) = (whole, whole);
            first.max[axis] = line;
            second.min[axis] = line;
            let place = index % rects.len();
            rects[place] = first;
            rects.push(second);
        }
        rects
    }

    /// The file, with rectangles given in cells.
    fn text(&self, rects: &[Rect]) -> String {
        let size = self.cells.map(|cells| cells * CELL);
        let mut text = format!(
            "[world]\nname = \"w\"\nsize = {size:?}\ncell_size = {CELL}\nview_rings = 1\nborder_cells = {}\n\
             tick_hz = 20\nhandover_margin = 1\n[[proxy]]\nname = \"p\"\nnumber = 9\ntcp = \"127.0.0.1:0\"\n\
             udp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n",
            self.border_cells
        );
        for number in 0..3 {
            writeln!(
                text,
                "[[server]]\nname = \"s{number}\"\nnumber = {}\npeer = \"[::1]:0\"\nproxy = \"[::1]:0\"",
                number + 1
            )
            .unwrap();
        }
        for (index, rect) in rects.iter().enumerate() {
            let (min, max) = (rect.min.map(|cell| cell * CELL), rect.max.map(|cell| cell * CELL));
            // The first region has the others as standbys, so that no server is idle.
            let owner = if index == 0 { 0 } else { self.owners[index] };
            let standby = if index == 0 { "[\"s1\", \"s2\"]" } else { "[]" };
            writeln!(
                text,
                "[[region]]\nname = \"r{index}\"\nnumber = {}\nmin = {min:?}\nmax = {max:?}\nserver = \"s{owner}\"\n\
                 standby = {standby}",
                index + 10
            )
            .unwrap();
        }
        text
    }

    fn topology(&self) -> Topology {
        parse("cut.toml", &self.text(&self.rects())).unwrap()
    }
}

proptest! {
    #[test]
    fn every_position_has_exactly_one_region_and_its_cell_agrees(cut in worlds(), x in 0.0_f32..1.0, y in 0.0_f32..1.0) {
        let topology = cut.topology();
        let size = topology.world().size;
        let at = Position { x: x * size[0] as f32, y: y * size[1] as f32 };
        let owners: Vec<_> = topology.regions().iter().filter(|region| region.rect.contains(at)).collect();
        prop_assert_eq!(owners.len(), 1);
        prop_assert_eq!(topology.region_at(at), owners[0]);
        let grid = topology.world().grid();
        prop_assert_eq!(topology.region_of_cell(grid.cell_at(at)), Some(owners[0].number));
        for cell in (0..grid.len()).map(protocol::geometry::CellIndex) {
            let region = topology.region_at(grid.origin(cell));
            for layer in Layer::ALL {
                prop_assert_eq!(topology.region_of_cell(grid.on(cell, layer)), Some(region.number));
            }
        }
        let beyond = protocol::geometry::CellIndex(grid.len() * 3);
        prop_assert_eq!(topology.region_of_cell(beyond), None);
    }

    #[test]
    fn border_strips_are_the_cells_within_reach_and_needed_on_both_sides(cut in worlds()) {
        let topology = cut.topology();
        let grid = topology.world().grid();
        for a in topology.regions() {
            for b in topology.regions() {
                let strip = topology.border_strip(a.number, b.number);
                let near = |cell| grid.within(a.rect).any(|mine| grid.rings_between(mine, cell) <= cut.border_cells);
                let slow: Vec<_> = grid.within(b.rect).filter(|&cell| a.number != b.number && near(cell)).collect();
                prop_assert_eq!(&strip, &slow);
                prop_assert_eq!(strip.is_empty(), topology.border_strip(b.number, a.number).is_empty());
                prop_assert_eq!(!strip.is_empty(), topology.neighbours(a.number).contains(&b.number));
            }
        }
    }

    #[test]
    fn peers_are_peers_of_each_other_and_cover_every_border(cut in worlds()) {
        let topology = cut.topology();
        for node in (1..=3).map(NodeNumber) {
            let peers = topology.peers_of(node);
            prop_assert!(!peers.contains(&node));
            for &peer in &peers {
                prop_assert!(topology.peers_of(peer).contains(&node));
            }
            for region in topology.regions_of(node) {
                prop_assert!(topology.may_serve(node, region.number));
                for &neighbour in topology.neighbours(region.number) {
                    let owner = topology.region(neighbour).unwrap().server;
                    prop_assert!(owner == node || peers.contains(&owner));
                }
            }
        }
    }

    #[test]
    fn a_moved_edge_is_a_gap_an_overlap_or_outside(cut in worlds(), which in 0_usize..15, grow in any::<bool>()) {
        let mut rects = cut.rects();
        let index = which % rects.len();
        let moved = &mut rects[index];
        moved.max[0] = if grow { moved.max[0] + 1 } else { moved.max[0] - 1 };
        let mistakes = parse("moved.toml", &cut.text(&rects)).unwrap_err();
        let expected = |code| matches!(code, Code::Gap | Code::Overlap | Code::RegionOutside | Code::EmptyRegion);
        prop_assert!(mistakes.diagnostics().iter().any(|diagnostic| expected(diagnostic.code)), "{}", mistakes);
    }

    #[test]
    fn a_topology_written_out_parses_to_itself(cut in worlds()) {
        let topology = cut.topology();
        prop_assert_eq!(&parse("again.toml", &topology.to_toml()).unwrap(), &topology);
    }
}
