//! Somebody who looks at the live map of a cluster, and has the newest picture at hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use net::websocket::upgrade::Request;
use net::websocket::{End, Form, Messages};
use regionmesh::Cluster;
use serde_json::Value;

/// Longer than any picture, bytes.
const PICTURE_BYTES_MAX: usize = 1 << 20;

/// Looks until the proxy closes, on a thread of its own.
pub(crate) struct Viewer {
    newest: Arc<Mutex<Value>>,
}

impl Viewer {
    /// Looks by way of this proxy.
    pub(crate) fn of(cluster: &Cluster, proxy: &str) -> Self {
        let node = cluster.addresses_of(proxy).unwrap();
        let place = node.url.as_deref().unwrap().strip_prefix("http://").unwrap();
        let mut io = TcpStream::connect(place).unwrap();
        let request = Request::new("regionmesh.map.v1", *b"the sample nonce");
        io.write_all(&request.bytes(place, "/mesh")).unwrap();
        let newest = Arc::<Mutex<Value>>::default();
        let shown = Arc::clone(&newest);
        std::thread::spawn(move || {
            let mut messages = Messages::new(End::Client(9), Form::Text, PICTURE_BYTES_MAX);
            let (mut came, mut scratch) = (Vec::new(), vec![0; 64 * 1024]);
            let mut is_open = false;
            while let Ok(read @ 1..) = io.read(&mut scratch) {
                came.extend_from_slice(scratch.get(..read).unwrap());
                if !is_open {
                    let Some(begins) = request.answered(&came).unwrap() else {
                        continue;
                    };
                    came.drain(..begins);
                    is_open = true;
                }
                if messages.receive(&mut came).is_err() {
                    return;
                }
                came.clear();
                let words = std::iter::from_fn(|| messages.next_message());
                for word in words.map(|word| serde_json::from_slice::<Value>(&word).unwrap()) {
                    *shown.lock().unwrap() = word;
                }
            }
        });
        Self { newest }
    }

    /// Whether the newest picture shows it.
    pub(crate) fn sees(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        let newest = self.newest.lock().unwrap();
        newest["type"] == "now" && wanted(&newest)
    }
}

/// Players whom a picture shows in all regions.
pub(crate) fn players(now: &Value) -> u64 {
    let regions = now["regions"].as_array().unwrap().iter();
    regions.filter_map(|region| region["players"].as_u64()).sum()
}

/// The states of a server and of its regions, by its number.
pub(crate) fn server(now: &Value, number: u64) -> (bool, Vec<&str>) {
    let servers = now["servers"].as_array().unwrap().iter();
    let is_up = servers
        .filter(|server| server["number"] == number)
        .any(|server| server["up"] == true);
    let regions = now["regions"].as_array().unwrap().iter();
    let own = regions.filter(|region| region["server"] == number);
    (is_up, own.filter_map(|region| region["state"].as_str()).collect())
}
