//! Where a database is and how it is spoken to: a URL without its password. What it leaves open is set so that a peer that is
//! gone is noticed within seconds, and that nobody but the database reads along.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use protocol::Shown;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::password::{self, PasswordError};
use super::tls::{Trust, TrustError};

/// How long one host may take to let us in.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long sent bytes may stay unacknowledged.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(4);
/// A silent connection is asked for life after this, …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// … so often, …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// … and given up after so many questions.
const KEEPALIVE_RETRIES: u32 = 3;

/// A database, checked.
#[derive(Clone)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) trust: Option<Trust>,
    /// Whether the operator insists on settings under which what was confirmed may be lost.
    pub(super) accepts_loss: bool,
    /// The database itself, where a pooler stands in the way of what needs a session.
    direct: Option<(Host, u16)>,
    shown: String,
}

/// Why a URL names no database.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not one at all.
    #[error(
        "the address of a database begins with postgres://, as in postgres://regionmesh@db.example/regionmesh"
    )]
    NotAUrl,
    /// Whoever lists processes or reads a log would see it.
    #[error(
        "the address holds a password, where others can read it; take it out and put it into a file that only this user may read, \
         named with passfile=FILE in the address (a line is host:port:database:user:password), or into the variable PGPASSWORD"
    )]
    Password,
    /// A parameter of ours with another value.
    #[error("{key}={value} in the address of the database: {remedy}")]
    Value {
        /// Which.
        key: &'static str,
        /// What is there.
        value: String,
        /// What would do.
        remedy: &'static str,
    },
    /// What `tokio_postgres` says of the rest.
    #[error("the address of the database cannot be used: {0}")]
    Rest(String),
    /// There is no password where one should be.
    #[error(transparent)]
    NoPassword(#[from] PasswordError),
    /// There is nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// What the address itself says of the connection, beside where it goes.
#[derive(Debug, Default)]
struct Own {
    mode: Option<String>,
    root: Option<String>,
    passfile: Option<PathBuf>,
    accept_loss: Option<String>,
    direct: Option<String>,
}

impl PostgresAddress {
    /// Whether this looks like the address of a database, and not like the name of a file.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }

    /// Checks a URL, and reads the password and the certificates that it names.
    ///
    /// # Errors
    /// `AddressError`.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let (plain, own) = split(url)?;
        let parsed = plain.parse::<Config>();
        // Its errors quote nothing of the address.
        let mut config = parsed.map_err(|error| AddressError::Rest(super::fault::words(&error)))?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        if config.get_hosts().is_empty() {
            return Err(AddressError::Rest("it names no host".to_owned()));
        }
        let (accepts_loss, direct) = (own.accepts_loss()?, own.direct()?);
        let trust = own.trust(config.get_hosts())?;
        config.ssl_mode(match trust {
            Some(_) => SslMode::Require,
            None => SslMode::Disable,
        });
        settle(&mut config);
        if let Some(password) = password::find(own.passfile.as_deref(), &config)? {
            config.password(password);
        }
        let shown = shown(&config);
        Ok(Self {
            config,
            trust,
            accepts_loss,
            direct,
            shown,
        })
    }

    /// The same database past a pooler, for what needs a session of its own; itself where there is none.
    pub(super) fn direct(&self) -> Self {
        let mut address = self.clone();
        if let Some((host, port)) = &self.direct {
            address.config = alone(&self.config, 0, host, *port);
            address.shown = shown(&address.config);
        }
        address
    }

    /// Each of its hosts alone, in their order.
    pub(super) fn hosts(&self) -> Vec<Config> {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.config.get_hosts().iter().enumerate();
        hosts
            .map(|(at, host)| alone(&self.config, at, host, port(at)))
            .collect()
    }

    /// The same hosts, another database on them.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut address = self.clone();
        address.config.dbname(name);
        address.shown = shown(&address.config);
        address
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresAddress").field(&self.shown).finish()
    }
}

