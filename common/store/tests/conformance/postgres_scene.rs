//! A database for each scene, all on one server that ends with the tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use store::postgres::PostgresStore;
use store::postgres::trial::TrialServer;

use crate::scene::Scene;

/// A server that need not survive its machine.
const FORGETFUL: &[&str] = &[
    "fsync = off",
    "full_page_writes = off",
    "max_connections = 200",
    "shared_buffers = '32MB'",
];

pub(crate) fn postgres() -> Scene {
    static SERVER: OnceLock<TrialServer> = OnceLock::new();
    static COPYING: Mutex<()> = Mutex::new(());
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| {
        let server = TrialServer::start(FORGETFUL).unwrap();
        server.create("model").unwrap();
        server
    });
    let name = format!("scene_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let address = {
        // One at a time: nobody may be connected to what is copied.
        let _turn = COPYING.lock().unwrap();
        server.copy("model", &name).unwrap()
    };
    let open = || PostgresStore::open(&address).unwrap();
    let lapse = move || {
        let over = "UPDATE regionmesh.session SET until_ms = 1";
        server.say(&name, over).map(drop).unwrap();
    };
    Scene::of(Arc::new(open()), Arc::new(open()), lapse)
}
