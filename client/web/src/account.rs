//! The accounts' API for a worker: it fetches, and this signs and says what to go on with.

use client_core::AccountClient;
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