impl Own {
    fn accepts_loss(&self) -> Result<bool, AddressError> {
        match self.accept_loss.as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(AddressError::Value {
                key: "accept_loss",
                value: other.to_owned(),
                remedy: "name yes where what was confirmed may be lost, or leave it out",
            }),
        }
    }

    fn direct(&self) -> Result<Option<(Host, u16)>, AddressError> {
        let Some(value) = &self.direct else {
            return Ok(None);
        };
        let parsed = value.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty()).then(|| (Host::Tcp(host.to_owned()), port))
        });
        parsed.map(Some).ok_or_else(|| AddressError::Value {
            key: "direct",
            value: value.clone(),
            remedy: "name the database itself as HOST:PORT, past the pooler",
        })
    }

    /// Whom to trust; nobody has to be where no network lies in between.
    fn trust(&self, hosts: &[Host]) -> Result<Option<Trust>, AddressError> {
        let default = match hosts.iter().all(is_here) {
            true => "disable",
            false => "verify-full",
        };
        match self.mode.as_deref().unwrap_or(default) {
            "disable" => Ok(None),
            "verify-full" => Ok(Some(Trust::read(self.root.as_deref())?)),
            other => Err(AddressError::Value {
                key: "sslmode",
                value: other.to_owned(),
                remedy: "name verify-full (with sslrootcert=FILE where the system does not know who signed the certificate), \
                         or disable if nobody else can reach that network",
            }),
        }
    }
}

/// Takes out of a URL what we read ourselves.
fn split(url: &str) -> Result<(String, Own), AddressError> {
    if !PostgresAddress::is_one(url) {
        return Err(AddressError::NotAUrl);
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = base.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') {
        return Err(AddressError::Password);
    }
    let (mut own, mut rest) = (Own::default(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "sslmode" => own.mode = Some(value.to_owned()),
            "sslrootcert" => own.root = Some(value.to_owned()),
            "direct" => own.direct = Some(value.to_owned()),
            "accept_loss" => own.accept_loss = Some(value.to_owned()),
            "passfile" => own.passfile = Some(PathBuf::from(value)),
            "password" => return Err(AddressError::Password),
            _ => rest.push(pair),
        }
    }
    let mut plain = base.to_owned();
    if !rest.is_empty() {
        plain.push('?');
        plain.push_str(&rest.join("&"));
    }
    Ok((plain, own))
}

/// Sets what the address leaves open.
fn settle(config: &mut Config) {
    if config.get_application_name().is_none() {
        config.application_name("regionmesh");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WITHIN);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    }
    if config.get_keepalives_interval().is_none() {
        config
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
    }
    // Of several hosts, the one that writes.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
}

/// What is said of all hosts, for one of them.
fn alone(all: &Config, at: usize, host: &Host, port: u16) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) => one.host(name),
        Host::Unix(path) => one.host_path(path),
    };
    if let Some(address) = all.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    one.port(port)
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle());
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    if let Some(within) = all.get_connect_timeout() {
        one.connect_timeout(*within);
    }
    if let Some(within) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*within);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one
}

