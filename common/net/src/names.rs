//! Looks host names up, afresh each time and without holding anybody up: the system's resolver may take many seconds, so it
//! is asked on a few threads of its own, of each name once at a time, and whoever waits gives up after a moment.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Names that are looked up at the same time.
const THREADS_MAX: usize = 8;
/// An answer that takes longer comes to nobody.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of a name with more addresses the others are left out.
const ADDRESSES_MAX: usize = 8;

/// A machine, by name or by IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// An IP address without brackets, or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Where it is just now: one address at least.
    ///
    /// # Errors
    /// As [`look_up`].
    pub async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let found = look_up(&self.host).await?;
        let port = self.port;
        Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The addresses that a name has just now, one at least; those of an IP address are itself. IPv4 comes first, as everywhere
/// where one of several is taken; otherwise the order is that of the resolver.
///
/// # Errors
/// When it has none, or is not answered within two seconds.
pub async fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let mut asked = ask(host)?;
    let answered = timeout(PATIENCE, asked.wait_for(Option::is_some)).await;
    let why = match answered {
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        Ok(Err(_)) => "the thread that asked has panicked".to_owned(),
        Ok(Ok(answer)) => match answer.as_ref() {
            Some(Ok(found)) => return Ok(found.clone()),
            Some(Err(why)) => why.clone(),
            None => "no answer".to_owned(),
        },
    };
    let what = format!("the name {host} cannot be looked up: {why}");
    Err(io::Error::new(io::ErrorKind::NotFound, what))
}

type Answer = Result<Vec<IpAddr>, String>;

/// What is being looked up.
#[derive(Debug)]
struct Desk {
    /// Names with everybody who waits for them: as many as there are hosts in a topology.
    asked: BTreeMap<String, watch::Sender<Option<Answer>>>,
    /// Those that no thread has taken.
    waiting: VecDeque<String>,
    threads: usize,
}

static DESK: Mutex<Desk> = Mutex::new(Desk {
    asked: BTreeMap::new(),
    waiting: VecDeque::new(),
    threads: 0,
});

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(host: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
    let mut desk = desk();
    if let Some(asked) = desk.asked.get(host) {
        return Ok(asked.subscribe());
    }
    let (answer, asked) = watch::channel(None);
    if desk.threads < THREADS_MAX {
        // Never of a run time: one that ends would wait for them.
        thread::Builder::new().name("names".to_owned()).spawn(work)?;
        desk.threads += 1;
    }
    desk.asked.insert(host.to_owned(), answer);
    desk.waiting.push_back(host.to_owned());
    Ok(asked)
}

/// Looks up what waits, and ends when nothing does.
fn work() {
    loop {
        let name = {
            let mut desk = desk();
            let Some(name) = desk.waiting.pop_front() else {
                desk.threads -= 1;
                return;
            };
            name
        };
        let answer = resolve(&name);
        if let Some(asked) = desk().asked.remove(&name) {
            asked.send_replace(Some(answer));
        }
    }
}

fn resolve(name: &str) -> Answer {
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut all: Vec<IpAddr> = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !all.contains(&ip) && all.len() < ADDRESSES_MAX {
            all.push(ip);
        }
    }
    all.sort_by_key(IpAddr::is_ipv6);
    match all.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_looked_up_and_addresses_are_themselves() {
        for text in ["127.0.0.1", "::1", "fd00::7"] {
            assert_eq!(look_up(text).await.unwrap(), [text.parse::<IpAddr>().unwrap()]);
        }
        let local = look_up("localhost").await.unwrap();
        assert!(local.iter().all(IpAddr::is_loopback), "{local:?}");
        let at = HostPort {
            host: "localhost".to_owned(),
            port: 7,
        };
        assert_eq!(at.to_string(), "localhost:7");
        assert!(
            at.look_up()
                .await
                .unwrap()
                .iter()
                .all(|address| address.port() == 7)
        );
        let at = HostPort::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7)));
        assert_eq!(at.to_string(), "[::1]:7");
    }

    /// Also while more names are asked for than there are threads: each is answered, and no thread stays.
    #[tokio::test]
    async fn names_that_do_not_exist_are_named_and_nobody_waits_for_ever() {
        let names: Vec<String> = (0..3 * THREADS_MAX)
            .map(|n| format!("no-such-{n}.invalid"))
            .collect();
        let asking: Vec<_> = names
            .iter()
            .map(|name| {
                let name = name.clone();
                tokio::spawn(async move { look_up(&name).await })
            })
            .collect();
        for (name, asking) in names.iter().zip(asking) {
            let error = asking.await.unwrap().unwrap_err().to_string();
            assert!(error.contains(name.as_str()), "{error}");
        }
        assert!(desk().threads <= THREADS_MAX);
    }
}
