//! Files of data directories: written whole or not at all, secrets for their owner only, read with a limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a file of a data directory cannot be used. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; {remedy}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds a secret, and others than its owner may read it.
    #[error("{} holds a secret key and can be read by others (mode {mode:04o}); run: chmod 600 {}", path.display(), path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is longer than such a file can be.
    #[error("{} is larger than {limit_bytes} bytes, so it is not what its name says", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most it may have.
        limit_bytes: usize,
    },
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner only: mode 0600.
    Secret,
    /// Everybody: mode 0644.
    Public,
}

const REMEDY: &str = "give --data the directory that was made for this node";

/// Reads a file of at most `limit_bytes`; a secret must not be readable by group or others.
///
/// # Errors
/// `FileError`, with what to do.
pub fn read(path: &Path, limit_bytes: usize, access: Access) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
        remedy: REMEDY,
    };
    // Permissions are asked of the open file, so that it cannot be exchanged in between.
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if access == Access::Secret && mode & 0o077 != 0 {
        return Err(FileError::ReadableByOthers {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(limit_bytes as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > limit_bytes {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        });
    }
    Ok(bytes)
}

/// Writes a file so that a crash leaves the old one or the new one.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    write_and_rename(path, bytes, access).map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_and_rename(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = folder.join(name);
    let mode = if access == Access::Secret { 0o600 } else { 0o644 };
    // What a crashed writer left may have other permissions; those of a new file are set before it has content.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

/// Two lower-case digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `2 N` hexadecimal digits.
#[must_use]
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_written_for_their_owner_and_refused_when_others_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/key");
        write(&path, b"secret", Access::Secret).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, 6, Access::Secret).unwrap(), b"secret");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = read(&path, 6, Access::Secret).unwrap_err().to_string();
            assert!(
                message.contains("chmod 600") && message.contains(&format!("{mode:04o}")),
                "{message}"
            );
        }
        assert_eq!(read(&path, 6, Access::Public).unwrap(), b"secret");
        assert!(matches!(
            read(&path, 5, Access::Public),
            Err(FileError::TooLarge { .. })
        ));
        assert_eq!(
            fs::read_dir(folder.path().join("a")).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn hex_is_read_back_and_nothing_else_is() {
        assert_eq!(parse_hex::<2>(&hex(&[0, 0xfe])), Some([0, 0xfe]));
        for wrong in ["", "0", "+1ff", "00f", "00gg", "00ffaa", "é0a"] {
            assert_eq!(parse_hex::<2>(wrong), None, "{wrong}");
        }
    }
}
