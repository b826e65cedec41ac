//! What a client signs, and what a proxy says for it.

use demo::DemoRules;
use game::GameLogic as _;
use gameserver::game_world::game_world;
use node::OsEntropy;
use node::clock::wall_ms;
use node::data_dir::DataDir;
use protocol::attach::Attach;
use protocol::geometry::Position;
use protocol::identity::{ClientKey, Validity};
use protocol::ids::{AttachNo, NodeNumber, RegionNumber, SessionGeneration, SessionId, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::{Inputs, Join, Joined};
use protocol::ticket::{AccountKind, Ticket};
use topology::Topology;

use super::proxy::Proxy;

/// A user with a session.
pub struct Client {
    pub user: UserId,
    pub key: ClientKey,
    pub ticket: Ticket,
    /// What the issuer signed.
    pub sealed: Vec<u8>,
    pub attach_no: u32,
}

impl Client {
    /// Logged in at a node, which should be one that may log users in; the store knows nothing of it.
    pub fn new(user: UserId, issuer: &DataDir) -> Self {
        Self::of_login(user, SessionGeneration(1), issuer)
    }

    /// The same, for a login that the store has.
    pub fn of_login(user: UserId, session_generation: SessionGeneration, issuer: &DataDir) -> Self {
        let key = ClientKey::generate(&mut OsEntropy);
        let now_ms = wall_ms() as i64;
        let ticket = Ticket {
            issuer: issuer.uuid(),
            user,
            session: SessionId([7; 16]),
            session_generation,
            holder: key.public(),
            validity: Validity {
                from_ms: now_ms,
                until_ms: now_ms + 600_000,
            },
            auth_time_ms: now_ms,
            region_hint: RegionNumber(1),
            account: AccountKind::Guest,
        };
        let sealed = ticket.issue(issuer.cluster.cluster_id, &issuer.certificate.node_key());
        Self {
            user,
            key,
            ticket,
            sealed: sealed.encode().to_vec(),
            attach_no: 1,
        }
    }

    /// The join that a proxy sends when this client is at it.
    pub fn join(&self, at: &DataDir) -> Join {
        let attach = Attach {
            cluster_id: at.cluster.cluster_id,
            attach_no: AttachNo(self.attach_no),
            proxy: at.uuid(),
        };
        Join {
            user: self.user.0,
            ticket: self.sealed.clone().into(),
            attach: attach.sign(&self.ticket, &self.key).to_vec().into(),
            attach_no: self.attach_no,
            name: format!("user-{}", self.user),
            ..Join::default()
        }
    }

    /// Joins at this server and waits until the player is in.
    pub async fn enter(&self, proxy: &mut Proxy, server: NodeNumber) -> Joined {
        let join = self.join(&proxy.dir);
        proxy.say(server, join);
        let user = self.user.0;
        proxy
            .hear(server, "the player is in", |message| match message {
                ServerToProxy::Joined(joined) if joined.user == user => Some(joined.clone()),
                ServerToProxy::JoinRefused(refused) => panic!("{refused:?}"),
                ServerToProxy::Elsewhere(elsewhere) => panic!("{elsewhere:?}"),
                _ => None,
            })
            .await
    }

    pub fn inputs(&self, owner_epoch: u64, number: u64, input: [u8; 2]) -> Inputs {
        Inputs {
            user: self.user.0,
            owner_epoch,
            number,
            inputs: vec![input.to_vec().into()],
        }
    }
}

/// A user whom the world puts at a place that fits.
pub fn user_at(world: &Topology, fits: impl Fn(Position) -> bool) -> UserId {
    let (game, world) = (DemoRules::default(), game_world(world));
    (1..100_000)
        .map(UserId)
        .find(|user| fits(game.spawn_point(&world, *user)))
        .expect("somebody starts there")
}
