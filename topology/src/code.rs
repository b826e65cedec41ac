//! The kinds of mistakes a topology file can have. Codes are for good: operators search for them, so a number is
//! never reused and never changes its meaning.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $why:literal, $remedy:literal;)*) => {
        /// A kind of mistake; displays as `RM` and four digits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)*
        }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind of mistake in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// Why it is refused.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self {
                    $(Self::$name => $why,)*
                }
            }

            /// What to do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)*
                }
            }
        }
    };
}

codes! {
    Syntax = 1, "not TOML",
        "The file is not valid TOML, so nothing else was checked.",
        "Look at the place for a missing quote or bracket, a key given twice, or a string without quotes; save the file as UTF-8 text with line ends LF or CRLF.";
    UnknownKey = 2, "unknown key",
        "Every key must be one the mesh knows: a mistyped key would otherwise be ignored in silence.",
        "Correct the key, or remove it.";
    MissingKey = 3, "missing key",
        "Every key but `standby`, `shards`, `url` and `door` must be written down, so that the file says everything about the mesh without knowing its defaults.",
        "Add the key; the report shows an example.";
    WrongType = 4, "value of the wrong type",
        "The value is of another type than the key takes.",
        "Put text in quotes, write numbers without them, and a pair as [a, b].";
    OutOfRange = 5, "number out of range",
        "The number is outside what the mesh can work with.",
        "Write a number in the range that the report names.";
    BadName = 6, "unusable name",
        "Names appear in logs, metrics, file names and certificates.",
        "Write 1 to 32 letters, digits, '-', '_' or '.', beginning with a letter or digit.";
    BadAddress = 7, "unusable address",
        "Others dial the address: it names one machine, by IP address or by a host name that is looked up at each dial, and a port.",
        "Write such as \"10.0.0.7:7000\", \"[fd00::7]:7000\" or \"gs-a.example.net:7000\".";
    EmptyWorld = 8, "empty world",
        "A world must be at least one cell wide and one cell high.",
        "Write the width and height of the world in units.";
    WorldOffGrid = 9, "world is not a whole number of cells",
        "The world is published cell by cell, so both edges of its size must be multiples of `cell_size`.",
        "Write the size that the report names, or another `cell_size`.";
    TooManyCells = 10, "too many cells",
        "Each node keeps a table with an entry per cell.",
        "Take larger cells or a smaller world.";
    HandoverMargin = 11, "unusable handover margin",
        "A player is handed over once it is more than `handover_margin` inside the other region. A negative margin makes no sense, and from half a cell on a region one cell wide would have no place that deep inside.",
        "Write a number from 0 to less than half a cell; 1.0 suits most worlds.";
    TickRate = 12, "unusable tick rate",
        "Regions tick 1 to 60 times a second: less is not a game, more leaves no time for a tick's work.",
        "Write a whole number from 1 to 60; 20 suits most games.";
    DuplicateName = 13, "name used twice",
        "Servers and proxies share one set of names, regions have their own; within each a name means one thing.",
        "Rename one of the two.";
    NodeNumberRange = 14, "node number out of range",
        "A node number is ten bits of every entity id the node makes.",
        "Write a number from 1 to 1023.";
    DuplicateNodeNumber = 15, "node number used twice",
        "Two nodes of one number would make entities of one id. All nodes share one set of numbers.",
        "Give each a number that no node has or had: a number is never used again, not even after its node is gone.";
    DuplicateRegionNumber = 16, "region number used twice",
        "Rows in the store and messages on links name a region by its number.",
        "Give each region a number of its own.";
    DuplicateAddress = 17, "address used twice",
        "Two listeners cannot have one port of one host. The UDP side of a proxy takes `shards` consecutive ports.",
        "Give each a port of its own.";
    NoServer = 18, "no game server",
        "Without a [[server]] nobody simulates the world.",
        "Add a [[server]] table.";
    NoProxy = 19, "no proxy",
        "Without a [[proxy]] nobody can enter the world.",
        "Add a [[proxy]] table.";
    NoRegion = 20, "neither regions nor a grid",
        "The world must be divided into regions.",
        "Add [[region]] tables, or cut it evenly by one [grid].";
    GridAndRegions = 21, "both regions and a grid",
        "A [grid] divides the whole world, so there is nothing left for [[region]] tables.",
        "Keep one of the two.";
    GridServers = 22, "grid and its servers do not match",
        "`servers` names the server of each region of the grid, row by row from the north-west.",
        "Write exactly columns × rows names; a name may stand more than once.";
    GridTooFine = 23, "more grid columns or rows than cells",
        "Regions are made of whole cells; a grid cannot have more columns than the world has cells from west to east, nor more rows than from north to south.",
        "Take fewer columns or rows, or smaller cells.";
    EmptyRegion = 24, "empty region",
        "`min` is the north-west corner and `max` the south-east one.",
        "Write a `max` that is greater than `min` in both coordinates.";
    RegionOutside = 25, "region outside the world",
        "A region lies inside the world: from 0, 0 to `size`.",
        "Move the region's edge inside, or enlarge the world.";
    RegionOffGrid = 26, "region edge off the cell grid",
        "A cell belongs to one region, so the edges of regions are multiples of `cell_size`.",
        "Move the edge to the corner of cells that the report names.";
    Overlap = 27, "regions overlap",
        "Each place has exactly one owner.",
        "Move an edge of one of the two regions.";
    Gap = 28, "part of the world without a region",
        "Each place has exactly one owner; a player who walked into the gap would have none.",
        "Add a region, or extend one over it.";
    RegionTooThin = 29, "region thinner than a border strip",
        "Neighbours subscribe to a strip `border_cells` wide. A thinner region would be all border, and the strip would have to continue in the region behind it.",
        "Widen the region, or lower `border_cells`.";
    RegionUnreachable = 30, "region that cannot be walked to",
        "Players change regions by walking over a common edge. This region has no chain of common edges to the larger part of the world.",
        "Connect it by a region that shares an edge with both.";
    UnknownServer = 31, "unknown server",
        "A region, a standby list or a grid names a server for which there is no [[server]] table.",
        "Correct the name, or add the [[server]] table.";
    IdleServer = 32, "server without a region",
        "The server is neither primary nor standby of any region: it would run and do nothing.",
        "Give it a region, or remove it.";
    StandbyIsPrimary = 33, "standby is the primary",
        "A standby takes over when the primary is down, so it must be another server.",
        "Name another server, or leave it out.";
    DuplicateStandby = 34, "standby named twice",
        "The list of standbys is an order of preference; each server stands in it once.",
        "Name each standby once.";
    TooMany = 35, "more than the mesh takes",
        "The number of nodes, regions or bytes is above a limit of the mesh.",
        "Describe at most as many as the report names; a [grid] describes many regions in few bytes.";
    Wildcard = 36, "wildcard for an address",
        "0.0.0.0 and [::] stand for every address of a machine: a node may listen on them, but nobody can dial them.",
        "Write the name or the IP address under which others reach the machine; what its node listens on is said by the table [listen] of the node's own configuration.";
    FreePort = 37, "port 0 beyond loopback",
        "Port 0 is a free port, found when a local cluster starts. Nodes on other machines could not know it.",
        "Write the port; a local cluster's nodes are on loopback.";
    BadUrl = 38, "unusable url",
        "Browsers compare the url with the origin of a page: it is a scheme, a host and, where it is not the usual one, a port.",
        "Write such as \"https://edge-1.example.net\", or leave it out where `http` is dialed directly and in clear.";
}

impl Code {
    /// The code written like this, for example `RM0028`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.to_string().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RM{:04}", *self as u16)
    }
}
