//! Programs of others: found or named by their packages, started on loopback, ended with their values.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::live::Processes;

/// Where Debian puts nginx's stream module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// Where Debian puts servers.
const SERVER_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
/// How long one may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The programs that are compared with.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    pub(super) nginx: PathBuf,
    pub(super) stream_module: PathBuf,
    pub(super) nats: PathBuf,
}

impl Peers {
    /// Finds all of them.
    ///
    /// # Errors
    /// Names every Debian package that is missing.
    pub(super) fn find() -> anyhow::Result<Self> {
        Self::find_in(&SERVER_FOLDERS, Path::new(STREAM_MODULE))
    }

    fn find_in(folders: &[&str], stream_module: &Path) -> anyhow::Result<Self> {
        let program = |name: &str| {
            let mut paths = folders.iter().map(|folder| Path::new(folder).join(name));
            paths.find(|path| path.exists())
        };
        let module = stream_module.exists();
        match (program("nginx"), module, program("nats-server")) {
            (Some(nginx), true, Some(nats)) => Ok(Self {
                nginx,
                stream_module: stream_module.to_owned(),
                nats,
            }),
            (nginx, module, nats) => {
                let missing = [
                    ("nginx", nginx.is_some()),
                    ("libnginx-mod-stream", module),
                    ("nats-server", nats.is_some()),
                ];
                let missing: Vec<&str> = missing
                    .iter()
                    .filter(|(_, there)| !there)
                    .map(|(package, _)| *package)
                    .collect();
                bail!(
                    "this benchmark compares with programs that are not installed: apt-get install {}",
                    missing.join(" ")
                )
            }
        }
    }
}

/// A running program of somebody else's, in a folder of its own.
pub(super) struct Running {
    child: Child,
    folder: PathBuf,
}

impl Running {
    pub(super) fn start(command: &mut Command, folder: PathBuf) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, folder })
    }

    /// The one process that it is.
    pub(super) fn processes(&self) -> Processes {
        Processes::new(vec![self.child.id()])
    }

    /// Waits until it listens on a TCP port.
    pub(super) fn wait_for_port(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            self.check()?;
            if since.elapsed() > PATIENCE {
                bail!("nobody listens on {address}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// An error when it has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("a program that is compared with has ended: {status}"),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let since = Instant::now();
        while since.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A TCP port that was free a moment ago.
pub(super) fn free_tcp() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A UDP port that was free a moment ago.
pub(super) fn free_udp() -> anyhow::Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_that_is_missing_is_named_and_no_other() {
        let complaint = |folders: &[&str], module| {
            Peers::find_in(folders, Path::new(module))
                .unwrap_err()
                .to_string()
        };
        let none = complaint(&["/nowhere"], "/nowhere/module.so");
        assert!(
            none.ends_with("apt-get install nginx libnginx-mod-stream nats-server"),
            "{none}"
        );
        let programs = complaint(&["/nowhere"], "/proc/self/status");
        assert!(
            programs.ends_with("apt-get install nginx nats-server"),
            "{programs}"
        );
    }
}
