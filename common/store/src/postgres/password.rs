//! The password of a database: from a file that only its user may read, or from the environment, in the order in which
//! PostgreSQL's own programs look.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use protocol::Shown;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// What a password file is called that nobody names, in the home directory.
const DEFAULT_FILE: &str = ".pgpass";
/// More than any password file takes, bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file system refuses.
    #[error("cannot read the password file {}: {source}", Shown(path.display()))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "the password file {} may be read by others: take that from them with `chmod 600`",
        Shown(path.display())
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It has no line for this database.
    #[error(
        "the password file {} has no line for this database; a line is host:port:database:user:password, and * stands for any",
        Shown(path.display())
    )]
    NoLine {
        /// The file.
        path: PathBuf,
    },
}

/// The password for a database; `None` where none is to be found, which is well where the database asks for none. A file that is
/// named has to have one.
pub(super) fn find(named: Option<&Path>, config: &Config) -> Result<Option<Vec<u8>>, PasswordError> {
    if let Some(path) = named {
        let path = path.to_owned();
        let found = of_file(&path, config)?;
        return found.map(Some).ok_or(PasswordError::NoLine { path });
    }
    if let Some(password) = env::var_os("PGPASSWORD") {
        return Ok(Some(password.into_encoded_bytes()));
    }
    if let Some(path) = env::var_os("PGPASSFILE") {
        return of_file(Path::new(&path), config);
    }
    let Some(home) = env::home_dir() else {
        return Ok(None);
    };
    let path = home.join(DEFAULT_FILE);
    match path.exists() {
        true => of_file(&path, config),
        false => Ok(None),
    }
}

fn of_file(path: &Path, config: &Config) -> Result<Option<Vec<u8>>, PasswordError> {
    let failed = |source| PasswordError::File {
        path: path.to_owned(),
        source,
    };
    let file = fs::metadata(path).map_err(failed)?;
    if file.permissions().mode() & 0o077 != 0 {
        return Err(PasswordError::Open {
            path: path.to_owned(),
        });
    }
    if file.len() > BYTES_MAX {
        return Err(failed(io::Error::other("it is larger than any password file")));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Ok(text.lines().find_map(|line| of_line(line, config)))
}

fn of_line(line: &str, config: &Config) -> Option<Vec<u8>> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = fields.as_slice() else {
        return None;
    };
    let is = |pattern: &str, value: &str| pattern == "*" || pattern == value;
    let own_user = config.get_user().unwrap_or_default();
    let ports = config.get_ports();
    let is_one = |(at, one): (usize, &Host)| {
        let number = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let is_host = match one {
            Host::Tcp(name) => is(host, name),
            Host::Unix(path) => is(host, "localhost") || is(host, &path.to_string_lossy()),
        };
        is_host && is(port, &number.to_string())
    };
    let fits = config.get_hosts().iter().enumerate().any(is_one)
        && is(database, config.get_dbname().unwrap_or(own_user))
        && is(user, own_user);
    fits.then(|| password.clone().into_bytes())
}

/// The fields of a line, with their escapes taken out.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => fields.push(String::new()),
            '\\' => fields
                .last_mut()
                .into_iter()
                .for_each(|field| field.extend(letters.next())),
            _ => fields.last_mut().into_iter().for_each(|field| field.push(letter)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        "host=db.example,other port=5432,6000 user=ann dbname=world"
            .parse()
            .unwrap()
    }

    #[test]
    fn the_first_line_that_fits_counts_and_what_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let find = || find(Some(&path), &config());
        assert!(matches!(find(), Err(PasswordError::File { .. })));
        write(
            "# a note\ndb.example:1:*:*:no\nother:6000:world:ann:a\\:b\\\\c\n*:*:*:*:late\n",
            0o600,
        );
        assert_eq!(find().unwrap().unwrap(), b"a:b\\c");
        write("*:*:*:bob:no\n", 0o400);
        assert!(matches!(find(), Err(PasswordError::NoLine { .. })));
        write("*:*:*:*:yes\n", 0o640);
        assert!(matches!(find(), Err(PasswordError::Open { .. })));
    }
}
