//! The topologies that come with the project are good, and mean what their comments say.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use topology::{Colour, check, parse};

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
