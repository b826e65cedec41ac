//! What is said to everybody under one topology and one set of keys: made once for each.

use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use node::join_file;
use protocol::identity::AuthorityKeys;
use topology::TopologyView;

use super::Web;

/// What the page may do, but for where it connects to.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; connect-src ";

/// See the module.
pub(in crate::server) struct Told {
    view: Arc<TopologyView>,
    authorities: Arc<AuthorityKeys>,
    /// `join.json`.
    pub(super) join: Bytes,
    /// What the page may do.
    pub(super) policy: HeaderValue,
}

impl Web {
    /// What is said now.
    pub(super) fn told(&self) -> Arc<Told> {
        let (view, authorities) = (self.context.topology.view(), self.authorities.load_full());
        let is_of_now =
            |told: &Arc<Told>| Arc::ptr_eq(&told.view, &view) && Arc::ptr_eq(&told.authorities, &authorities);
        if let Some(told) = self.told.load_full().filter(is_of_now) {
            return told;
        }
        let file = join_file::advertised(self.context.own.cluster_id, &authorities, view.topology());
        let places = self.ask(|gate| gate.connects_to()).unwrap_or_default();
        let told = Arc::new(Told {
            join: format!("{file:#}\n").into(),
            policy: HeaderValue::try_from(format!("{POLICY}{places}"))
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
            view,
            authorities,
        });
        self.told.store(Some(Arc::clone(&told)));
        told
    }
}
