//! Settings of a proxy: the tables of its configuration file, each value with a default that suits one machine.

mod web;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use node::config::{Flag, Mistake, Settings};
use node::settings::{NodeArgs, NodeSettings};
use node::utf8_path::Utf8Path;
use protocol::network::Network;
use serde::{Deserialize, Serialize};
use store::Accept;
use store::limits::IDENTITY_BYTES_MAX;

use super::store_table::StoreTable;
pub use web::{HttpTable, MapAudience, TlsTable};

/// A balancer that asks every half second, and believes the second answer, has noticed a drain by then.
const DRAIN_LEAD_MS: u64 = 2_000;
/// Memory that argon2id needs at least.
pub(super) const PASSWORD_MEMORY_KIB_MIN: u32 = 8;
/// Whatever stands in a store: nobody makes a proxy take more than this for one password.
pub(super) const PASSWORD_MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Likewise.
pub(super) const PASSWORD_ROUNDS_MAX: u32 = 16;

node::settings! {
    /// Everything that can be set.
    pub struct ProxySettings {
        /// What every node has.
        pub node: NodeSettings,
        /// Where it listens.
        pub listen: ListenTable,
        /// Where players' owners are read and logins are counted.
        pub store: StoreTable,
        /// Listening for clients.
        pub clients: ClientTable,
        /// The page, `join.json` and WebSocket.
        pub http: HttpTable,
        /// TLS for them; in clear without.
        pub tls: TlsTable,
        /// The edge shards.
        pub edge: EdgeTable,
        /// The auth role that lives in this proxy.
        pub auth: AuthTable,
        /// Tokens of somebody else who vouches for players.
        pub jwt: JwtTable,
    }
}

node::settings_table! {
    /// The table `[listen]`: where it listens, when that is not where the topology has clients come.
    pub struct ListenTable {
        /// For clients' streams; unset: the topology's `tcp`, when that is an address of this machine.
        pub tcp: Option<SocketAddr> = None,
        /// For clients' datagrams, first of as many consecutive ports as there are shards; unset: the topology's `udp`, when that is an address of this machine.
        pub udp: Option<SocketAddr> = None,
        /// For browsers; unset: the topology's `http`, when that is an address of this machine.
        pub http: Option<SocketAddr> = None,
        /// For datagrams of browsers; unset: the topology's `webtransport`, when that is an address of this machine. Without that key in the topology there are none.
        pub webtransport: Option<SocketAddr> = None,
    }
}

node::settings_table! {
    /// The table `[clients]`.
    pub struct ClientTable {
        /// Sessions at this proxy, as far as its limit of open files allows; one more is told FULL. Without it, as many as that allows, 20,000 at most.
        pub sessions_max: Option<u32> = None,
        /// Connections accepted per second, at each door: TCP and HTTP.
        pub accepts_per_s: u32 = 5_000,
        /// Handshakes under way at once; one /24 (IPv4) or /48 (IPv6) gets at most an eighth of them. Without room, whose client is silent longest gives way to the next.
        pub handshakes_max: u32 = protocol::limits::CLIENT_HANDSHAKES_PENDING_MAX as u32,
        /// New logins (not resumes) per second.
        pub logins_per_s: u32 = 200,
        /// New logins per second from one /24 (IPv4) or /48 (IPv6).
        pub logins_per_prefix_per_s: u32 = 10,
        /// A newcomer is sent to another proxy when that one has so much fewer players, percent, and at least 8 fewer; 0, or 100: never. Behind a balancer nobody is.
        pub redirect_percent: u32 = 10,
        /// Networks that the limits per prefix do not apply to.
        pub exempt: Vec<String> = vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
        /// Networks of balancers, whose connections begin with a PROXY header of version 2, at both doors: what it says counts for all limits. Whoever else sends one is refused.
        pub balancers: Vec<String> = Vec::new(),
        /// Messages per second that one client may send over TCP.
        pub messages_per_s: u32 = 200,
        /// Over how long the players of a draining proxy are sent elsewhere, a few at a time, milliseconds.
        pub drain_grace_ms: u64 = 3_000,
        /// How long a draining proxy goes on as before, milliseconds, while `/readyz` says 503: balancers are to notice before players go. Without it, 2000 with `balancers`, otherwise 0.
        pub drain_lead_ms: Option<u64> = None,
    }
}

impl ClientTable {
    /// The networks of `exempt`; those that cannot be read were refused by the check.
    pub(super) fn exempt_networks(&self) -> Vec<Network> {
        networks(&self.exempt)
    }

    /// How long a drain is noticed before it begins.
    pub(super) fn drain_lead(&self) -> Duration {
        let usual_ms = if self.balancers.is_empty() {
            0
        } else {
            DRAIN_LEAD_MS
        };
        Duration::from_millis(self.drain_lead_ms.unwrap_or(usual_ms))
    }

    /// The networks of `balancers`, likewise.
    pub(super) fn balancers(&self) -> Vec<Network> {
        networks(&self.balancers)
    }
}

