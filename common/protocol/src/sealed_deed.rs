//! What nobody but an auth node is to read: passwords, codes and tokens, sealed by the client to the key of an auth node's certificate,
//! which `join.json` names. A proxy passes the bytes on and cannot open them.
//!
//! ```text
//! version 0x01 u8 | uuid of the auth node 16 | ephemeral X25519 public key 32 | ciphertext | tag 16
//! ikm = X25519(ephemeral, key of the auth node: its Ed25519 key as a point of the Montgomery curve); abort on an all-zero result
//! prk = HKDF-Extract(salt = SHA256("RMC/1 deed\0" ‖ cluster_id ‖ uuid ‖ Ed25519 public key ‖ ephemeral ‖ client_pub), ikm)
//! AES-256-GCM under Expand(prk, "deed", 32), nonce 0, additional data = all before the ciphertext
//! plain: what u8 | its texts (u16 length ‖ UTF-8 each) | zeros to 328, 840, 1,864 or 2,888 bytes, the smallest that it fits
//! ```
//!
//! The client's key is part of the salt: a box that somebody else shows, under a key of its own, does not open.

mod auth_nodes;

use std::fmt;

use zeroize::Zeroizing;

use crate::identity::{ClientPublic, NodeKey};
use crate::ids::{ClusterId, NodeUuid};
use crate::keys::{KeyAgreement, NotAuthentic, Prk, SealingKey, TAG_BYTES, sha256};
use crate::limits::{PASSWORD_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::wire::Reader;

pub use auth_nodes::{AuthNode, AuthNodes};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 32;
/// Lengths of the plaintext: with them a box is no step of C3 longer than it has to be.
const STEPS: [usize; 4] = [328, 840, 1_864, 2_888];
/// The longest box.
pub const SEALED_DEED_BYTES_MAX: usize = HEAD_BYTES + STEPS[3] + TAG_BYTES;
/// A name as it is sent.
const NAME_BYTES_MAX: usize = u8::MAX as usize;

/// What an auth node is asked to do. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Deed {
    /// Log an account in.
    LogIn {
        /// Its name, at most 255 bytes, as all of them.
        name: String,
        /// Its password, at most 128 bytes, as all of them.
        password: Zeroizing<String>,
    },
    /// Log in whom a token is of, or make an account for it.
    ShowToken {
        /// At most [`TOKEN_BYTES_MAX`].
        token: Zeroizing<String>,
        /// What a new player is called where the token does not say.
        name: String,
    },
    /// Make an account.
    Register {
        /// Its name.
        name: String,
        /// Its password.
        password: Zeroizing<String>,
    },
    /// Give an account another password.
    Change {
        /// Its name.
        name: String,
        /// The password that it has.
        password: Zeroizing<String>,
        /// The one that it gets.
        new_password: Zeroizing<String>,
    },
    /// Give an account a password by a code that an operator has given.
    Reset {
        /// Its name.
        name: String,
        /// The code.
        code: Zeroizing<String>,
        /// The password that it gets.
        new_password: Zeroizing<String>,
    },
    /// Delete the account of whoever asks.
    Delete {
        /// Its password.
        password: Zeroizing<String>,
    },
    /// The same, where somebody else vouches for it.
    DeleteByToken {
        /// What shows that.
        token: Zeroizing<String>,
    },
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deed({}, …)", self.number())
    }
}

/// Why a deed is not sealed, or a box not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedDeedError {
    /// A text of it is longer than it may be.
    #[error("a name, a password or a token is too long")]
    TooLong,
    /// It does not open: made for another node, key, client or cluster, or changed on its way.
    #[error(transparent)]
    NotAuthentic(#[from] NotAuthentic),
    /// What is in it, or around it, has not the form.
    #[error("a sealed deed is malformed")]
    Malformed,
}

