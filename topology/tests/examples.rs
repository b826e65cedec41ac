//! The topologies that come with the project are good, and mean what their comments say.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use topology::{Colour, PortUse, check, parse};

fn example(name: &str) -> (String, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/topologies")
        .join(name);
    (name.to_owned(), fs::read_to_string(path).unwrap())
}

#[test]
fn every_topology_that_comes_with_the_project_is_good() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/topologies");
    let mut seen = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let checked = check(
            &path.display().to_string(),
            &fs::read_to_string(&path).unwrap(),
            Colour::Plain,
        );
        assert_eq!(checked.exit_code, 0, "{}", checked.report);
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples");
}

#[test]
fn the_check_of_a_good_file_sums_it_up() {
    let (name, text) = example("irregular.toml");
    let checked = check(&name, &text, Colour::Plain);
    assert_eq!(
        checked.report,
        "irregular.toml: ok: world \"shire\", 1536 × 1024 units, 1536 cells, 7 regions, 4 servers, 2 proxies
  gs-a: regions [hills, coast, swamp], peers [gs-b, gs-c, gs-d]
  gs-b: regions [woods, gate], peers [gs-a, gs-c, gs-d]
  gs-c: regions [market, harbour], peers [gs-a, gs-b, gs-d]
  gs-d: regions [], peers [gs-a, gs-b, gs-c]
"
    );
}

#[test]
fn a_grid_is_cut_into_regions_row_by_row() {
    let (name, text) = example("four-by-four.toml");
    let topology = parse(&name, &text).unwrap();
    let regions: Vec<_> = topology.regions().iter().collect();
    assert_eq!(regions.len(), 16);
    assert_eq!((regions[6].name.as_str(), regions[6].number.0), ("r1c2", 7));
    assert_eq!(
        (regions[6].rect.min, regions[6].rect.max),
        ([512, 256], [768, 512])
    );
    let quarter: Vec<_> = topology
        .regions_of(topology.server_by_name("gs-d").unwrap().number)
        .collect();
    assert_eq!(quarter.len(), 4);
}

#[test]
fn free_ports_are_filled_in_and_written_out() {
    let (name, text) = example("irregular.toml");
    let mut next = 9000;
    let mut shards = Vec::new();
    let filled = parse(&name, &text).unwrap().with_ports(&mut |host, wanted| {
        assert!(host.is_loopback());
        let first = next;
        next += match wanted {
            PortUse::Tcp => 1,
            PortUse::Udp(count) => {
                shards.push(count);
                count
            }
        };
        first
    });
    assert_eq!(shards, [1, 1, 4, 1], "datagrams of clients, and of browsers");
    assert_eq!(next, 9000 + 4 * 2 + 2 * 2 + 7);
    let again = parse("filled.toml", &filled.to_toml()).unwrap();
    assert_eq!(again, filled);
    assert!(!filled.to_toml().contains(":0\""));
    assert_eq!(filled.clone().with_ports(&mut |_, _| unreachable!()), filled);
}

#[test]
fn a_grid_written_out_is_the_same_topology() {
    let (name, text) = example("four-by-four.toml");
    let topology = parse(&name, &text).unwrap();
    let written = topology.to_toml();
    assert_eq!(parse("again.toml", &written).unwrap(), topology);
    assert!(
        written.contains("[grid]"),
        "a grid stays as short as it was: {written}"
    );
}

#[test]
fn the_largest_grid_that_passes_the_check_fits_a_bundle_with_every_port() {
    let names: Vec<String> = (1..=256)
        .map(|n| format!("{:x<32}", format!("server-{n}")))
        .collect();
    let mut text =
        "[world]\nname = \"w\"\nsize = [1024, 1024]\ncell_size = 1\nview_rings = 7\nborder_cells = 8\n\
                    tick_hz = 60\nhandover_margin = 0.25\n"
            .to_owned();
    for (at, name) in names.iter().enumerate() {
        let number = at + 1;
        text += &format!(
            "[[server]]\nname=\"{name}\"\nnumber={number}\npeer=\"127.0.0.1:0\"\nproxy=\"127.0.0.1:0\"\n"
        );
        let number = 257 + at;
        let proxy = name.replace("server", "edge");
        text += &format!("[[proxy]]\nname=\"{proxy}\"\nnumber={number}\nshards=4\ntcp=\"127.0.0.1:0\"\n");
        text += "udp=\"127.0.0.1:0\"\nhttp=\"127.0.0.1:0\"\n";
    }
    let cells: Vec<_> = (0..1024).map(|at| format!("{:?}", names[at / 4])).collect();
    text += &format!(
        "[grid]\ncolumns = 32\nrows = 32\nservers = [{}]\n",
        cells.join(",")
    );
    let largest = parse("largest.toml", &text).unwrap();
    assert_eq!(parse("again.toml", &largest.to_toml()).unwrap(), largest);
    let filled = largest.with_ports(&mut |_, _| 65_535);
    assert!(filled.to_toml().len() <= topology::limits::FILE_BYTES_MAX);
}
