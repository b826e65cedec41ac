//! Where a node that logs users in finds the store.

use std::path::{Path, PathBuf};

use store::Accept;

/// File name of the store beside the data directories of one machine.
const STORE_FILE: &str = "store.sqlite";
node::settings_table! {
    /// The table `[store]`.
    pub struct StoreTable {
        /// The SQLite file that all processes of the machine share, or the address of a PostgreSQL database, without its password; empty: `store.sqlite` beside the data directory.
        pub path: PathBuf = PathBuf::new(),
        /// Takes the store as it is, also when it is not as this node remembers it. For one start.
        pub accept: bool = false,
    }
}

impl StoreTable {
    /// What is done about a store that is not as this node remembers it.
    pub(super) fn accepted(&self) -> Accept {
        if self.accept {
            Accept::Whatever
        } else {
            Accept::Remembered
        }
    }

    /// The store's file, or the address of its database, of a node with this data directory.
    pub(super) fn path_beside(&self, data: &Path) -> PathBuf {
        if !self.path.as_os_str().is_empty() {
            return self.path.clone();
        }
        let beside = data.join("..");
        beside.canonicalize().unwrap_or(beside).join(STORE_FILE)
    }
}
