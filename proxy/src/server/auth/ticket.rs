//! Tickets at a proxy: verified offline by the topology in force, renewed while their holder is connected.

use protocol::client_handshake::LoginRequest;
use protocol::identity::{Clock, NodePublic, Role, Validity};
use protocol::ids::{NodeUuid, RegionNumber};
use protocol::limits::TICKET_LIFETIME_MS_MAX;
use protocol::name::PlayerName;
use protocol::ticket::{RawTicket, TICKET_BYTES, Ticket};

use crate::shard::renew_at_ms;

use super::{AuthRole, Granted, TurnedAway};

impl AuthRole {
    /// A user with a ticket of an earlier login, from whichever proxy.
    pub(super) fn resume(
        &self,
        ticket: &[u8; TICKET_BYTES],
        name: &str,
        request: &LoginRequest,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let clock = Clock::of_node(wall_ms);
        let verified = request.verify_ticket(ticket, self.cluster_id, |uuid| self.issuer_key(uuid), clock);
        let claims = verified.map_err(|error| TurnedAway::from(error.code()))?;
        let (claims, ticket) = match RawTicket::parse(ticket) {
            Ok(ticket) if renew_at_ms(&claims) > wall_ms => (claims, ticket),
            _ => self.renew(claims, None, wall_ms),
        };
        Ok(Granted {
            // Only a player without a row gets a name, and a guest may call itself as it likes.
            name: PlayerName::parse(name).map_or_else(|_| format!("guest {}", claims.user), String::from),
            claims,
            ticket,
        })
    }

    /// The same session with fifteen more minutes, signed by this node.
    pub(in super::super) fn renew(
        &self,
        claims: Ticket,
        region: Option<RegionNumber>,
        wall_ms: u64,
    ) -> (Ticket, RawTicket) {
        let from_ms = i64::try_from(wall_ms).unwrap_or(i64::MAX);
        let claims = Ticket {
            issuer: self.issuer,
            validity: Validity {
                from_ms,
                until_ms: from_ms.saturating_add(TICKET_LIFETIME_MS_MAX as i64),
            },
            region_hint: region.unwrap_or(claims.region_hint),
            ..claims
        };
        (claims, claims.issue(self.cluster_id, &self.key))
    }

    /// Nodes of the auth role sign tickets, as long as the topology lists them and does not revoke them.
    pub(super) fn issuer_key(&self, uuid: NodeUuid) -> Option<NodePublic> {
        let view = self.topology.view();
        view.has_role(uuid, Role::Auth)
            .then(|| view.public_key_of(uuid))?
    }
}
