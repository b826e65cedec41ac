//! Every key of the file with an example, for "missing key" and "did you mean"; the documentation is checked against it.

/// A key of one of the file's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// How it may be written.
    pub example: &'static str,
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

/// Every table and its keys.
pub const ALL: &[(&str, &[Key])] = &[
    ("[world]", WORLD),
    ("[[server]]", SERVER),
    ("[[proxy]]", PROXY),
    ("[[region]]", REGION),
    ("[grid]", GRID),
];

pub(super) const FILE: &[Key] = &[
    key("world", "[world]"),
    key("server", "[[server]]"),
    key("proxy", "[[proxy]]"),
    key("region", "[[region]]"),
    key("grid", "[grid]"),
];

pub(super) const WORLD: &[Key] = &[
    key("name", "name = \"vale\""),
    key("size", "size = [1024, 1024]"),
    key("cell_size", "cell_size = 32"),
    key("view_rings", "view_rings = 1"),
    key("border_cells", "border_cells = 1"),
    key("tick_hz", "tick_hz = 20"),
    key("handover_margin", "handover_margin = 1.0"),
];

pub(super) const SERVER: &[Key] = &[
    key("name", "name = \"gs-a\""),
    key("number", "number = 1"),
    key("peer", "peer = \"127.0.0.1:0\""),
    key("proxy", "proxy = \"127.0.0.1:0\""),
];

pub(super) const PROXY: &[Key] = &[
    key("name", "name = \"edge-1\""),
    key("number", "number = 101"),
    key("tcp", "tcp = \"127.0.0.1:7000\""),
    key("udp", "udp = \"127.0.0.1:7000\""),
    key("http", "http = \"127.0.0.1:8080\""),
    key("shards", "shards = 4"),
];

pub(super) const REGION: &[Key] = &[
    key("name", "name = \"north-west\""),
    key("number", "number = 1"),
    key("min", "min = [0, 0]"),
    key("max", "max = [512, 512]"),
    key("server", "server = \"gs-a\""),
    key("standby", "standby = [\"gs-b\"]"),
];

pub(super) const GRID: &[Key] = &[
    key("columns", "columns = 2"),
    key("rows", "rows = 2"),
    key("servers", "servers = [\"gs-a\", \"gs-b\", \"gs-c\", \"gs-d\"]"),
];
