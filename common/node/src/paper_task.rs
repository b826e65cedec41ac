//! Papers that come while a node runs: whoever renews them copies them into its data directory, and the node takes them up
//! without a restart. A topology that is put there is offered like a peer's, and so spreads to everybody.

use crate::admin::{Check, Papers, Readiness};
use crate::clock::wall_ms;
use crate::data_dir::{BUNDLE_FILE, CERTIFICATE_FILE, OwnPapers, VOUCHER_FILE};
use crate::files::{self, Access};
use crate::topology_in_force::TopologyInForce;
use net::link::LinkContext;
use protocol::identity::Role;
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);
/// What stands in `/readyz` of papers that are there and cannot be taken up.
const CHECK: &str = "new papers";

/// What a role does with new papers, or why it cannot.
pub type Renewed = Box<dyn Fn(&OwnPapers) -> Result<(), String> + Send + Sync>;

/// Takes up what comes, until it is told to stop.
pub struct PaperTask {
    /// The data directory.
    pub data: PathBuf,
    /// What the node runs as.
    pub role: Role,
    /// Until when each paper is good, as `/readyz` and metrics tell.
    pub papers: Papers,
    /// Links from then on show the new certificate.
    pub links: Arc<LinkContext>,
    /// The topology in force.
    pub in_force: Arc<TopologyInForce>,
    /// Where papers that are refused are told.
    pub readiness: Readiness,
    /// Told of new papers, for what the role does with them beside links.
    pub renewed: Renewed,
    /// Told of a sealed topology that is newer, as if a peer had offered it.
    pub offered: Box<dyn Fn(Vec<u8>) + Send + Sync>,
}

impl fmt::Debug for PaperTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaperTask")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// What of a file tells that it is another one.
type Sign = Option<(u64, i64, i64, u64)>;

impl PaperTask {
    /// Looks every two seconds, on a thread that may wait for the disk, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        // What was there at the start is in use.
        let (mut papers, mut bundle) = (this.signs(&PAPERS), this.signs(&[BUNDLE_FILE]));
        let mut is_refused = false;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let now = this.signs(&PAPERS);
            if now != papers || is_refused {
                papers = now;
                let taking = Arc::clone(&this);
                let taken = tokio::task::spawn_blocking(move || taking.take_papers()).await;
                is_refused = this.tell(taken.unwrap_or_else(|error| Err(error.to_string())));
            }
            let now = this.signs(&[BUNDLE_FILE]);
            if now != bundle {
                bundle = now;
                let taking = Arc::clone(&this);
                let _ = tokio::task::spawn_blocking(move || taking.offer_bundle()).await;
            }
        }
    }

    fn signs(&self, files: &[&str]) -> Vec<Sign> {
        files.iter().map(|file| sign(&self.data.join(file))).collect()
    }

    /// Whether they were refused.
    fn tell(&self, taken: Result<(), String>) -> bool {
        match taken {
            Ok(()) => {
                tracing::info!("new papers are in use: {}", self.papers.left());
                self.readiness.clear(CHECK);
                false
            }
            Err(why) => {
                let figure = format!(
                    "the papers in the data directory are not taken up: {why}; those before stay in use"
                );
                self.readiness.set(CHECK, Check::noted(figure));
                true
            }
        }
    }

    fn take_papers(&self) -> Result<(), String> {
        let own = OwnPapers::read(&self.data, self.role, wall_ms()).map_err(|error| error.to_string())?;
        self.links
            .renew(&own.certificate)
            .map_err(|error| error.to_string())?;
        (self.renewed)(&own)?;
        self.papers.renewed(&own);
        Ok(())
    }

    /// One that is not newer, or no good, is put right, so that the next start does not go back to it.
    fn offer_bundle(&self) {
        let path = self.data.join(BUNDLE_FILE);
        let view = self.in_force.view();
        let sealed = match files::read(&path, TOPOLOGY_BUNDLE_BYTES_MAX, Access::Public) {
            Ok(sealed) if *sealed == **view.sealed() => return,
            Ok(sealed) => sealed,
            // It may be on its way.
            Err(_) => return,
        };
        match self.in_force.judge(&sealed, wall_ms()) {
            Ok(_) => (self.offered)(sealed),
            Err(error) => {
                tracing::warn!(%error, "the topology that was put into the data directory is not taken up; the one in force is put back");
                if let Err(error) = self.in_force.keep(&self.data) {
                    tracing::warn!(%error, "the next start may not know the topology in force");
                }
            }
        }
    }
}

const PAPERS: [&str; 2] = [CERTIFICATE_FILE, VOUCHER_FILE];

fn sign(path: &Path) -> Sign {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}
