//! C3: the login, of one size, so that nobody on the way can tell a guest, a password and a ticket apart; only a token may take the next
//! ones.
//!
//! ```text
//! C3 512, 1024, 2048 or 3072  SEALED{ mode u8 | client_pub 32 | credentials | attach_no u32 | sig_c 64 | again | zeros to the smallest of them }
//! credentials: 0 guest: name; 1 password: name, password (u8 length ‖ UTF-8 each); 2 ticket: 180 bytes; 3 device: nothing
//!              4 token: u16 length ‖ ASCII; 5 sealed to an auth node: u16 length ‖ the box of `sealed_deed.rs`
//! again: 2 ticket, 3 device, 4 token: the name of the login that it is from (u8 length ‖ UTF-8); otherwise nothing
//!              a name is whatever fits its length byte: a login that is refused for its name is answered, not cut off
//! sig_c = Ed25519(client key, "RMC/1 client\0" ‖ h3)
//! ```

use std::fmt;

use zeroize::Zeroizing;

use super::error::ClientHandshakeError;
use crate::identity::{ClientPublic, Clock, NodePublic};
use crate::ids::{AttachNo, ClusterId, NodeUuid};
use crate::keys::TAG_BYTES;
use crate::limits::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::sealed_deed::SEALED_DEED_BYTES_MAX;
use crate::ticket::{RawTicket, TICKET_BYTES, Ticket, TicketError};
use crate::wire::Reader;

/// Length of C3, but of one with a token that does not fit.
pub const C3_BYTES: usize = 512;
/// The lengths that C3 may have.
pub const C3_STEPS: [usize; 4] = [C3_BYTES, 1_024, 2_048, 3_072];
const PLAIN_BYTES_MAX: usize = C3_STEPS[3] - TAG_BYTES;
// The longest token fits the third step, with the longest name of its login, and the longest box the last.
const _: () =
    assert!(1 + 32 + 2 + TOKEN_BYTES_MAX + 4 + 64 + 1 + NAME_AGAIN_BYTES_MAX <= C3_STEPS[2] - TAG_BYTES);
const _: () = assert!(1 + 32 + 2 + SEALED_DEED_BYTES_MAX + 4 + 64 <= PLAIN_BYTES_MAX);
/// A name as it is sent, bytes.
const SENT_NAME_BYTES_MAX: usize = u8::MAX as usize;
/// A name that was let in once, as it was written then.
const NAME_AGAIN_BYTES_MAX: usize = 3 * NAME_BYTES_MAX;
const MODE_GUEST: u8 = 0;
const MODE_PASSWORD: u8 = 1;
const MODE_TICKET: u8 = 2;
const MODE_DEVICE: u8 = 3;
const MODE_TOKEN: u8 = 4;
const MODE_SEALED: u8 = 5;

/// What a client shows to be let in.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and nothing else.
    Guest {
        /// At most 255 bytes; whether it is allowed, the auth role says.
        /// See [`PlayerName`](crate::name::PlayerName).
        name: String,
    },
    /// For the auth role; a proxy without one answers `AUTH_FAILED`.
    Password {
        /// At most 255 bytes.
        name: String,
        /// At most 128 bytes.
        password: Zeroizing<String>,
    },
    /// From an earlier login.
    Ticket {
        /// As sent, [`LoginRequest::verify_ticket`] reads it.
        ticket: Box<[u8; TICKET_BYTES]>,
        /// The name of that login, at most 96 bytes; nobody may have made a player of it yet. Nobody vouches for it.
        name: String,
    },
    /// The signed word of somebody else about whose account this is; see `[jwt]` of the proxy's settings.
    Token {
        /// At most [`TOKEN_BYTES_MAX`] of ASCII.
        token: Zeroizing<String>,
        /// What a new player is called where the token does not say, at most 96 bytes.
        name: String,
    },
    /// A password or a token that an auth node alone can read; made by the handshake where `join.json` names one.
    Sealed {
        /// See [`Deed`](crate::sealed_deed::Deed).
        sealed: Vec<u8>,
    },
    /// The key that signs the handshake, which the auth role knows of: see `POST /api/device`.
    Device {
        /// As that of a ticket.
        name: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest { name } => write!(f, "Guest({name:?})"),
            Self::Password { name, .. } => write!(f, "Password({name:?}, …)"),
            Self::Ticket { name, .. } => write!(f, "Ticket({name:?}, …)"),
            Self::Device { name } => write!(f, "Device({name:?})"),
            Self::Token { name, .. } => write!(f, "Token({name:?}, …)"),
            Self::Sealed { .. } => write!(f, "Sealed(…)"),
        }
    }
}

