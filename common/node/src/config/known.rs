//! The keys of every role, so that one environment, or one file, can be given to all nodes of a cluster: a node passes over
//! what is of another role, and refuses what is of none. Each role's crate compares its list with its settings in a test.

/// Keys of every node.
const NODE: &[&str] = &[
    "node.name",
    "node.data",
    "node.admin",
    "node.log_level",
    "node.log_format",
    "node.drain_timeout_ms",
];

/// Keys of whoever opens the store.
const STORE: &[&str] = &["store.path", "store.accept"];

/// Keys of whoever looks at credentials.
const ACCOUNTS: &[&str] = &[
    "auth.guests",
    "auth.passwords",
    "auth.password_memory_kib",
    "auth.password_rounds",
    "auth.passwords_at_once",
    "auth.passwords_waiting",
    "auth.password_wait_ms",
    "auth.password_tries",
    "auth.requests_per_prefix_per_s",
    "jwt.keys",
    "jwt.issuer",
    "jwt.audience",
    "jwt.skew_s",
    "jwt.name_claim",
];

/// Keys of a game server's settings, in their order.
pub const GAME_SERVER: &[&[&str]] = &[
    NODE,
    &["listen.peer", "listen.proxy"],
    STORE,
    &[
        "store.queue_bytes_max",
        "limits.players_max",
        "limits.linkdead_grace_ms",
        "limits.soft_save_ms",
        "limits.guest_idle_ms",
    ],
];

/// Keys of a proxy's settings, likewise.
pub const PROXY: &[&[&str]] = &[
    NODE,
    &["listen.tcp", "listen.udp", "listen.http", "listen.webtransport"],
    STORE,
    &[
        "clients.sessions_max",
        "clients.accepts_per_s",
        "clients.handshakes_max",
        "clients.logins_per_s",
        "clients.logins_per_prefix_per_s",
        "clients.redirect_percent",
        "clients.exempt",
        "clients.balancers",
        "clients.messages_per_s",
        "clients.drain_grace_ms",
        "clients.drain_lead_ms",
        "http.connections_max",
        "http.origins",
        "http.hosts",
        "http.map",
        "http.webtransport_max",
        "tls.certificate",
        "tls.key",
        "edge.snapshot_bytes_per_s",
        "edge.sweep_us",
        "edge.advertise",
    ],
    ACCOUNTS,
];

/// Keys of an auth node's settings, likewise.
pub const AUTH: &[&[&str]] = &[NODE, &["listen.proxy"], STORE, ACCOUNTS];

/// The table of a game server that each game fills with keys of its own.
pub(super) const GAME: &str = "game";

/// Whose setting it is, of those that are listed here. What of a game there may be is known to its game servers alone.
pub(super) fn role_of(key: &str) -> Option<&'static str> {
    if key.split_once('.').is_some_and(|(table, _)| table == GAME) {
        return Some("game server");
    }
    let roles = [
        ("game server", GAME_SERVER),
        ("proxy", PROXY),
        ("auth node", AUTH),
    ];
    roles
        .into_iter()
        .find(|(_, keys)| keys.iter().any(|group| group.contains(&key)))
        .map(|(role, _)| role)
}

/// Whether some role has a table of this name.
pub(super) fn is_table(name: &str) -> bool {
    let of_table = |key: &&str| key.split_once('.').is_some_and(|(table, _)| table == name);
    let roles = [GAME_SERVER, PROXY, AUTH];
    name == GAME || roles.concat().concat().iter().any(of_table)
}

/// For tests of a role: panics when its list differs from its settings.
///
/// # Panics
/// When they differ.
pub fn assert_known<S: super::Described>(list: &[&[&str]]) {
    let keys: Vec<String> = S::keys().collect();
    assert_eq!(
        list.concat(),
        keys,
        "write the keys into common/node/src/config/known.rs"
    );
}
