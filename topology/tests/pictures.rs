//! The picture of a topology and the difference of two, on the examples.

#![allow(clippy::unwrap_used, clippy::panic)]

use topology::{Difference, Topology, parse};

const TWO_BY_TWO: &str = include_str!("../../deploy/topologies/two-by-two.toml");
const IRREGULAR: &str = include_str!("../../deploy/topologies/irregular.toml");
const FOUR_BY_FOUR: &str = include_str!("../../deploy/topologies/four-by-four.toml");

fn topology(text: &str) -> Topology {
    parse("t.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Without what XML would read as something else, and every tag closed.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains(['&', '>']), "{text}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_picture_has_every_region_server_border_and_standby() {
    for text in [TWO_BY_TWO, IRREGULAR, FOUR_BY_FOUR] {
        let topology = topology(text);
        let svg = topology.to_svg();
        assert_well_formed(&svg);
        for region in topology.regions() {
            assert_eq!(svg.matches(&format!("id=\"region-{}\"", region.name)).count(), 1);
            assert!(
                svg.contains(&format!(">{}</text>", region.name)),
                "{} has no label",
                region.name
            );
        }
        for server in topology.servers() {
            assert!(svg.contains(&format!(">{}</text>", server.name)));
        }
        let standbys: usize = topology
            .regions()
            .iter()
            .map(|region| region.standbys.len())
            .sum();
        assert_eq!(svg.matches("class=\"standby\"").count(), standbys);
        assert!(svg.contains("class=\"border\"") && svg.contains("<line "));
    }
}

#[test]
fn shares_are_those_of_the_ground_and_make_a_whole() {
    let topology = topology(IRREGULAR);
    let shares = topology
        .servers()
        .iter()
        .map(|server| topology.share_of(server.number));
    let whole: f64 = shares.sum();
    assert!((whole - 1.0).abs() < 1e-9, "{whole}");
    let quarter = self::topology(TWO_BY_TWO);
    assert!((quarter.share_of(quarter.servers()[0].number) - 0.25).abs() < 1e-9);
    assert!(quarter.to_svg().contains("25.0 % of the world, 1 region<"));
}

#[test]
fn nothing_differs_between_a_topology_and_itself() {
    for text in [TWO_BY_TWO, IRREGULAR, FOUR_BY_FOUR] {
        let topology = topology(text);
        let difference = Difference::between(&topology, &topology);
        assert!(difference.is_empty(), "{difference}");
        assert_eq!(difference.to_string(), "nothing differs\n");
    }
}

#[test]
fn a_region_that_moves_takes_its_share_of_the_world_with_it() {
    let before = topology(FOUR_BY_FOUR);
    // The last four regions go to the first server: the fourth has none, and goes.
    let names = before
        .regions()
        .iter()
        .map(|region| before.server(region.server).unwrap().name.clone());
    let names: Vec<String> = names
        .map(|name| if name == "gs-d" { "gs-a".to_owned() } else { name })
        .collect();
    let (head, _) = FOUR_BY_FOUR.split_once("servers = [").unwrap();
    let (first, rest) = head.split_once("[[server]]\nname = \"gs-d\"").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    let after = topology(&format!("{first}{rest}servers = {names:?}\n"));
    let difference = Difference::between(&before, &after);
    assert_eq!(difference.moved.len(), 4, "{difference}");
    assert!((difference.share_moved - 0.25).abs() < 1e-9, "{difference}");
    let text = difference.to_string();
    for line in [
        "server gs-d (number 4) goes\n",
        "moves from gs-d to gs-a: 6.2 % of the world\n",
        " – gs-d goes\n",
        "in all: 4 regions move, ",
        "25.0 % of the world changes servers",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(
        difference.ground.is_empty() && difference.links_come.is_empty(),
        "{text}"
    );
    // And back again: what went comes.
    let back = Difference::between(&after, &before);
    assert_eq!(
        (back.links_come, back.links_go),
        (difference.links_go, difference.links_come)
    );
}

#[test]
fn other_ground_is_told_as_what_no_running_cluster_takes_up() {
    let before = topology(TWO_BY_TWO);
    let after = topology(
        &TWO_BY_TWO
            .replace("tick_hz = 20", "tick_hz = 30")
            .replace("127.0.0.1:0", "[::1]:0"),
    );
    let text = Difference::between(&before, &after).to_string();
    assert!(text.contains("world tick_hz: 20, then 30\n"), "{text}");
    assert!(
        text.contains(
            "server gs-a is dialed elsewhere: peer 127.0.0.1:0, proxy 127.0.0.1:0, then peer [::1]:0"
        ),
        "{text}"
    );
    assert!(
        text.contains("0 % of the world changes servers")
            && text.ends_with("no running cluster takes that up\n"),
        "{text}"
    );
}
