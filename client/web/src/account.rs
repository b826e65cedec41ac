//! The accounts' API for a worker: it fetches, and this signs and says what to go on with.

use client_core::AccountClient;
use protocol::sealed_deed::Deed;
use protocol::ticket::TICKET_BYTES;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::Crypto;
use crate::join;

/// One request, or several about one session.
#[wasm_bindgen]
pub struct Account {
    client: AccountClient,
    cluster_id: protocol::ids::ClusterId,
}

#[wasm_bindgen]
impl Account {
    /// For the session that was `kept`, or for a login where that is empty.
    ///
    /// # Errors
    /// What is wrong, for people.
    #[wasm_bindgen(constructor)]
    pub fn new(cluster_id: &str, kept: &[u8]) -> Result<Self, String> {
        let client = match kept {
            [] => AccountClient::new(&mut Crypto),
            kept => AccountClient::of(kept).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            client,
            cluster_id: join::cluster_id(cluster_id)?,
        })
    }

    /// The header `Authorization` of a request.
    #[must_use]
    pub fn authorization(&self, method: &str, path: &str, body: &str, wall_ms: f64) -> String {
        let what = (method, path);
        self.client
            .authorization(self.cluster_id, what, body.as_bytes(), wall_ms as u64)
    }

    /// What only an auth node of `auth` can read (uuid and key of each, as `join.json` has them): what is to be done, and its texts.
    ///
    /// # Errors
    /// What is wrong, for people.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "JavaScript hands over lists as they are"
    )]
    pub fn seal(&self, auth: Vec<String>, what: &str, texts: Vec<String>) -> Result<Vec<u8>, String> {
        let deed = deed(what, texts).ok_or("there is no such thing to do about an account")?;
        let auth = join::auth_nodes(&auth)?;
        let sealed = self.client.sealed((self.cluster_id, &auth), &deed, &mut Crypto);
        let sealed = sealed.map_err(|error| error.to_string())?;
        sealed.ok_or_else(|| "join.json names no auth node".to_owned())
    }

    /// What to go on with after this ticket was granted to an account of this name.
    ///
    /// # Errors
    /// It is not a ticket of this client.
    pub fn granted(self, ticket: &str, name: &str) -> Result<Vec<u8>, String> {
        let bytes =
            join::hex::<TICKET_BYTES>(ticket).ok_or("the proxy granted something that is no ticket")?;
        self.client
            .granted(&bytes, name)
            .map_err(|_| "the proxy granted a ticket to somebody else".to_owned())
    }
}

fn deed(what: &str, texts: Vec<String>) -> Option<Deed> {
    let mut texts = texts.into_iter();
    let mut text = || texts.next();
    let deed = match what {
        "login" => Deed::LogIn {
            name: text()?,
            password: text()?.into(),
        },
        "register" => Deed::Register {
            name: text()?,
            password: text()?.into(),
        },
        "token" => Deed::ShowToken {
            token: text()?.into(),
            name: text()?,
        },
        "change" => Deed::Change {
            name: text()?,
            password: text()?.into(),
            new_password: text()?.into(),
        },
        "reset" => Deed::Reset {
            name: text()?,
            code: text()?.into(),
            new_password: text()?.into(),
        },
        "delete" => Deed::Delete {
            password: text()?.into(),
        },
        "delete_token" => Deed::DeleteByToken {
            token: text()?.into(),
        },
        _ => return None,
    };
    Some(deed)
}
