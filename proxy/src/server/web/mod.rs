//! The proxy's HTTP door: the page, `join.json`, and the upgrade to WebSocket, behind which a client is as any other. It runs
//! on control; nothing of a game passes through here.

mod assets;
pub(super) mod gate;
mod listener;
mod mesh;
mod routes;

use std::sync::Arc;

use arc_swap::ArcSwap;
use protocol::identity::AuthorityKeys;
use tokio_util::task::TaskTracker;

pub(super) use listener::{WebLimits, accept_browsers};

use super::client_context::ClientContext;
use super::tools::Tools;
use assets::Assets;
use gate::Exceptions;

/// What all requests share.
pub(super) struct Web {
    context: Arc<ClientContext>,
    assets: Assets,
    authorities: Arc<ArcSwap<AuthorityKeys>>,
    except: Exceptions,
    peers: TaskTracker,
    tools: Tools,
}

impl Web {
    /// Whoever is let in is a task of `peers`.
    pub(super) fn new(
        context: Arc<ClientContext>,
        authorities: Arc<ArcSwap<AuthorityKeys>>,
        except: Exceptions,
        (peers, tools): (TaskTracker, Tools),
    ) -> Self {
        Self {
            context,
            assets: Assets::embedded(),
            authorities,
            except,
            peers,
            tools,
        }
    }
}
