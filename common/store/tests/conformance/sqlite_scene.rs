//! A file for each scene.

use std::sync::Arc;

use store::sqlite::SqliteStore;

use crate::scene::{Scene, both};

pub(crate) fn sqlite() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let open = || SqliteStore::open(&path).unwrap();
    let (one, other) = both(open, open);
    let lapse = move || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute_batch("UPDATE session SET until_ms = 1")
            .unwrap();
    };
    Scene {
        _folder: Some(dir),
        ..Scene::of(Arc::new(one), Arc::new(other), lapse)
    }
}