/// C3 as the proxy opened it. The client has shown that it holds `client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// The session key that a ticket is, or will be, bound to.
    pub client: ClientPublic,
    /// Not checked yet.
    pub credentials: Credentials,
    /// The number of the attach that this handshake is for.
    pub attach_no: AttachNo,
}

impl LoginRequest {
    /// Reads and verifies a ticket shown in this login, and that it belongs to the key which signed the handshake.
    ///
    /// # Errors
    /// Any `TicketError`: refuse the login with its code.
    pub fn verify_ticket(
        &self,
        ticket: &[u8; TICKET_BYTES],
        cluster_id: ClusterId,
        issuer_key: impl FnOnce(NodeUuid) -> Option<NodePublic>,
        clock: Clock,
    ) -> Result<Ticket, TicketError> {
        let ticket = RawTicket::parse(ticket)?.verify(cluster_id, issuer_key, clock)?;
        if ticket.holder == self.client {
            Ok(ticket)
        } else {
            Err(TicketError::WrongHolder)
        }
    }

    /// The plaintext of C3.
    pub(super) fn encode(&self, signature: &[u8; 64]) -> Result<Zeroizing<Vec<u8>>, ClientHandshakeError> {
        // Never grows, so no copy of a password is left behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES_MAX));
        plain.push(match self.credentials {
            Credentials::Guest { .. } => MODE_GUEST,
            Credentials::Password { .. } => MODE_PASSWORD,
            Credentials::Ticket { .. } => MODE_TICKET,
            Credentials::Device { .. } => MODE_DEVICE,
            Credentials::Token { .. } => MODE_TOKEN,
            Credentials::Sealed { .. } => MODE_SEALED,
        });
        plain.extend_from_slice(&self.client.to_bytes());
        match &self.credentials {
            Credentials::Guest { name } => put_string(&mut plain, name, SENT_NAME_BYTES_MAX)?,
            Credentials::Password { name, password } => {
                put_string(&mut plain, name, SENT_NAME_BYTES_MAX)?;
                put_string(&mut plain, password, PASSWORD_BYTES_MAX)?;
            }
            Credentials::Ticket { ticket, .. } => plain.extend_from_slice(ticket.as_slice()),
            Credentials::Device { .. } => {}
            Credentials::Token { token, .. } => {
                let length = u16::try_from(token.len()).ok().filter(|_| is_token(token));
                let length = length.ok_or(ClientHandshakeError::LoginTooLong)?;
                plain.extend_from_slice(&length.to_le_bytes());
                plain.extend_from_slice(token.as_bytes());
            }
            Credentials::Sealed { sealed } => {
                let length = u16::try_from(sealed.len()).ok();
                let length = length.filter(|_| sealed.len() <= SEALED_DEED_BYTES_MAX);
                let length = length.ok_or(ClientHandshakeError::LoginTooLong)?;
                plain.extend_from_slice(&length.to_le_bytes());
                plain.extend_from_slice(sealed);
            }
        }
        plain.extend_from_slice(&self.attach_no.0.to_le_bytes());
        plain.extend_from_slice(signature);
        if let Credentials::Ticket { name, .. }
        | Credentials::Device { name }
        | Credentials::Token { name, .. } = &self.credentials
        {
            put_string(&mut plain, name, NAME_AGAIN_BYTES_MAX)?;
        }
        let padded = padded(plain.len()).ok_or(ClientHandshakeError::LoginTooLong)?;
        plain.resize(padded, 0);
        Ok(plain)
    }

