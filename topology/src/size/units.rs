//! What one of each costs: a table that `bench size` writes.

use toml::Value;

/// The table that stands in for one of your own: measured with the demo game on the machine that it names.
const MEASURED: &str = include_str!("units.toml");

/// What one of each costs on some machine. Cores are of that machine.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitCosts {
    /// Where, when and with which commit it was measured, for people.
    pub machine: String,
    /// Cores of a proxy that has players, however few.
    pub proxy_cores: f64,
    /// CPU of a proxy for an input and a snapshot of a player who sees nobody, microseconds.
    pub proxy_us: f64,
    /// The same, for each other whom that player sees.
    pub proxy_us_per_visible: f64,
    /// Cores of a game server that has players, however few.
    pub server_cores: f64,
    /// CPU of a game server for an input and a step of a player, microseconds.
    pub server_us: f64,
    /// CPU of both regions for a player who changes from one to the other, microseconds.
    pub crossing_us: f64,
    /// CPU of either end for a KiB on a link, sealed or opened, microseconds.
    pub link_us_per_kib: f64,
    /// Others for whom a snapshot has room.
    pub visible_max: f64,
    /// Bytes of an input as a player sends it.
    pub input_bytes: f64,
    /// Bytes of an input on the way to its game server.
    pub input_link_bytes: f64,
    /// Bytes of a snapshot for a player who sees nobody.
    pub snapshot_bytes: f64,
    /// More of them for each other whom that player sees.
    pub snapshot_bytes_per_visible: f64,
    /// Bytes of a cell's update on a link, without what is in it.
    pub cell_bytes: f64,
    /// Bytes of each player in it.
    pub entity_bytes: f64,
    /// Bytes of what a game server tells a player alone, per tick.
    pub own_state_bytes: f64,
    /// Bytes between two game servers for a player who goes from one to the other, both directions together.
    pub crossing_bytes: f64,
    /// How often a player is saved softly, per second.
    pub soft_saves_hz: f64,
    /// Rows that the store writes per second.
    pub rows_max: f64,
}

/// A table that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitsError {
    /// It is no TOML.
    #[error("it is no table of unit costs: {0}")]
    Text(String),
    /// A cost is missing, or no number that a cost can be.
    #[error("`{0}` is missing or is no finite number from 0 on; `bench size` writes the whole table")]
    Cost(&'static str),
}

macro_rules! costs {
    ($($name:ident),+ $(,)?) => {
        impl UnitCosts {
            /// Reads a table.
            ///
            /// # Errors
            /// `UnitsError`.
            pub fn parse(text: &str) -> Result<Self, UnitsError> {
                let table: toml::Table = text.parse().map_err(|error: toml::de::Error| UnitsError::Text(error.message().to_owned()))?;
                let machine = table.get("machine").and_then(Value::as_str);
                Ok(Self {
                    machine: machine.ok_or(UnitsError::Cost("machine"))?.to_owned(),
                    $($name: cost(&table, stringify!($name))?,)+
                })
            }

            /// The table as text, which [`UnitCosts::parse`] reads.
            #[must_use]
            pub fn to_toml(&self) -> String {
                let mut text = format!("machine = {:?}\n", self.machine);
                $(text.push_str(&format!("{} = {:?}\n", stringify!($name), self.$name));)+
                text
            }
        }
    };
}

costs!(
    proxy_cores,
    proxy_us,
    proxy_us_per_visible,
    server_cores,
    server_us,
    crossing_us,
    link_us_per_kib,
    visible_max,
    input_bytes,
    input_link_bytes,
    snapshot_bytes,
    snapshot_bytes_per_visible,
    cell_bytes,
    entity_bytes,
    own_state_bytes,
    crossing_bytes,
    soft_saves_hz,
    rows_max,
);

fn cost(table: &toml::Table, name: &'static str) -> Result<f64, UnitsError> {
    let value = table.get(name);
    let number = value.and_then(|value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    });
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or(UnitsError::Cost(name))
}

impl Default for UnitCosts {
    #[allow(
        clippy::expect_used,
        reason = "the file is part of the program, and a test reads it"
    )]
    fn default() -> Self {
        Self::parse(MEASURED).expect("the table that comes with the program")
    }
}
