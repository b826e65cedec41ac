//! What lies in a data directory, told to people: also when some of it is missing, expired or of somebody else, since that
//! is when one looks.

use super::{BUNDLE_FILE, CERTIFICATE_FILE, VOUCHER_FILE};
use crate::clock::utc;
use crate::cluster_file::{CLUSTER_FILE, ClusterFile};
use crate::files::{self, Access, hex};
use protocol::Shown;
use protocol::identity::{
    CERTIFICATE_BYTES, Clock, DiskCertificate, Role, RoleVoucher, VOUCHER_BYTES, Validity,
    VerifiedCertificate,
};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use std::fmt;
use std::path::{Path, PathBuf};
use topology::{BundleError, Standing, TopologyView};

/// What was found. Displays as a line for each paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    path: PathBuf,
    lines: Vec<(bool, String)>,
}

impl Inspection {
    /// Whether a node could start with it, as far as its papers go.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.lines.iter().all(|(is_well, _)| *is_well)
    }

    fn put(&mut self, file: &str, found: Result<String, String>) {
        let is_well = found.is_ok();
        let (Ok(what) | Err(what)) = found;
        self.lines.push((is_well, format!("{file}: {what}")));
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Shown(self.path.display()))?;
        for (is_well, line) in &self.lines {
            let mark = if *is_well { "  " } else { "! " };
            writeln!(f, "{mark}{line}")?;
        }
        Ok(())
    }
}

/// Looks at a data directory, at this wall clock (Unix milliseconds).
#[must_use]
pub fn inspect(path: &Path, wall_ms: u64) -> Inspection {
    let mut found = Inspection {
        path: path.to_owned(),
        lines: Vec::new(),
    };
    let cluster = match ClusterFile::read(path) {
        Ok(cluster) => cluster,
        Err(error) => {
            found.put(CLUSTER_FILE, Err(error.to_string()));
            return found;
        }
    };
    found.put(
        CLUSTER_FILE,
        Ok(format!("cluster {}", hex(&cluster.cluster_id.0))),
    );
    let certificate = certificate(path, &cluster);
    let told = certificate.clone().and_then(|verified| {
        let node = format!("node {}", verified.uuid());
        lasting(&node, verified.validity(), wall_ms)
    });
    found.put(CERTIFICATE_FILE, told);
    if path.join(VOUCHER_FILE).exists() {
        found.put(
            VOUCHER_FILE,
            voucher(path, &cluster, certificate.as_ref().ok(), wall_ms),
        );
    }
    found.put(BUNDLE_FILE, bundle(path, &cluster, certificate.ok(), wall_ms));
    found
}

fn certificate(path: &Path, cluster: &ClusterFile) -> Result<VerifiedCertificate, String> {
    let bytes = files::read(&path.join(CERTIFICATE_FILE), CERTIFICATE_BYTES, Access::Secret);
    let bytes = zeroize::Zeroizing::new(bytes.map_err(|error| error.to_string())?);
    let certificate = DiskCertificate::parse(&bytes).map_err(|error| error.to_string())?;
    let (authorities, any_time) = (&cluster.authorities, Clock::with_leeway(0, u64::MAX));
    let verified = certificate
        .wire()
        .verify(authorities, cluster.cluster_id, any_time);
    verified.map_err(|error| error.to_string())
}

fn voucher(
    path: &Path,
    cluster: &ClusterFile,
    certificate: Option<&VerifiedCertificate>,
    wall_ms: u64,
) -> Result<String, String> {
    let bytes = files::read(&path.join(VOUCHER_FILE), VOUCHER_BYTES, Access::Public);
    let voucher = RoleVoucher::parse(&bytes.map_err(|error| error.to_string())?);
    let voucher = voucher.map_err(|error| error.to_string())?;
    if let Some(certificate) = certificate {
        let (authorities, any_time) = (&cluster.authorities, Clock::with_leeway(0, u64::MAX));
        let verified = voucher.verify(
            authorities,
            cluster.cluster_id,
            certificate.uuid(),
            Role::Proxy,
            any_time,
        );
        verified.map_err(|error| error.to_string())?;
    }
    lasting("a proxy to players", voucher.validity(), wall_ms)
}

fn bundle(
    path: &Path,
    cluster: &ClusterFile,
    certificate: Option<VerifiedCertificate>,
    wall_ms: u64,
) -> Result<String, String> {
    let bytes = files::read(&path.join(BUNDLE_FILE), TOPOLOGY_BUNDLE_BYTES_MAX, Access::Public);
    let bytes = bytes.map_err(|error| error.to_string())?;
    let opened = TopologyView::open(
        &bytes,
        &cluster.authorities,
        cluster.cluster_id,
        Clock::of_node(wall_ms),
    );
    let view = opened.map_err(|error| match error {
        BundleError::Expired => "expired; have the topology signed anew".to_owned(),
        error => error.to_string(),
    })?;
    let until = utc(u64::try_from(view.not_after_ms()).unwrap_or(0));
    let told = format!(
        "topology version {} of world {:?}, good until {until}",
        view.version(),
        view.topology().world().name
    );
    let Some(certificate) = certificate else {
        return Ok(told);
    };
    let record = match view.standing(certificate.uuid()) {
        Standing::Listed(record) => record,
        Standing::Revoked => return Err(format!("{told}; this node is revoked in it")),
        Standing::Unknown => return Err(format!("{told}; this node is not in it")),
    };
    if record.public != certificate.public() {
        return Err(format!("{told}; it has another key of this node"));
    }
    let (topology, number) = (view.topology(), record.number);
    let server = topology
        .server(number)
        .map(|server| ("game server", &server.name));
    let named = server.or_else(|| Some(("proxy", &topology.proxy(number)?.name)));
    Ok(match named {
        Some((role, name)) => format!("{told}; this node is {role} {name}, number {number}"),
        None => told,
    })
}

fn lasting(what: &str, validity: Validity, wall_ms: u64) -> Result<String, String> {
    let at = |ms: i64| utc(u64::try_from(ms).unwrap_or(0));
    let told = format!(
        "{what}, from {} until {}",
        at(validity.from_ms),
        at(validity.until_ms)
    );
    match validity.check(Clock::of_node(wall_ms)) {
        Ok(()) => Ok(told),
        Err(outside) => Err(format!(
            "{told}: {outside}, as this host's clock says {}",
            utc(wall_ms)
        )),
    }
}