    /// The login and the signature, which the caller checks.
    pub(super) fn parse(plain: &[u8]) -> Result<(Self, [u8; 64]), ClientHandshakeError> {
        let malformed = ClientHandshakeError::Malformed("C3");
        let mut reader = Reader::new(plain);
        let mode = reader.u8()?;
        let client = ClientPublic::parse(&reader.array()?).map_err(|_| malformed)?;
        let mut credentials = match mode {
            MODE_GUEST => Credentials::Guest {
                name: string(&mut reader, SENT_NAME_BYTES_MAX)?,
            },
            MODE_PASSWORD => Credentials::Password {
                name: string(&mut reader, SENT_NAME_BYTES_MAX)?,
                password: Zeroizing::new(string(&mut reader, PASSWORD_BYTES_MAX)?),
            },
            MODE_TICKET => Credentials::Ticket {
                ticket: Box::new(reader.array()?),
                name: String::new(),
            },
            MODE_DEVICE => Credentials::Device { name: String::new() },
            MODE_TOKEN => {
                let length = usize::from(reader.u16()?);
                if length > TOKEN_BYTES_MAX {
                    return Err(malformed);
                }
                let token = std::str::from_utf8(reader.bytes(length)?).map_err(|_| malformed)?;
                let token = Some(token).filter(|token| is_token(token)).ok_or(malformed)?;
                Credentials::Token {
                    token: Zeroizing::new(token.to_owned()),
                    name: String::new(),
                }
            }
            MODE_SEALED => {
                let length = usize::from(reader.u16()?);
                if length > SEALED_DEED_BYTES_MAX {
                    return Err(malformed);
                }
                let sealed = reader.bytes(length)?.to_vec();
                Credentials::Sealed { sealed }
            }
            _ => return Err(malformed),
        };
        let attach_no = AttachNo(reader.u32()?);
        let signature = reader.array()?;
        if let Credentials::Ticket { name, .. }
        | Credentials::Device { name }
        | Credentials::Token { name, .. } = &mut credentials
        {
            *name = string(&mut reader, NAME_AGAIN_BYTES_MAX)?;
        }
        let rest = reader.rest();
        let said = plain.len().checked_sub(rest.len()).ok_or(malformed)?;
        if padded(said) != Some(plain.len()) || rest.iter().any(|&byte| byte != 0) {
            return Err(malformed);
        }
        let login = Self {
            client,
            credentials,
            attach_no,
        };
        Ok((login, signature))
    }
}

/// How long the plaintext of so many bytes is: as short a step as they fit.
fn padded(bytes: usize) -> Option<usize> {
    let mut steps = C3_STEPS.into_iter().map(|step| step.saturating_sub(TAG_BYTES));
    steps.find(|step| *step >= bytes)
}

fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_BYTES_MAX && text.is_ascii()
}