fn networks(texts: &[String]) -> Vec<Network> {
    texts.iter().filter_map(|text| Network::parse(text)).collect()
}

node::settings_table! {
    /// The table `[edge]`.
    pub struct EdgeTable {
        /// Bytes of snapshots per second and player: the faster the ticks, the fewer in each.
        pub snapshot_bytes_per_s: u32 = 16 * 1024,
        /// With many sessions, clients' sockets are read this often, microseconds; oftener where the receive buffer is small.
        pub sweep_us: u64 = 4_000,
        /// The IP address that clients are told for datagrams, where it is not that of the topology's `udp`.
        pub advertise: Option<IpAddr> = None,
    }
}

/// Who may come in without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestPolicy {
    /// Anybody with a proper name.
    #[default]
    Allowed,
    /// Nobody.
    Refused,
}

/// Whether accounts have passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordPolicy {
    /// They do.
    #[default]
    Allowed,
    /// Nobody comes by one.
    Refused,
}

node::settings_table! {
    /// The table `[auth]`.
    pub struct AuthTable {
        /// `allowed`: anybody with a proper name may play; `refused`: nobody without credentials.
        pub guests: GuestPolicy = GuestPolicy::Allowed,
        /// `allowed`: accounts are made, and logged in to, by passwords; `refused`: by tokens alone, see `[jwt]`.
        pub passwords: PasswordPolicy = PasswordPolicy::Allowed,
        /// What checking one password takes, KiB of memory: 8 to 262,144.
        pub password_memory_kib: u32 = 19_456,
        /// How often that memory is gone through: 1 to 16.
        pub password_rounds: u32 = 2,
        /// Passwords that are checked at once, each on a thread of its own.
        pub passwords_at_once: u32 = 2,
        /// Passwords that wait for that; one more is told BUSY.
        pub passwords_waiting: u32 = 64,
        /// How long one waits, milliseconds, until it is told BUSY: at most 3000, less than a handshake may take.
        pub password_wait_ms: u64 = 2_000,
        /// Tries for one name that may come at once; after those it is one a second.
        pub password_tries: u32 = 5,
        /// Requests of the accounts' API per second from one /24 (IPv4) or /48 (IPv6); `clients.exempt` is exempt.
        pub requests_per_prefix_per_s: u32 = 10,
    }
}

node::settings_table! {
    /// The table `[jwt]`.
    pub struct JwtTable {
        /// The file of the issuer's public keys, a JSON Web Key Set; empty: no tokens are taken. Looked at every second: new keys count from then on.
        pub keys: PathBuf = PathBuf::new(),
        /// Who has to have made a token: its `iss`, to the letter.
        pub issuer: String = String::new(),
        /// Whom a token has to be meant for: one of its `aud`, to the letter.
        pub audience: String = String::new(),
        /// By how much the issuer's clock may differ, seconds: 0 to 300.
        pub skew_s: u32 = 30,
        /// The claim that says what a new player is called; where there is none, and where that name is taken, it is what the client says, or has a number behind it.
        pub name_claim: String = "name".to_owned(),
    }
}

impl JwtTable {
    pub(super) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let is_on = !self.keys.as_os_str().is_empty();
        for (key, text) in [("jwt.issuer", &self.issuer), ("jwt.audience", &self.audience)] {
            match (is_on, text.len()) {
                (true, 1..=IDENTITY_BYTES_MAX) | (false, 0) => {}
                (true, 0) => mistakes.push(Mistake::new(
                    key,
                    "is missing, and jwt.keys is there: a token that is meant for others would count",
                    "write what the issuer's tokens say",
                )),
                (true, _) => mistakes.push(Mistake::new(
                    key,
                    "is longer than 256 bytes",
                    "write what the issuer's tokens say",
                )),
                (false, _) => mistakes.push(Mistake::new(
                    key,
                    "is there, and jwt.keys is missing: no tokens are taken",
                    "write the file of the issuer's keys, or leave both out",
                )),
            }
        }
        if self.skew_s > 300 {
            let what = "is above 300: a token would count for long after its end";
            mistakes.push(Mistake::new("jwt.skew_s", what, "write at most 300"));
        }
    }
}

impl AuthTable {
    pub(super) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let ranges = [
            (
                "auth.password_memory_kib",
                u64::from(self.password_memory_kib),
                u64::from(PASSWORD_MEMORY_KIB_MIN)..=u64::from(PASSWORD_MEMORY_KIB_MAX),
            ),
            (
                "auth.password_rounds",
                u64::from(self.password_rounds),
                1..=u64::from(PASSWORD_ROUNDS_MAX),
            ),
            (
                "auth.passwords_at_once",
                u64::from(self.passwords_at_once),
                1..=64,
            ),
            (
                "auth.passwords_waiting",
                u64::from(self.passwords_waiting),
                1..=4_096,
            ),
            ("auth.password_wait_ms", self.password_wait_ms, 1..=3_000),
            ("auth.password_tries", u64::from(self.password_tries), 1..=1_000),
            (
                "auth.requests_per_prefix_per_s",
                u64::from(self.requests_per_prefix_per_s),
                1..=100_000,
            ),
        ];
        for (key, value, range) in ranges {
            if !range.contains(&value) {
                let (from, to) = (range.start(), range.end());
                let what = format!("is {value}, and has to be {from} to {to}");
                mistakes.push(Mistake::new(key, what, "write a number in between"));
            }
        }
    }
}

