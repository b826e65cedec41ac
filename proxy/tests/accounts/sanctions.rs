//! What operators do to a user whose login is under way just then, whichever is read first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use net::entropy::OsEntropy;
use node::life::Node;
use protocol::Code;
use protocol::client_handshake::{Credentials, Refusal};
use protocol::identity::ClientKey;
use protocol::ids::UserId;
use proxy::server::Proxy;
use store::{
    AccountReply, AccountRequest, NewSanction, SanctionKind, Store, StoreReply, StoreRequest, StoreResult,
    Subject,
};

use super::super::world::World;
use super::super::world::client::Client;

/// Does something to a user the moment its next login is counted.
struct Struck {
    inner: Arc<dyn Store>,
    kind: SanctionKind,
    is_armed: AtomicBool,
    /// Whether that login has no answer before the proxy has read what was done.
    waits: bool,
    /// Up to which number the proxy has read.
    read_to: AtomicU64,
}

impl Struck {
    fn strike(&self, user: UserId) {
        let sanction = StoreRequest::Account(AccountRequest::Sanction(NewSanction {
            subject: Subject::User(user),
            kind: self.kind,
            for_ms: None,
            reason: "just now".to_owned(),
        }));
        let Ok(StoreReply::Account(AccountReply::Sanctioned(done))) =
            self.inner.execute(&[sanction]).remove(0)
        else {
            panic!("nothing was done");
        };
        let began = Instant::now();
        while self.waits && self.read_to.load(Ordering::SeqCst) < done.seq {
            assert!(began.elapsed() < Duration::from_secs(2), "it is not read");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Store for Struck {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let results = self.inner.execute(requests);
        for request in requests {
            match request {
                // Whoever reads on has taken in all below.
                StoreRequest::Account(AccountRequest::ReadSanctions { after }) => {
                    self.read_to.fetch_max(*after, Ordering::SeqCst);
                }
                StoreRequest::RaiseSession { user } if self.is_armed.swap(false, Ordering::SeqCst) => {
                    self.strike(*user);
                }
                _ => {}
            }
        }
        results
    }

    fn identity(&self) -> store::StoreIdentity {
        self.inner.identity()
    }
}

async fn struck(world: &World, kind: SanctionKind, waits: bool) -> Proxy {
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let store = Arc::new(Struck {
        inner: world.store(),
        kind,
        is_armed: AtomicBool::new(true),
        waits,
        read_to: AtomicU64::new(0),
    });
    let started = Proxy::start_with(&settings, &node, store).await;
    started.unwrap_or_else(|failure| panic!("{failure}"))
}

async fn come(world: &World, proxy: &Proxy) -> Result<Client, Refusal> {
    let credentials = Credentials::Guest {
        name: "Amber Otter".to_owned(),
    };
    let key = ClientKey::generate(&mut OsEntropy);
    Client::log_in(world.trust(), proxy.addresses().tcp, key, credentials, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_before_a_login_is_granted_keeps_it_out() {
    for (kind, code) in [
        (SanctionKind::Kick, Code::Kicked),
        (SanctionKind::Ban, Code::Banned),
    ] {
        let world = World::new().await;
        let proxy = struck(&world, kind, true).await;
        let refused = come(&world, &proxy).await.err().unwrap();
        assert_eq!(refused.code, code, "{}", refused.reason);
        assert!(come(&world, &proxy).await.is_ok(), "another guest");
        proxy.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_after_a_login_was_granted_ends_it() {
    for (kind, code) in [
        (SanctionKind::Kick, Code::Kicked),
        (SanctionKind::Ban, Code::Banned),
    ] {
        let world = World::new().await;
        let proxy = struck(&world, kind, false).await;
        let began = Instant::now();
        // It may be read in the very moment between.
        match come(&world, &proxy).await {
            Ok(mut client) => {
                assert_eq!(client.closed().await.code, code);
                let back = client.resume(proxy.addresses().tcp).await.err().unwrap();
                assert_eq!(back.code, code);
            }
            Err(refused) => assert_eq!(refused.code, code),
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        proxy.drain().await;
    }
}
