//! `authority.json`: what the operator knows beside the keys. Nothing in it is secret.

use super::AuthorityDirError;
use crate::files::{self, Access, FileError, hex, parse_hex};
use protocol::identity::{NodePublic, Role};
use protocol::ids::NodeUuid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const STATE_FILE: &str = "authority.json";
const STATE_BYTES_MAX: usize = 1 << 20;

/// Who a node is, and until when its papers are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Who it is for good.
    pub uuid: NodeUuid,
    /// What it may do.
    pub role: Role,
    /// Its key; `None` when an earlier build issued it, until it is renewed.
    pub public: Option<NodePublic>,
    /// The end of its certificate, Unix milliseconds.
    pub certificate_until_ms: i64,
    /// The end of a proxy's voucher, Unix milliseconds.
    pub voucher_until_ms: Option<i64>,
}

/// A node whose papers were taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What it was called.
    pub name: String,
    /// Who it was.
    pub uuid: NodeUuid,
    /// The end of its last certificate, Unix milliseconds: until then topologies say that it is revoked.
    pub until_ms: i64,
}

/// All of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) topology_version: u64,
    pub(super) nodes: BTreeMap<String, NodeState>,
    pub(super) revoked: Vec<Revoked>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    topology_version: u64,
    nodes: BTreeMap<String, RawNode>,
    #[serde(default)]
    revoked: Vec<RawRevoked>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawNode {
    /// As earlier builds wrote it: the uuid alone.
    Uuid(String),
    Whole(RawWhole),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWhole {
    uuid: String,
    role: String,
    public_key: Option<String>,
    certificate_until_ms: i64,
    voucher_until_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRevoked {
    name: String,
    uuid: String,
    until_ms: i64,
}

impl State {
    pub(super) fn read(folder: &Path) -> Result<Self, AuthorityDirError> {
        let path = folder.join(STATE_FILE);
        let wrong = |what: String| AuthorityDirError::Content {
            path: path.clone(),
            what,
        };
        let bytes = files::read(&path, STATE_BYTES_MAX, Access::Public)?;
        let raw: RawState =
            serde_json::from_slice(files::unmarked(&bytes)).map_err(|error| wrong(error.to_string()))?;
        let uuid = |name: &str, text: &str| {
            let what = || wrong(format!("the uuid of `{name}` is not 32 hexadecimal digits"));
            parse_hex(text).map(NodeUuid).ok_or_else(what)
        };
        let mut state = Self {
            topology_version: raw.topology_version,
            ..Self::default()
        };
        for (name, node) in raw.nodes {
            let node = match node {
                // Its role is not known: whoever renews it says.
                RawNode::Uuid(text) => NodeState {
                    uuid: uuid(&name, &text)?,
                    role: Role::GameServer,
                    public: None,
                    certificate_until_ms: 0,
                    voucher_until_ms: None,
                },
                RawNode::Whole(whole) => {
                    let what = || wrong(format!("`{name}` has no role or key that this program knows"));
                    let key =
                        |text: &String| parse_hex(text).and_then(|bytes| NodePublic::parse(&bytes).ok());
                    let public = match &whole.public_key {
                        Some(text) => Some(key(text).ok_or_else(what)?),
                        None => None,
                    };
                    NodeState {
                        uuid: uuid(&name, &whole.uuid)?,
                        role: role_of(&whole.role).ok_or_else(what)?,
                        public,
                        certificate_until_ms: whole.certificate_until_ms,
                        voucher_until_ms: whole.voucher_until_ms,
                    }
                }
            };
            state.nodes.insert(name, node);
        }
        for RawRevoked {
            name,
            uuid: text,
            until_ms,
        } in raw.revoked
        {
            let uuid = uuid(&name, &text)?;
            state.revoked.push(Revoked { name, uuid, until_ms });
        }
        Ok(state)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), FileError> {
        let node = |node: &NodeState| {
            RawNode::Whole(RawWhole {
                uuid: hex(&node.uuid.0),
                role: role_name(node.role).to_owned(),
                public_key: node.public.map(|key| hex(&key.to_bytes())),
                certificate_until_ms: node.certificate_until_ms,
                voucher_until_ms: node.voucher_until_ms,
            })
        };
        let revoked = |revoked: &Revoked| RawRevoked {
            name: revoked.name.clone(),
            uuid: hex(&revoked.uuid.0),
            until_ms: revoked.until_ms,
        };
        let raw = RawState {
            topology_version: self.topology_version,
            nodes: self
                .nodes
                .iter()
                .map(|(name, one)| (name.clone(), node(one)))
                .collect(),
            revoked: self.revoked.iter().map(revoked).collect(),
        };
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        files::write(&folder.join(STATE_FILE), text.as_bytes(), Access::Public)
    }
}

/// What a role is called in commands and files.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::GameServer => "gameserver",
        Role::Proxy => "proxy",
        Role::Auth => "auth",
        Role::Operator => "operator",
    }
}

fn role_of(name: &str) -> Option<Role> {
    let all = [Role::GameServer, Role::Proxy, Role::Auth, Role::Operator];
    all.into_iter().find(|role| role_name(*role) == name)
}