/// Whether a host is this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) if name == "localhost" => true,
        Host::Tcp(name) => name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
    }
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate();
    let hosts: Vec<String> = hosts
        .map(|(at, host)| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", port(at)),
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(path) => format!("{}:{}", Shown(path.display()), port(at)),
        })
        .collect();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    format!("postgres://{user}@{}/{database}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_refused_and_never_shown() {
        for url in [
            "postgres://ann:secret@db/world",
            "postgres://db/world?password=secret",
            "postgres://:secret@db,other/world?sslmode=disable",
        ] {
            let error = PostgresAddress::parse(url).unwrap_err();
            assert!(matches!(error, AddressError::Password), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn several_hosts_are_asked_for_the_one_that_writes_and_silence_is_noticed() {
        let address = PostgresAddress::parse("postgresql://ann@127.0.0.1,[::1]:5433/world").unwrap();
        assert_eq!(
            address.to_string(),
            "postgres://ann@127.0.0.1:5432,[::1]:5433/world"
        );
        let config = &address.config;
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(config.get_connect_timeout(), Some(&CONNECT_WITHIN));
        assert_eq!(config.get_keepalives_idle(), KEEPALIVE_IDLE);
        assert!(address.trust.is_none(), "nobody reads along within a machine");
    }

    #[test]
    fn each_host_alone_is_asked_as_all_of_them_are() {
        let url = "postgresql://ann@127.0.0.1,[::1]:5433/world?options=-cjit%3Doff&connect_timeout=1&tcp_user_timeout=700\
            &keepalives_idle=9&keepalives_interval=4&keepalives_retries=7&application_name=probe";
        let mut address = PostgresAddress::parse(url).unwrap();
        address.config.password("secret");
        let each = address.hosts();
        let asked = |config: &Config| {
            format!(
                "{:?}",
                (
                    config.get_user(),
                    config.get_password(),
                    config.get_dbname(),
                    config.get_options(),
                    config.get_application_name(),
                    config.get_connect_timeout(),
                    config.get_tcp_user_timeout(),
                    (
                        config.get_keepalives_idle(),
                        config.get_keepalives_interval(),
                        config.get_keepalives_retries()
                    ),
                    config.get_target_session_attrs()
                )
            )
        };
        assert_eq!(each.len(), 2);
        for (one, (host, port)) in each.iter().zip([("127.0.0.1", 5432), ("::1", 5433)]) {
            assert_eq!(one.get_hosts(), [Host::Tcp(host.to_owned())]);
            assert_eq!(one.get_ports(), [port]);
            assert_eq!(asked(one), asked(&address.config));
        }
        let loss =
            |value: &str| PostgresAddress::parse(&format!("postgres:///world?host=/tmp&accept_loss={value}"));
        assert!(
            loss("yes").unwrap().accepts_loss && !loss("no").unwrap().accepts_loss && !address.accepts_loss
        );
        assert!(loss("maybe").unwrap_err().to_string().contains("accept_loss"));
    }

    #[test]
    fn what_needs_a_session_goes_past_a_pooler() {
        let url = |direct: &str| format!("postgres://ann@127.0.0.1:6432/world?direct={direct}");
        let address = PostgresAddress::parse(&url("127.0.0.1:5432")).unwrap();
        assert_eq!(address.to_string(), "postgres://ann@127.0.0.1:6432/world");
        assert_eq!(
            address.direct().to_string(),
            "postgres://ann@127.0.0.1:5432/world"
        );
        let six = PostgresAddress::parse(&url("[::1]:5432")).unwrap().direct();
        assert_eq!(six.to_string(), "postgres://ann@[::1]:5432/world");
        for bad in ["", "db", ":5432", "db:0", "db:x"] {
            let refused = PostgresAddress::parse(&url(bad)).unwrap_err().to_string();
            assert!(refused.contains("HOST:PORT"), "{bad}: {refused}");
        }
    }

    #[test]
    fn a_network_is_crossed_under_a_certificate_or_because_the_operator_says_so() {
        let with = |query: &str| PostgresAddress::parse(&format!("postgres://ann@db.example/world?{query}"));
        let nobody = with("sslrootcert=/nonexistent/ca.pem").unwrap_err().to_string();
        assert!(nobody.contains("/nonexistent/ca.pem"), "{nobody}");
        assert!(with("sslmode=disable").unwrap().trust.is_none());
        let half = with("sslmode=require").unwrap_err().to_string();
        assert!(half.contains("verify-full"), "{half}");
        let unknown = with("sslmode=disable&nonsense=1").unwrap_err().to_string();
        assert!(unknown.contains("nonsense"), "{unknown}");
    }
}
