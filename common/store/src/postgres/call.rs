//! Which function of the database carries out a request.

use protocol::ids::TopologyVersion;

use super::answers::answer_columns;
use crate::StoreRequest;
use crate::request::RequestClass;

/// A function that takes a batch. Requests about leases have functions of their own: their locks come before those of all others,
/// and a renewal waits for no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
    ReadHolders,
    ChangeLeases,
    /// Each is a call of its own.
    ReadCreatures,
    WriteCreatures,
    /// Likewise, and each has a statement of its own.
    Account,
    /// Comes once a start.
    Note(TopologyVersion),
}

impl Call {
    pub(super) fn of(request: &StoreRequest) -> Self {
        match request {
            StoreRequest::NoteTopology { version } => Self::Note(*version),
            StoreRequest::Account(_) => Self::Account,
            StoreRequest::ReadCreatures { .. } => Self::ReadCreatures,
            StoreRequest::WriteCreatures { .. } => Self::WriteCreatures,
            StoreRequest::ReadHolder { .. } => Self::ReadHolders,
            StoreRequest::StartNode { .. }
            | StoreRequest::RenewLease { .. }
            | StoreRequest::TakeOver { .. }
            | StoreRequest::GiveRegion { .. } => Self::ChangeLeases,
            _ if request.class() == RequestClass::Read => Self::Read,
            _ => Self::Write,
        }
    }

    pub(super) fn statement(self) -> &'static str {
        match self {
            Self::Read => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.read_batch($1, $2, $3, $4) AS a"
            ),
            Self::Write => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
                 $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32) AS a"
            ),
            Self::ReadHolders => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.read_holders($1) AS a"
            ),
            Self::ChangeLeases => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.lease_batch($1, $2, $3, $4, $5, $6, $7, $8) AS a"
            ),
            Self::ReadCreatures => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.read_creatures($1, $2, $3, $4) AS a"
            ),
            Self::WriteCreatures => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.write_creatures($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS a"
            ),
            // `accounts` has them.
            Self::Account => "",
            Self::Note(_) => concat!(
                "SELECT ",
                answer_columns!(),
                " FROM regionmesh.note_topology($1) AS a"
            ),
        }
    }
}
