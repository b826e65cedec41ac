//! What is remembered of a store outside of it: which world it was, and how far. A store that was lost, exchanged or
//! set back looks like any other from within; only something beside it can tell.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use protocol::Shown;
use protocol::ids::WorldId;

use crate::in_place;

/// Its name in a node's data directory.
pub const MARK_FILE: &str = "store.mark";
const FIRST_LINE: &str = "regionmesh store mark 1";
/// More than any mark takes, bytes.
const BYTES_MAX: u64 = 4_096;

/// How far a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreMark {
    /// Which world.
    pub world: WorldId,
    /// The generation of its epochs.
    pub generation: u16,
    /// Grows with every round of the store's keeper, in whatever process.
    pub progress: u64,
    /// When that was, Unix milliseconds; for people.
    pub at_ms: u64,
}

/// Why there is no telling what is remembered.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file system refuses.
    #[error("cannot read {}: {source}", Shown(path.display()))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not as we write it.
    #[error("{} is damaged: it says which world was served, and how far it was", Shown(path.display()))]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl StoreMark {
    /// What the node with this data directory remembers; `None` when it has never had a store.
    ///
    /// # Errors
    /// `MarkError`.
    pub fn read(data: &Path) -> Result<Option<Self>, MarkError> {
        Self::read_file(&data.join(MARK_FILE))
    }

    /// What a file says; `None` when there is none.
    pub(crate) fn read_file(path: &Path) -> Result<Option<Self>, MarkError> {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = path.to_owned();
                return Err(MarkError::File { path, source });
            }
        };
        match Self::parse(&String::from_utf8_lossy(&text)) {
            Some(mark) => Ok(Some(mark)),
            None => Err(MarkError::Damaged {
                path: path.to_owned(),
            }),
        }
    }

    /// Remembers it. A crash leaves the old mark or the new one. Blocks on the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        self.write_file(&data.join(MARK_FILE))
    }

    /// Writes a file, private to its user, all of it or nothing.
    pub(crate) fn write_file(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_added_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(self.to_text().as_bytes())?;
        in_place::put(&fresh, path)
    }

    fn to_text(self) -> String {
        let Self {
            world,
            generation,
            progress,
            at_ms,
        } = self;
        let mut text = format!("{FIRST_LINE}\n");
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "world {world}\ngeneration {generation}\nprogress {progress}\nat_ms {at_ms}\n"
        );
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        value("regionmesh").filter(|rest| FIRST_LINE.ends_with(rest))?;
        Some(Self {
            world: WorldId::from_hex(value("world")?)?,
            generation: value("generation")?.parse().ok()?,
            progress: value("progress")?.parse().ok()?,
            at_ms: value("at_ms")?.parse().ok()?,
        })
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const MARK: StoreMark = StoreMark {
        world: WorldId([0xa7; 16]),
        generation: 3,
        progress: 812,
        at_ms: 1_800_000_000_000,
    };

    #[test]
    fn what_is_remembered_is_read_back_and_what_is_damaged_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StoreMark::read(dir.path()).unwrap(), None);
        MARK.write(dir.path()).unwrap();
        assert_eq!(StoreMark::read(dir.path()).unwrap(), Some(MARK));
        let path = dir.path().join(MARK_FILE);
        let whole = fs::read_to_string(&path).unwrap();
        for text in [
            "",
            "regionmesh",
            &whole.replace("a7a7", "a7"),
            &whole.replace("812", "-1"),
            &whole[..80],
        ] {
            fs::write(&path, text).unwrap();
            let error = StoreMark::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("store.mark is damaged"), "{error}");
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }
}
