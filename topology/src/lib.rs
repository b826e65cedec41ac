//! The topology file: who runs which part of the world. Parsing with all mistakes at once, lookups, neighbours and
//! border strips, and the signed bundle in which nodes receive it.
//!
//! Pure: text and bytes in, answers out. `docs/topology.md` explains every key and every code to operators.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod bundle;
mod code;
mod diagnostic;
pub mod limits;
mod model;
mod raw;
mod report;
mod schema;
mod size;
mod suggest;
mod validate;

pub use bundle::{Bundle, BundleError, NodeEntry, NodeRecord, Standing, TopologyView};
pub use code::Code;
pub use diagnostic::{Diagnostic, Label};
pub use model::{
    Address, AddressError, Auth, Difference, Host, Listing, MovedRegion, PortUse, Proxy, Region, Scheme,
    Server, Topology, Url, WorldSpec, undialable,
};
pub use raw::{ALL_KEYS, Key, Takes, TextMistake, text_mistake};
pub use report::{Checked, Colour, Mistakes, check, check_report, explain, parse};
pub use schema::schema;
pub use size::{Gathering, Load, NodeSize, PairSize, Size, Spread, StoreSize, UnitCosts, UnitsError};
pub use suggest::nearest;
pub use validate::is_name;
