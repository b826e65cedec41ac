//! Settings of an auth node: those of the auth role as a proxy has them, and where it listens.

use std::net::SocketAddr;

use node::config::{Mistake, Settings};
use node::settings::NodeSettings;

use crate::server::settings::{AuthTable, JwtTable};
use crate::server::store_table::StoreTable;

node::settings! {
    /// Everything that can be set.
    pub struct AuthSettings {
        /// What every node has.
        pub node: NodeSettings,
        /// Where it listens.
        pub listen: AuthListenTable,
        /// Where accounts are.
        pub store: StoreTable,
        /// How passwords are checked.
        pub auth: AuthTable,
        /// Tokens of somebody else who vouches for players.
        pub jwt: JwtTable,
    }
}

node::settings_table! {
    /// The table `[listen]`: where it listens, when that is not where the topology has proxies dial.
    pub struct AuthListenTable {
        /// For proxies; unset: the topology's `proxy`, when that is an address of this machine.
        pub proxy: Option<SocketAddr> = None,
    }
}

impl Settings for AuthSettings {
    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.node.check();
        self.auth.check(&mut mistakes);
        self.jwt.check(&mut mistakes);
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_strict_and_their_mistakes_are_all_told() {
        node::config::assert_strict::<AuthSettings>();
        node::config::known::assert_known::<AuthSettings>(node::config::known::AUTH);
        let mut settings = AuthSettings::default();
        settings.auth.password_rounds = 0;
        settings.jwt.issuer = "https://id.example".to_owned();
        let keys: Vec<String> = settings.check().into_iter().map(|mistake| mistake.key).collect();
        for key in ["node.name", "auth.password_rounds", "jwt.issuer"] {
            assert!(keys.iter().any(|k| k == key), "{key} is not in {keys:?}");
        }
    }
}
