//! What is said to everybody under one topology, one set of keys and one of certificates: made once for each.

use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use node::join_file;
use protocol::identity::AuthorityKeys;
use topology::TopologyView;

use super::Web;
use crate::server::webtransport::OwnPairs;

/// What the page may do, but for where it connects to.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; connect-src ";

/// See the module.
pub(in crate::server) struct Told {
    view: Arc<TopologyView>,
    authorities: Arc<AuthorityKeys>,
    /// What WebTransport proves itself by, if not by what everybody takes.
    own_pairs: Option<Arc<OwnPairs>>,
    /// `join.json`.
    pub(super) join: Bytes,
    /// What the page may do.
    pub(super) policy: HeaderValue,
}

impl Web {
    /// What is said now.
    pub(super) fn told(&self) -> Arc<Told> {
        let (view, authorities) = (self.context.topology.view(), self.authorities.load_full());
        let own_pairs = self
            .webtransport
            .as_ref()
            .and_then(|door| door.certificates.own());
        let is_of_now = |told: &Arc<Told>| {
            let pairs = |pairs: &Option<Arc<OwnPairs>>| pairs.as_ref().map(Arc::as_ptr);
            Arc::ptr_eq(&told.view, &view)
                && Arc::ptr_eq(&told.authorities, &authorities)
                && pairs(&told.own_pairs) == pairs(&own_pairs)
        };
        if let Some(told) = self.told.load_full().filter(is_of_now) {
            return told;
        }
        let (own, topology) = (self.context.own, view.topology());
        let auths = join_file::auth_nodes(&view);
        let mut file = join_file::advertised(own.cluster_id, &authorities, topology, &auths);
        let advertised = topology.proxy(own.number);
        let advertised = advertised.and_then(|proxy| proxy.webtransport.as_ref());
        if let (Some(door), Some(at)) = (&self.webtransport, advertised) {
            let digests = own_pairs.as_ref().map(|pairs| pairs.digests());
            join_file::put_webtransport(&mut file, &door.url(at), digests.as_ref().map(<[_; _]>::as_slice));
        }
        let places = self.ask(|gate| gate.connects_to()).unwrap_or_default();
        let told = Arc::new(Told {
            join: format!("{file:#}\n").into(),
            policy: HeaderValue::try_from(format!("{POLICY}{places}"))
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
            view,
            authorities,
            own_pairs,
        });
        self.told.store(Some(Arc::clone(&told)));
        told
    }
}
