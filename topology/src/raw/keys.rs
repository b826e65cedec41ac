//! Every key of the file: an example for "missing key" and "did you mean", what it takes for the schema, and what it means
//! for the schema and the manual, which is checked against it.

use crate::limits;

/// A key of one of the file's tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// How it may be written.
    pub example: &'static str,
    /// What it takes, as far as that can be said without looking at other keys.
    pub takes: Takes,
    /// What it means.
    pub what: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// A name.
    Name,
    /// A host and a port.
    Address,
    /// A scheme and a host.
    Url,
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// A number, with a fraction or without, from 0 to this.
    Fraction(f64),
    /// Two whole numbers from the first to the second.
    Pair(u32, u32),
    /// Names, so many at least and at most.
    Names(usize, usize),
    /// A table with these keys.
    Table(&'static [Key]),
    /// Tables with these keys, so many at most.
    Tables(&'static [Key], usize),
}

use Takes::{Address, Fraction, Name, Names, Number, Pair, Table, Tables, Url};

const fn key(name: &'static str, example: &'static str, takes: Takes, what: &'static str) -> Key {
    Key {
        name,
        example,
        takes,
        what,
    }
}

/// Every table and its keys.
pub const ALL: &[(&str, &[Key])] = &[
    ("[world]", WORLD),
    ("[[server]]", SERVER),
    ("[[proxy]]", PROXY),
    ("[[auth]]", AUTH),
    ("[[region]]", REGION),
    ("[grid]", GRID),
];

/// Keys that may be left out.
pub(crate) const OPTIONAL: &[&str] = &["door", "far_rings", "shards", "standby", "url", "webtransport"];

pub(crate) const FILE: &[Key] = &[
    key("world", "[world]", Table(WORLD), "the world as a whole"),
    key(
        "server",
        "[[server]]",
        Tables(SERVER, limits::SERVERS_MAX),
        "game servers",
    ),
    key(
        "proxy",
        "[[proxy]]",
        Tables(PROXY, limits::PROXIES_MAX),
        "proxies",
    ),
    key(
        "auth",
        "[[auth]]",
        Tables(AUTH, limits::AUTHS_MAX),
        "auth nodes, which alone read passwords and tokens; without any, proxies check those themselves",
    ),
    key(
        "region",
        "[[region]]",
        Tables(REGION, limits::REGIONS_MAX),
        "rectangles that cover the world exactly once",
    ),
    key(
        "grid",
        "[grid]",
        Table(GRID),
        "instead of regions: the world cut evenly",
    ),
];

pub(super) const WORLD: &[Key] = &[
    key("name", "name = \"vale\"", Name, "name of the world"),
    key(
        "size",
        "size = [1024, 1024]",
        Pair(1, limits::WORLD_EDGE_MAX),
        "width and height, units; multiples of `cell_size`, each at most 262,144",
    ),
    key(
        "cell_size",
        "cell_size = 32",
        Number(1, limits::CELL_SIZE_MAX),
        "edge of a cell, 1 to 256 units: the grain in which the world is published",
    ),
    key(
        "view_rings",
        "view_rings = 1",
        Number(1, limits::VIEW_RINGS_MAX),
        "rings of cells around their own that players see, 1 to 7; 1 is 3 × 3 cells",
    ),
    key(
        "far_rings",
        "far_rings = 4",
        Number(2, limits::VIEW_RINGS_MAX),
        "optional, 2 to 7 and more than `view_rings`, at most 256 cells with those: rings in which they see what rules show from afar; when left out that is seen as all else",
    ),
    key(
        "border_cells",
        "border_cells = 1",
        Number(1, limits::BORDER_CELLS_MAX),
        "width of the strip that neighbours subscribe to, 1 to 8 cells",
    ),
    key(
        "tick_hz",
        "tick_hz = 20",
        Number(1, limits::TICK_HZ_MAX),
        "ticks per second, 1 to 60",
    ),
    key(
        "handover_margin",
        "handover_margin = 1.0",
        Fraction(limits::CELL_SIZE_MAX as f64 / 2.0),
        "how far inside another region a player must be to be handed over, units; less than half a cell",
    ),
];

pub(super) const SERVER: &[Key] = &[
    key(
        "name",
        "name = \"gs-a\"",
        Name,
        "its name, unique among servers and proxies",
    ),
    key(
        "number",
        "number = 1",
        Number(1, 1023),
        "its node number, 1 to 1023, unique among servers and proxies and never used again",
    ),
    key(
        "peer",
        "peer = \"127.0.0.1:0\"",
        Address,
        "where other game servers dial",
    ),
    key("proxy", "proxy = \"127.0.0.1:0\"", Address, "where proxies dial"),
];

pub(super) const PROXY: &[Key] = &[
    key(
        "name",
        "name = \"edge-1\"",
        Name,
        "its name, unique among servers and proxies",
    ),
    key(
        "number",
        "number = 101",
        Number(1, 1023),
        "its node number, as above",
    ),
    key("tcp", "tcp = \"127.0.0.1:7000\"", Address, "native clients"),
    key(
        "udp",
        "udp = \"127.0.0.1:7000\"",
        Address,
        "their datagrams: first of as many consecutive UDP ports as `shards`",
    ),
    key(
        "http",
        "http = \"127.0.0.1:8080\"",
        Address,
        "the page, `join.json` and WebSocket: HTTP/1.1",
    ),
    key(
        "webtransport",
        "webtransport = \"127.0.0.1:8443\"",
        Address,
        "optional: datagrams of browsers, a UDP port of its own; where it is left out they do with WebSocket",
    ),
    key(
        "url",
        "url = \"https://edge-1.example.net\"",
        Url,
        "optional: where browsers find `http`, when that is by another name, through a balancer or over TLS; `http://` and the address when left out",
    ),
    key(
        "door",
        "door = \"play.example.net:7000\"",
        Address,
        "optional: where native clients find `tcp`, when that is by another name or through a balancer, whose address several proxies have in common; `tcp` when left out",
    ),
    key(
        "shards",
        "shards = 4",
        Number(1, limits::SHARDS_MAX),
        "optional, 1 to 4, usually one for each core: threads of this proxy, each with a UDP port and links of its own; more cores take more proxies; 1 when left out",
    ),
];

pub(super) const AUTH: &[Key] = &[
    key(
        "name",
        "name = \"auth-1\"",
        Name,
        "its name, unique among all nodes",
    ),
    key(
        "number",
        "number = 201",
        Number(1, 1023),
        "its node number, as above",
    ),
    key("proxy", "proxy = \"127.0.0.1:0\"", Address, "where proxies dial"),
];

pub(super) const REGION: &[Key] = &[
    key(
        "name",
        "name = \"north-west\"",
        Name,
        "its name, unique among regions",
    ),
    key(
        "number",
        "number = 1",
        Number(0, u32::MAX),
        "its number, unique among regions: rows in the store carry it",
    ),
    key(
        "min",
        "min = [0, 0]",
        Pair(0, limits::WORLD_EDGE_MAX),
        "north-west corner, a multiple of `cell_size`, inside the region",
    ),
    key(
        "max",
        "max = [512, 512]",
        Pair(0, limits::WORLD_EDGE_MAX),
        "south-east corner, a multiple of `cell_size`, just outside the region",
    ),
    key("server", "server = \"gs-a\"", Name, "the server that serves it"),
    key(
        "standby",
        "standby = [\"gs-b\"]",
        Names(0, limits::STANDBYS_MAX),
        "optional: up to 8 servers that may serve it when that one is down, in order of preference",
    ),
];

pub(super) const GRID: &[Key] = &[
    key(
        "columns",
        "columns = 2",
        Number(1, limits::REGIONS_MAX as u32),
        "regions from west to east",
    ),
    key(
        "rows",
        "rows = 2",
        Number(1, limits::REGIONS_MAX as u32),
        "regions from north to south",
    ),
    key(
        "servers",
        "servers = [\"gs-a\", \"gs-b\", \"gs-c\", \"gs-d\"]",
        Names(1, limits::REGIONS_MAX),
        "the server of each region, row by row; a name may stand more than once",
    ),
];
