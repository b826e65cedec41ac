//! Files of data directories: written whole or not at all, secrets for their owner only, read with a limit.

use protocol::Shown;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a file of a data directory cannot be used. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; {remedy}", Shown(path.display()))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", Shown(path.display()))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds a secret, and others than its owner may read it.
    #[error("{} holds a secret key and can be read by others (mode {mode:04o}); run: chmod 600 {}", Shown(path.display()), Shown(path.display()))]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is longer than such a file can be.
    #[error("{} is larger than {limit_bytes} bytes, so it is not what its name says", Shown(path.display()))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most it may have.
        limit_bytes: usize,
    },
}

/// Why a text that an operator wrote cannot be read; whoever asked for it names the file.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// What the system says.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is longer than such a text may be.
    #[error("it has more than {0} bytes, the most that such a file may have")]
    TooLarge(usize),
    /// It is in another encoding.
    #[error("line {0} is not UTF-8; save the file as UTF-8")]
    NotUtf8(usize),
}

impl TextError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a text of at most `limit_bytes`: never more than one byte beyond it, whatever the file is.
///
/// # Errors
/// `TextError`, with what to do.
pub fn read_text(path: &Path, limit_bytes: usize) -> Result<String, TextError> {
    let bytes = read_limited(&File::open(path)?, limit_bytes)?.ok_or(TextError::TooLarge(limit_bytes))?;
    String::from_utf8(bytes).map_err(|error| {
        let (good, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        TextError::NotUtf8(1 + good.iter().filter(|byte| **byte == b'\n').count())
    })
}

/// All of a file; `None` when it has more than `limit_bytes`.
fn read_limited(file: &File, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit_bytes).then_some(bytes))
}

/// The bytes of a text without the mark that some editors put before it.
#[must_use]
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
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
    read_or(path, limit_bytes, access, REMEDY)
}

/// As [`read`], of a file that is in no data directory; what to do when it cannot be read.
///
/// # Errors
/// `FileError`, with what to do.
pub fn read_or(
    path: &Path,
    limit_bytes: usize,
    access: Access,
    remedy: &'static str,
) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
        remedy,
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
    let bytes = read_limited(&file, limit_bytes).map_err(failed)?;
    bytes.ok_or_else(|| FileError::TooLarge {
        path: path.to_owned(),
        limit_bytes,
    })
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
    fn a_text_is_read_up_to_its_limit_and_never_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        let said = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_text(&path, 8).map_err(|error| error.to_string())
        };
        assert_eq!(said(b"12345678").unwrap(), "12345678");
        assert!(said(b"123456789").unwrap_err().contains("more than 8 bytes"));
        assert!(
            said(b"a\nb\n\xff")
                .unwrap_err()
                .starts_with("line 3 is not UTF-8")
        );
        // Without an end: whoever reads all of it never comes back.
        let endless = read_text(Path::new("/dev/zero"), 8).unwrap_err();
        assert!(matches!(endless, TextError::TooLarge(8)), "{endless}");
        assert!(
            read_text(&folder.path().join("none"), 8)
                .unwrap_err()
                .is_missing()
        );
        assert!(read_text(folder.path(), 8).is_err_and(|error| !error.is_missing()));
        assert_eq!(
            (unmarked(b"\xef\xbb\xbf{}"), unmarked(b"{}")),
            (&b"{}"[..], &b"{}"[..])
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