impl ProxySettings {
    /// What is done about a store that is not as this node remembers it.
    pub(super) fn accept(&self) -> Accept {
        self.store.accepted()
    }

    /// The store's file, or the address of its database.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.store.path_beside(&self.node.data)
    }
}

/// The command line of a proxy, and of an auth node.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ProxyArgs {
    /// What every node takes.
    #[command(flatten)]
    pub node: NodeArgs,
    /// The store: a SQLite file, or the address of a PostgreSQL database [default: store.sqlite beside the data directory]
    #[arg(long, value_name = "FILE|ADDRESS", value_parser = Utf8Path)]
    pub store: Option<PathBuf>,
    /// Takes the store as it is, also when it is empty, older or another world than this node has served
    #[arg(long)]
    pub accept_store: bool,
}

impl ProxyArgs {
    /// The flags beyond those that every node has.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let store = self.store.iter().map(|path| Flag {
            name: "--store",
            key: "store.path".into(),
            value: path.to_string_lossy().into_owned(),
        });
        let accept = self.accept_store.then(|| Flag {
            name: "--accept-store",
            key: "store.accept".into(),
            value: "true".to_owned(),
        });
        store.chain(accept).collect()
    }
}

impl Settings for ProxySettings {
    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.node.check();
        let zero = [
            ("clients.sessions_max", self.clients.sessions_max),
            ("clients.accepts_per_s", Some(self.clients.accepts_per_s)),
            ("clients.handshakes_max", Some(self.clients.handshakes_max)),
            ("clients.logins_per_s", Some(self.clients.logins_per_s)),
            ("clients.messages_per_s", Some(self.clients.messages_per_s)),
            ("http.connections_max", Some(self.http.connections_max)),
        ];
        mistakes.extend(
            zero.into_iter()
                .filter(|(_, value)| *value == Some(0))
                .map(|(key, _)| Mistake::new(key, "is 0: no client could ever play", "write at least 1")),
        );
        if self.edge.snapshot_bytes_per_s < 1_024 {
            mistakes.push(Mistake::new(
                "edge.snapshot_bytes_per_s",
                "is below 1024, too little for a player to see anything",
                "write at least 1024",
            ));
        }
        if self.edge.sweep_us > 25_000 {
            mistakes.push(Mistake::new(
                "edge.sweep_us",
                "is above 25000, longer than half a tick",
                "write at most 25000",
            ));
        }
        self.http.check(&mut mistakes);
        self.tls.check(&mut mistakes);
        self.auth.check(&mut mistakes);
        self.jwt.check(&mut mistakes);
        let lists = [
            ("clients.exempt", &self.clients.exempt),
            ("clients.balancers", &self.clients.balancers),
        ];
        for (key, texts) in lists {
            let unreadable = texts.iter().filter(|text| Network::parse(text).is_none());
            mistakes.extend(unreadable.map(|text| {
                let what = format!("holds `{text}`, which is no network");
                Mistake::new(key, what, "write networks such as 10.0.0.0/8")
            }));
        }
        if let Some(why) = self.edge.advertise.and_then(topology::undialable) {
            let remedy = "write the address under which clients reach this proxy, or leave it out";
            mistakes.push(Mistake::new("edge.advertise", why.what, remedy));
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_strict_and_their_mistakes_are_all_told() {
        node::config::assert_strict::<ProxySettings>();
        node::config::known::assert_known::<ProxySettings>(node::config::known::PROXY);
        let mut settings = ProxySettings::default();
        settings.clients.logins_per_s = 0;
        settings.clients.exempt.push("home".to_owned());
        settings.clients.balancers.push("10.0.0.1".to_owned());
        settings.http.origins.push("play.example.net".to_owned());
        settings.http.hosts.push("play.example.net/".to_owned());
        settings.tls.certificate = PathBuf::from("edge.pem");
        settings.auth.password_wait_ms = 3_001;
        settings.jwt.keys = PathBuf::from("keys.json");
        settings.jwt.issuer = "x".repeat(257);
        settings.jwt.skew_s = 301;
        settings.edge.advertise = Some(IpAddr::from([255, 255, 255, 255]));
        let keys: Vec<String> = settings.check().into_iter().map(|mistake| mistake.key).collect();
        for key in [
            "node.name",
            "node.data",
            "clients.logins_per_s",
            "clients.exempt",
            "clients.balancers",
            "http.origins",
            "http.hosts",
            "tls.key",
            "auth.password_wait_ms",
            "jwt.issuer",
            "jwt.audience",
            "jwt.skew_s",
            "edge.advertise",
        ] {
            assert!(keys.iter().any(|k| k == key), "{key} is not in {keys:?}");
        }
    }
}