fn put_string(out: &mut Vec<u8>, text: &str, bytes_max: usize) -> Result<(), ClientHandshakeError> {
    let length = u8::try_from(text.len()).ok().filter(|_| text.len() <= bytes_max);
    out.push(length.ok_or(ClientHandshakeError::LoginTooLong)?);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn string(reader: &mut Reader<'_>, bytes_max: usize) -> Result<String, ClientHandshakeError> {
    let text = reader.string()?.filter(|text| text.len() <= bytes_max);
    text.map(str::to_owned)
        .ok_or(ClientHandshakeError::Malformed("C3"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ClientKey;

    fn plain(credentials: Credentials) -> Vec<u8> {
        let client = ClientKey::from_seed(&[4; 32]).public();
        let attach_no = AttachNo(3);
        let login = LoginRequest {
            client,
            credentials,
            attach_no,
        };
        login.encode(&[7; 64]).unwrap().to_vec()
    }

    fn guest() -> Vec<u8> {
        plain(Credentials::Guest { name: "ada".into() })
    }

    // CH-16: what is sealed is hostile too; whoever holds a client key may say anything.
    #[test]
    fn ch_16_an_authentic_login_that_is_malformed_is_refused() {
        let refused = |mut plain: Vec<u8>, change: &dyn Fn(&mut Vec<u8>)| {
            change(&mut plain);
            LoginRequest::parse(&plain).unwrap_err()
        };
        let malformed = ClientHandshakeError::Malformed("C3");
        assert_eq!(refused(guest(), &|plain| plain[0] = 6), malformed);
        assert_eq!(refused(guest(), &|plain| plain[1..33].fill(0)), malformed);
        assert_eq!(refused(guest(), &|plain| plain[34] = 0xff), malformed);
        assert_eq!(
            refused(guest(), &|plain| *plain.last_mut().unwrap() = 1),
            malformed
        );
        assert_eq!(refused(guest(), &|plain| plain.push(0)), malformed);
        let longer = |plain: &mut Vec<u8>| plain.resize(C3_STEPS[1] - TAG_BYTES, 0);
        assert_eq!(refused(guest(), &longer), malformed, "a step more than it needs");
        assert_eq!(
            refused(guest(), &|plain| {
                plain.pop();
            }),
            malformed
        );
        let password = plain(Credentials::Password {
            name: "ada".into(),
            password: Zeroizing::new("secret".into()),
        });
        assert_eq!(refused(password.clone(), &|plain| plain[37] = 129), malformed);
        for length in 0..160 {
            assert!(LoginRequest::parse(&password[..length]).is_err());
        }
    }

    #[test]
    fn the_longest_name_and_password_fit_the_one_size() {
        let plain = plain(Credentials::Password {
            name: "n".repeat(SENT_NAME_BYTES_MAX),
            password: Zeroizing::new("p".repeat(PASSWORD_BYTES_MAX)),
        });
        assert_eq!(plain.len(), C3_BYTES - TAG_BYTES);
        let (login, signature) = LoginRequest::parse(&plain).unwrap();
        assert_eq!((login.attach_no, signature), (AttachNo(3), [7; 64]));
    }

    #[test]
    fn a_token_takes_the_step_that_it_needs_and_is_bounded() {
        let token = |length: usize, name: &str| Credentials::Token {
            token: Zeroizing::new("t".repeat(length)),
            name: name.to_owned(),
        };
        let longest = "n".repeat(NAME_AGAIN_BYTES_MAX);
        for (length, name, step) in [
            (0, "", 512),
            (300, "ada", 512),
            (1_024 - 16 - 104, "", 1_024),
            (1_024 - 16 - 103, "", 2_048),
            (TOKEN_BYTES_MAX, longest.as_str(), 2_048),
        ] {
            let sent = token(length, name);
            let plain = plain(sent.clone());
            assert_eq!(plain.len() + TAG_BYTES, step, "{length}");
            let (login, signature) = LoginRequest::parse(&plain).unwrap();
            assert_eq!((login.credentials, signature), (sent, [7; 64]));
        }
        let client = ClientKey::from_seed(&[4; 32]).public();
        let refused = |text: String| {
            let login = LoginRequest {
                client,
                credentials: Credentials::Token {
                    token: Zeroizing::new(text),
                    name: String::new(),
                },
                attach_no: AttachNo(3),
            };
            login.encode(&[7; 64]).unwrap_err()
        };
        for text in ["t".repeat(TOKEN_BYTES_MAX + 1), "é".to_owned()] {
            assert_eq!(refused(text), ClientHandshakeError::LoginTooLong);
        }
        let mut hostile = plain(token(300, ""));
        hostile[33..35].copy_from_slice(&(TOKEN_BYTES_MAX as u16 + 1).to_le_bytes());
        assert!(LoginRequest::parse(&hostile).is_err());
        let mut hostile = plain(token(300, ""));
        hostile[40] = 0xc3;
        assert!(LoginRequest::parse(&hostile).is_err());
    }

    #[test]
    fn a_ticket_has_the_name_of_its_login_with_it_or_none() {
        let again = |name: &str| Credentials::Ticket {
            ticket: Box::new([9; TICKET_BYTES]),
            name: name.to_owned(),
        };
        let device = |name: &str| Credentials::Device {
            name: name.to_owned(),
        };
        for name in ["", "ada", &"n".repeat(NAME_AGAIN_BYTES_MAX)] {
            for sent in [again(name), device(name)] {
                let (login, signature) = LoginRequest::parse(&plain(sent.clone())).unwrap();
                assert_eq!((login.credentials, signature), (sent, [7; 64]));
            }
        }
        let mut longer = plain(again(&"n".repeat(NAME_AGAIN_BYTES_MAX)));
        let length = 1 + 32 + TICKET_BYTES + 4 + 64;
        longer[length] += 1;
        longer[length + NAME_AGAIN_BYTES_MAX + 1] = b'n';
        assert!(LoginRequest::parse(&longer).is_err());
    }
}