impl Deed {
    /// Seals it to `to`, for the client whose key this is; `agreement` is fresh.
    ///
    /// # Errors
    /// `TooLong`, and `NotAuthentic` for an auth node with no proper key.
    pub fn seal(
        &self,
        to: &AuthNode,
        (cluster_id, client): (ClusterId, ClientPublic),
        agreement: KeyAgreement,
    ) -> Result<Vec<u8>, SealedDeedError> {
        let plain = self.encode()?;
        let ephemeral = agreement.public();
        let shared = agreement.agree(to.public.agreement());
        let shared = Zeroizing::new(shared.ok_or(NotAuthentic)?);
        let key = key(to, (cluster_id, client), &ephemeral, &shared);
        let mut sealed = Vec::with_capacity(SEALED_DEED_BYTES_MAX);
        sealed.push(VERSION);
        sealed.extend_from_slice(&to.uuid.0);
        sealed.extend_from_slice(&ephemeral);
        let head = sealed.clone();
        key.seal_onto([0; 12], &head, &plain, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens a box at the node `own`, whose key this is; `client` is whose it is said to be.
    ///
    /// # Errors
    /// `NotAuthentic` or `Malformed`.
    pub fn open(
        sealed: &[u8],
        (own, key): (NodeUuid, &NodeKey),
        (cluster_id, client): (ClusterId, ClientPublic),
    ) -> Result<Self, SealedDeedError> {
        let malformed = SealedDeedError::Malformed;
        let (head, text) = sealed.split_at_checked(HEAD_BYTES).ok_or(malformed)?;
        let mut reader = Reader::new(head);
        let version = reader.u8().map_err(|_| malformed)?;
        let to = AuthNode {
            uuid: NodeUuid(reader.array().map_err(|_| malformed)?),
            public: key.public(),
        };
        let ephemeral = reader.array().map_err(|_| malformed)?;
        if version != VERSION || sealed.len() > SEALED_DEED_BYTES_MAX {
            return Err(malformed);
        }
        if to.uuid != own {
            return Err(NotAuthentic.into());
        }
        let shared = Zeroizing::new(key.agree(ephemeral).ok_or(NotAuthentic)?);
        let key = self::key(&to, (cluster_id, client), &ephemeral, &shared);
        let plain = Zeroizing::new(key.open_vec([0; 12], head, text)?);
        Self::parse(&plain)
    }

    /// Whom a box is for, as anybody can read; `None`: it is none.
    #[must_use]
    pub fn addressee(sealed: &[u8]) -> Option<NodeUuid> {
        let mut reader = Reader::new(sealed);
        let version = reader.u8().ok()?;
        let uuid = NodeUuid(reader.array().ok()?);
        let fits = (HEAD_BYTES..=SEALED_DEED_BYTES_MAX).contains(&sealed.len());
        (version == VERSION && fits).then_some(uuid)
    }

    const fn number(&self) -> u8 {
        match self {
            Self::LogIn { .. } => 1,
            Self::ShowToken { .. } => 2,
            Self::Register { .. } => 3,
            Self::Change { .. } => 4,
            Self::Reset { .. } => 5,
            Self::Delete { .. } => 6,
            Self::DeleteByToken { .. } => 7,
        }
    }

    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, SealedDeedError> {
        // Never grows, so no copy of a password is left behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(STEPS[3]));
        plain.push(self.number());
        let mut put = |text: &str, bytes_max: usize| {
            let length = u16::try_from(text.len()).ok().filter(|_| text.len() <= bytes_max);
            plain.extend_from_slice(&length.ok_or(SealedDeedError::TooLong)?.to_le_bytes());
            plain.extend_from_slice(text.as_bytes());
            Ok::<(), SealedDeedError>(())
        };
        match self {
            Self::LogIn { name, password } | Self::Register { name, password } => {
                put(name, NAME_BYTES_MAX)?;
                put(password, PASSWORD_BYTES_MAX)?;
            }
            Self::ShowToken { token, name } => {
                put(token, TOKEN_BYTES_MAX)?;
                put(name, NAME_BYTES_MAX)?;
            }
            Self::Change {
                name,
                password: proof,
                new_password,
            }
            | Self::Reset {
                name,
                code: proof,
                new_password,
            } => {
                put(name, NAME_BYTES_MAX)?;
                put(proof, PASSWORD_BYTES_MAX)?;
                put(new_password, PASSWORD_BYTES_MAX)?;
            }
            Self::Delete { password } => put(password, PASSWORD_BYTES_MAX)?,
            Self::DeleteByToken { token } => put(token, TOKEN_BYTES_MAX)?,
        }
        let step = padded(plain.len()).ok_or(SealedDeedError::TooLong)?;
        plain.resize(step, 0);
        Ok(plain)
    }

    fn parse(plain: &[u8]) -> Result<Self, SealedDeedError> {
        let malformed = SealedDeedError::Malformed;
        let mut reader = Reader::new(plain);
        let what = reader.u8().map_err(|_| malformed)?;
        let mut text = |bytes_max: usize| {
            let length = usize::from(reader.u16().map_err(|_| malformed)?);
            let bytes = reader.bytes(length.min(bytes_max)).map_err(|_| malformed)?;
            let text = std::str::from_utf8(bytes).ok().filter(|_| length <= bytes_max);
            text.map(str::to_owned).ok_or(malformed)
        };
        let mut name = || text(NAME_BYTES_MAX);
        let deed = match what {
            1 | 3 => {
                let name = name()?;
                let password = Zeroizing::new(text(PASSWORD_BYTES_MAX)?);
                match what {
                    1 => Self::LogIn { name, password },
                    _ => Self::Register { name, password },
                }
            }
            2 => Self::ShowToken {
                token: Zeroizing::new(text(TOKEN_BYTES_MAX)?),
                name: text(NAME_BYTES_MAX)?,
            },
            4 | 5 => {
                let name = name()?;
                let proof = Zeroizing::new(text(PASSWORD_BYTES_MAX)?);
                let new_password = Zeroizing::new(text(PASSWORD_BYTES_MAX)?);
                match what {
                    4 => Self::Change {
                        name,
                        password: proof,
                        new_password,
                    },
                    _ => Self::Reset {
                        name,
                        code: proof,
                        new_password,
                    },
                }
            }
            6 => Self::Delete {
                password: Zeroizing::new(text(PASSWORD_BYTES_MAX)?),
            },
            7 => Self::DeleteByToken {
                token: Zeroizing::new(text(TOKEN_BYTES_MAX)?),
            },
            _ => return Err(malformed),
        };
        let rest = reader.rest();
        let said = plain.len().checked_sub(rest.len()).ok_or(malformed)?;
        if padded(said) != Some(plain.len()) || rest.iter().any(|byte| *byte != 0) {
            return Err(malformed);
        }
        Ok(deed)
    }
}

fn padded(bytes: usize) -> Option<usize> {
    STEPS.into_iter().find(|step| *step >= bytes)
}

fn key(
    to: &AuthNode,
    (cluster_id, client): (ClusterId, ClientPublic),
    ephemeral: &[u8; 32],
    shared: &[u8; 32],
) -> SealingKey {
    let salt = sha256(&[
        b"RMC/1 deed\0",
        &cluster_id.0,
        &to.uuid.0,
        &to.public.to_bytes(),
        ephemeral,
        &client.to_bytes(),
    ]);
    let key = Zeroizing::new(Prk::extract(&salt, shared).expand::<32>("deed"));
    SealingKey::single_use(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::CountingEntropy;
    use crate::identity::ClientKey;

    const CLUSTER: ClusterId = ClusterId([1; 16]);
    const UUID: NodeUuid = NodeUuid([2; 16]);

    fn auth_key() -> NodeKey {
        NodeKey::from_seed(&[3; 32])
    }

    fn auth_node() -> AuthNode {
        AuthNode {
            uuid: UUID,
            public: auth_key().public(),
        }
    }

    fn client() -> ClientPublic {
        ClientKey::from_seed(&[4; 32]).public()
    }

    fn text(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    fn deed() -> Deed {
        Deed::LogIn {
            name: "ada".to_owned(),
            password: text("correct horse battery staple"),
        }
    }

    fn sealed(deed: &Deed) -> Vec<u8> {
        let agreement = KeyAgreement::new(&mut CountingEntropy(7));
        deed.seal(&auth_node(), (CLUSTER, client()), agreement).unwrap()
    }

    fn open(sealed: &[u8]) -> Result<Deed, SealedDeedError> {
        Deed::open(sealed, (UUID, &auth_key()), (CLUSTER, client()))
    }

    // SD-1: the layout is frozen.
    #[test]
    fn sd_1_a_box_has_the_bytes_that_it_always_had() {
        let sealed = sealed(&deed());
        assert_eq!(sealed.len(), HEAD_BYTES + 328 + TAG_BYTES);
        assert_eq!(Deed::addressee(&sealed), Some(UUID));
        let digest = sha256(&[&sealed]);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    // SD-2: nobody opens it but the node that it is for, and only for the client whose it is.
    #[test]
    fn sd_2_a_box_opens_for_one_node_one_client_and_one_cluster_and_unchanged() {
        let sealed = sealed(&deed());
        assert_eq!(open(&sealed), Ok(deed()));
        let refused = Err(SealedDeedError::NotAuthentic(NotAuthentic));
        let other = NodeKey::from_seed(&[5; 32]);
        let (own, here) = (auth_key(), (CLUSTER, client()));
        assert_eq!(
            Deed::open(&sealed, (UUID, &other), here),
            refused,
            "a proxy's key"
        );
        assert_eq!(Deed::open(&sealed, (NodeUuid([9; 16]), &own), here), refused);
        let thief = ClientKey::from_seed(&[6; 32]).public();
        assert_eq!(Deed::open(&sealed, (UUID, &own), (CLUSTER, thief)), refused);
        let elsewhere = (ClusterId([7; 16]), client());
        assert_eq!(Deed::open(&sealed, (UUID, &own), elsewhere), refused);
        for place in [1, 20, HEAD_BYTES, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(open(&changed).is_err(), "byte {place}");
        }
        for length in 0..sealed.len() {
            assert!(open(&sealed[..length]).is_err());
        }
        // A key that forces the secret to zero.
        let mut zero = sealed.clone();
        zero[17..HEAD_BYTES].fill(0);
        assert_eq!(open(&zero), refused);
    }

    #[test]
    fn every_deed_is_read_back_and_its_length_tells_little() {
        let (name, password) = (|| "ada".to_owned(), || text("old password"));
        let longest = || text(&"t".repeat(TOKEN_BYTES_MAX));
        let deeds = [
            (deed(), 328),
            (
                Deed::Register {
                    name: "n".repeat(255),
                    password: text(&"p".repeat(128)),
                },
                840,
            ),
            (
                Deed::ShowToken {
                    token: longest(),
                    name: name(),
                },
                1_864,
            ),
            (
                Deed::ShowToken {
                    token: longest(),
                    name: "n".repeat(255),
                },
                2_888,
            ),
            (
                Deed::Change {
                    name: name(),
                    password: password(),
                    new_password: text("new"),
                },
                328,
            ),
            (
                Deed::Reset {
                    name: name(),
                    code: text("1-2-3"),
                    new_password: text("new"),
                },
                328,
            ),
            (Deed::Delete { password: password() }, 328),
            (Deed::DeleteByToken { token: text("a.b.c") }, 328),
        ];
        for (deed, step) in deeds {
            let sealed = sealed(&deed);
            assert_eq!(sealed.len(), HEAD_BYTES + step + TAG_BYTES, "{deed:?}");
            assert_eq!(open(&sealed), Ok(deed));
        }
        let long = Deed::Delete {
            password: text(&"p".repeat(129)),
        };
        let agreement = KeyAgreement::new(&mut CountingEntropy(7));
        let refused = long.seal(&auth_node(), (CLUSTER, client()), agreement);
        assert_eq!(refused, Err(SealedDeedError::TooLong));
        assert!(!format!("{:?}", deed()).contains("horse"));
    }

    #[test]
    fn what_is_in_a_box_is_hostile_too() {
        let plain = deed().encode().unwrap().to_vec();
        type Change = dyn Fn(&mut Vec<u8>);
        let refused = |change: &Change| {
            let mut plain = plain.clone();
            change(&mut plain);
            Deed::parse(&plain).unwrap_err()
        };
        let changes: [&Change; 7] = [
            &|plain| plain[0] = 8,
            &|plain| plain[2] = 1,
            &|plain| plain[3] = 0xff,
            &|plain| *plain.last_mut().unwrap() = 1,
            &|plain| plain.push(0),
            &|plain| plain.resize(840, 0),
            &|plain| plain.truncate(20),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            assert_eq!(refused(change), SealedDeedError::Malformed, "change {place}");
        }
    }

    const GOLDEN: &str = "55e8494a7f6477ec4bae4cf2a295dd9726afe1419ab4e6bfc483d698a58a24da";
}
