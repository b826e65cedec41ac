//! Which message is hit by which fault at which step: the cells that the seeds have to fill, and the count of those
//! that they did fill.

use std::collections::BTreeMap;
use std::fmt;

use protocol::message::family::{ProxyToServer, ServerToProxy, ServerToServer};
use store::StoreRequest;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is printed and typed.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|value| value.name() == text);
                found.copied().ok_or_else(|| format!("`{text}` is none of {:?}", Self::ALL.iter().map(|value| value.name()).collect::<Vec<_>>()))
            }
        }
    };
}

named! {
    /// What is on its way when the fault strikes: a message between nodes, or a request to the store and its answer.
    Step {
        Join = "join",
        Joined = "joined",
        Elsewhere = "elsewhere",
        Leave = "leave",
        Command = "command",
        CommandAck = "command-ack",
        Event = "event",
        Moved = "moved",
        Here = "here",
        Prepare = "prepare",
        Prepared = "prepared",
        Refuse = "refuse",
        Commit = "commit",
        Done = "done",
        InsertPlayer = "store-insert",
        Activate = "store-activate",
        Pass = "store-pass",
        Reclaim = "store-reclaim",
        Release = "store-release",
        CommitDurable = "store-durable",
        Save = "store-save",
        Load = "store-load",
        TakeOver = "store-take-over",
        Creatures = "store-creatures",
    }
}

named! {
    /// What goes wrong. The first nine strike messages, the others strike store requests.
    Fault {
        Lost = "lost",
        Late = "late",
        Twice = "twice",
        CutAfter = "cut-after",
        SenderDiesBefore = "sender-dies-before",
        SenderDiesAfter = "sender-dies-after",
        ReceiverDiesBefore = "receiver-dies-before",
        ReceiverDiesAfter = "receiver-dies-after",
        PlayerLeaves = "player-leaves",
        Unavailable = "unavailable",
        UnknownApplied = "unknown-applied",
        UnknownLost = "unknown-lost",
        UnknownLate = "unknown-late",
        AppliedTwice = "applied-twice",
        Slow = "slow",
        AskerDiesBefore = "asker-dies-before",
        AskerDiesAfter = "asker-dies-after",
    }
}

impl Step {
    /// Whether it goes to the store.
    #[must_use]
    pub fn is_stored(self) -> bool {
        self >= Self::InsertPlayer
    }
}

impl Fault {
    /// Whether it strikes store requests.
    #[must_use]
    pub fn is_stored(self) -> bool {
        self >= Self::Unavailable
    }

    /// Whether only a script asks for it: not every message names a player who could log out as it arrives.
    #[must_use]
    pub fn is_scripted(self) -> bool {
        self == Self::PlayerLeaves
    }
}

/// All cells of the matrix.
pub fn cells() -> impl Iterator<Item = (Step, Fault)> {
    Step::ALL.iter().flat_map(|step| {
        let fitting = Fault::ALL
            .iter()
            .filter(|fault| fault.is_stored() == step.is_stored() && !fault.is_scripted());
        fitting.map(|fault| (*step, *fault))
    })
}

/// How often each cell was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(Step, Fault), u64>);

impl Coverage {
    /// Counts a hit.
    pub fn hit(&mut self, step: Step, fault: Fault) {
        *self.0.entry((step, fault)).or_default() += 1;
    }

    /// Adds another run's hits.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.0 {
            *self.0.entry(*cell).or_default() += count;
        }
    }

    /// Hits of a cell.
    #[must_use]
    pub fn count(&self, step: Step, fault: Fault) -> u64 {
        self.0.get(&(step, fault)).copied().unwrap_or(0)
    }

    /// Cells that no run has hit.
    #[must_use]
    pub fn missing(&self) -> Vec<(Step, Fault)> {
        cells()
            .filter(|(step, fault)| self.count(*step, *fault) == 0)
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for is_stored in [false, true] {
            let faults: Vec<Fault> = Fault::ALL
                .iter()
                .copied()
                .filter(|fault| fault.is_stored() == is_stored && !fault.is_scripted())
                .collect();
            write!(f, "{:16}", "")?;
            faults.iter().try_for_each(|fault| write!(f, " {fault:>20}"))?;
            writeln!(f)?;
            for step in Step::ALL.iter().filter(|step| step.is_stored() == is_stored) {
                write!(f, "{step:16}")?;
                faults
                    .iter()
                    .try_for_each(|fault| write!(f, " {:>20}", self.count(*step, *fault)))?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// A fault that waits for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambush {
    /// Which message.
    pub step: Step,
    /// What happens to it.
    pub fault: Fault,
    /// How many of the kind pass before, after the beginning of the storm.
    pub passing: u32,
}

impl fmt::Display for Ambush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.step, self.fault, self.passing)
    }
}

impl std::str::FromStr for Ambush {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or("an ambush is STEP:FAULT:PASSING");
        let (step, fault) = (part()?.parse()?, part()?.parse()?);
        let passing = part()?.parse().map_err(|_| "PASSING is a number")?;
        Ok(Self { step, fault, passing })
    }
}

/// Which step a message of a proxy is.
pub(crate) fn proxy_step(message: &ProxyToServer) -> Option<Step> {
    match message {
        ProxyToServer::Join(_) => Some(Step::Join),
        ProxyToServer::Leave(_) => Some(Step::Leave),
        ProxyToServer::Command(_) => Some(Step::Command),
        _ => None,
    }
}

/// Which step a message of a game server to a proxy is.
pub(crate) fn server_step(message: &ServerToProxy) -> Option<Step> {
    match message {
        ServerToProxy::Joined(_) => Some(Step::Joined),
        ServerToProxy::Elsewhere(_) => Some(Step::Elsewhere),
        ServerToProxy::CommandAck(_) => Some(Step::CommandAck),
        ServerToProxy::Event(_) => Some(Step::Event),
        ServerToProxy::Moved(_) => Some(Step::Moved),
        ServerToProxy::Here(_) => Some(Step::Here),
        _ => None,
    }
}

/// Which step a message between game servers is.
pub(crate) fn peer_step(message: &ServerToServer) -> Option<Step> {
    match message {
        ServerToServer::Prepare(_) => Some(Step::Prepare),
        ServerToServer::Prepared(_) => Some(Step::Prepared),
        ServerToServer::Refuse(_) => Some(Step::Refuse),
        ServerToServer::Commit(_) => Some(Step::Commit),
        ServerToServer::Done(_) => Some(Step::Done),
        _ => None,
    }
}

/// Which step a store request is.
pub(crate) fn store_step(request: &StoreRequest) -> Option<Step> {
    match request {
        StoreRequest::InsertPlayer { .. } => Some(Step::InsertPlayer),
        StoreRequest::Activate { .. } => Some(Step::Activate),
        StoreRequest::PassPlayers { .. } => Some(Step::Pass),
        StoreRequest::Reclaim { .. } => Some(Step::Reclaim),
        StoreRequest::Release { .. } => Some(Step::Release),
        StoreRequest::CommitDurable { .. } => Some(Step::CommitDurable),
        StoreRequest::SavePlayers { .. } => Some(Step::Save),
        StoreRequest::LoadPlayer { .. } => Some(Step::Load),
        StoreRequest::TakeOver { .. } => Some(Step::TakeOver),
        StoreRequest::WriteCreatures { .. } => Some(Step::Creatures),
        _ => None,
    }
}
