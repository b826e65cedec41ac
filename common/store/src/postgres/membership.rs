//! A node that works on a database: it has to be the one that it remembers, and no other process may be the same node.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::NodeNumber;
use tokio_postgres::types::Type;

use super::keeper::{Keeper, Rounds, column, one};
use super::link::Link;
use super::refusal::PostgresCause;
use crate::mark::StoreMark;
use crate::{Accept, Membership, StoreError};

/// How long a node waits for another process of the same node to be gone: one whose host is lost is noticed within that.
const SAME_NODE_GONE_WITHIN: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// A node that has shown nothing for so long is not there. Nodes show themselves every second, and anew after their database was
/// restarted.
const GONE_AFTER: Duration = Duration::from_secs(6);

/// Takes a node into its store.
pub(super) fn enter(link: Link, member: &Membership<'_>) -> Result<Keeper, PostgresCause> {
    let mut rounds = Rounds {
        world: link.identity().world,
        link,
        node: member.node,
        data: member.data.to_owned(),
    };
    let set_back = compare(&mut rounds, member)?;
    claim(&mut rounds.link, member)?;
    hold(&mut rounds)?;
    if let Some(above) = set_back {
        let called = rounds.link.call(
            "SELECT regionmesh.begin_anew($1)",
            &[(&i32::from(above), Type::INT4)],
        );
        one(called)?;
    }
    Ok(Keeper::start(rounds)?)
}

/// Compares the database with what the node remembers; tells the generation that a new one has to lie above.
fn compare(rounds: &mut Rounds, member: &Membership<'_>) -> Result<Option<u16>, PostgresCause> {
    let mark = match (StoreMark::read(member.data), member.accept) {
        (Ok(mark), _) => mark,
        (Err(_), Accept::Whatever) => None,
        (Err(error), Accept::Remembered) => return Err(error.into()),
    };
    let Some(mark) = mark else {
        return Ok(None);
    };
    let found = rounds.look()?;
    let insists = member.accept == Accept::Whatever;
    if found.world != mark.world {
        let (found, remembered) = (found.world, mark.world);
        return match insists {
            true => Ok(None),
            false => Err(PostgresCause::OtherWorld { found, remembered }),
        };
    }
    // Where the generation was raised, an older state was put back on purpose.
    if (found.generation, found.progress) >= (mark.generation, mark.progress) {
        return Ok(None);
    }
    match insists {
        true => Ok(Some(mark.generation)),
        false => Err(PostgresCause::Older {
            world: mark.world,
            found: found.generation,
            remembered: mark.generation,
            seconds: mark.at_ms.saturating_sub(found.at_ms) / 1000,
        }),
    }
}

fn claim(link: &mut Link, member: &Membership<'_>) -> Result<(), PostgresCause> {
    let own = member.cluster.0.as_slice();
    let row = one(link.call("SELECT regionmesh.claim($1)", &[(&own, Type::BYTEA)]))?;
    let cluster: Vec<u8> = column(&row, 0)?;
    (cluster == own).then_some(()).ok_or(PostgresCause::OtherCluster)
}

fn hold(rounds: &mut Rounds) -> Result<(), PostgresCause> {
    let began = Instant::now();
    while !rounds.show()? {
        if began.elapsed() >= SAME_NODE_GONE_WITHIN {
            return Err(PostgresCause::NodeRuns(rounds.node));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Whether a process of a node is there right now, as far as the database knows.
pub(super) fn is_held(link: &mut Link, node: NodeNumber) -> Result<bool, StoreError> {
    let number = i32::from(node.0);
    let asked = link.call("SELECT regionmesh.node_is_held($1)", &[(&number, Type::INT4)]);
    column(&one(asked)?, 0)
}

/// Since when nodes were not seen that somebody asks for.
#[derive(Debug, Default)]
pub(super) struct Absences(BTreeMap<NodeNumber, Instant>);

impl Absences {
    /// Whether a node is there, or was within the last seconds.
    pub(super) fn has(&mut self, link: &mut Link, node: NodeNumber) -> Result<bool, StoreError> {
        if is_held(link, node)? {
            self.0.remove(&node);
            return Ok(true);
        }
        let since = self.0.entry(node).or_insert_with(Instant::now);
        Ok(since.elapsed() < GONE_AFTER)
    }
}
