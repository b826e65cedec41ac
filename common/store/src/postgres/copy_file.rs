//! A backup of a database as a file: lines of text, table after table as PostgreSQL's COPY writes them, and a digest of all of it
//! at the end, so that what was cut off or changed is noticed before anything is replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use protocol::ids::WorldId;
use sha2::{Digest as _, Sha256};

use crate::limits::STATE_BYTES_MAX;

const FIRST_LINE: &str = "regionmesh database backup 1";
/// What ends a table; no row looks like it.
const TABLE_END: &[u8] = b"\\.";
/// More than a line of any row takes: bytes are written as two digits each, and numbers beside them.
const LINE_BYTES_MAX: usize = 4 * STATE_BYTES_MAX + 64 * 1024;

/// Which state of which world a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) schema: i64,
    pub(super) world: WorldId,
    pub(super) generation: u16,
}

/// Writes one.
pub(super) struct Writer {
    file: BufWriter<File>,
    digest: Sha256,
}

/// Reads one from its beginning.
pub(super) struct Reader {
    file: BufReader<File>,
    digest: Sha256,
    line: Vec<u8>,
    pub(super) head: Head,
}

/// Why a file is not read as a backup.
#[derive(Debug, thiserror::Error)]
pub enum CopyFileError {
    /// The file system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It begins like none.
    #[error("it is no backup of a database by this program")]
    Foreign,
    /// It is not as it was written.
    #[error("it is damaged or cut off ({0}): take another backup")]
    Damaged(&'static str),
}

/// What comes next in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A table by name, and its columns in the order of its rows.
    Table(String, String),
    /// Nothing, and all of it was as it was written.
    End,
}

impl Writer {
    /// Begins a file, private to its user, that is not there yet.
    pub(super) fn create(path: &Path, head: &Head) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut writer = Self {
            file: BufWriter::new(file),
            digest: Sha256::new(),
        };
        let Head {
            schema,
            world,
            generation,
        } = head;
        let first = format!("{FIRST_LINE}\nschema {schema}\nworld {world}\ngeneration {generation}\n");
        writer.write(first.as_bytes())?;
        Ok(writer)
    }

    pub(super) fn begin_table(&mut self, name: &str, columns: &str) -> io::Result<()> {
        self.write(format!("table {name} {columns}\n").as_bytes())
    }

    /// Rows, or a part of them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.file.write_all(bytes)
    }

    pub(super) fn end_table(&mut self) -> io::Result<()> {
        self.write(TABLE_END)?;
        self.write(b"\n")
    }

    /// Completes it, on the disk.
    pub(super) fn end(mut self) -> io::Result<()> {
        let digest = hex(&self.digest.finalize());
        writeln!(self.file, "end {digest}")?;
        self.file.into_inner()?.sync_all()
    }
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, CopyFileError> {
        let mut reader = Self {
            file: BufReader::new(File::open(path)?),
            digest: Sha256::new(),
            line: Vec::new(),
            head: Head {
                schema: 0,
                world: WorldId([0; 16]),
                generation: 0,
            },
        };
        let first = reader.line();
        if !matches!(first, Ok(line) if line == FIRST_LINE.as_bytes()) {
            return Err(CopyFileError::Foreign);
        }
        reader.head = reader.head()?;
        Ok(reader)
    }

    /// Reads all of it; says which tables it has, each with the number of its rows.
    pub(super) fn check(path: &Path) -> Result<(Head, Vec<(String, u64)>), CopyFileError> {
        let mut reader = Self::open(path)?;
        let mut tables = Vec::new();
        while let Part::Table(name, _) = reader.part()? {
            let mut rows = 0;
            while reader.row()?.is_some() {
                rows += 1;
            }
            tables.push((name, rows));
        }
        Ok((reader.head, tables))
    }

    /// The next table, once all rows of the one before have been read.
    pub(super) fn part(&mut self) -> Result<Part, CopyFileError> {
        let before = self.digest.clone();
        let line = self.text()?;
        if let Some(digest) = line.strip_prefix("end ") {
            if digest != hex(&before.finalize()) {
                return Err(CopyFileError::Damaged("its digest is another"));
            }
            let more = self.file.fill_buf()?;
            return match more.is_empty() {
                true => Ok(Part::End),
                false => Err(CopyFileError::Damaged("it goes on behind its end")),
            };
        }
        let table = line.strip_prefix("table ").and_then(|rest| rest.split_once(' '));
        let (name, columns) = table.ok_or(CopyFileError::Damaged("a line belongs to no table"))?;
        if !name.chars().all(is_of_name)
            || !columns
                .chars()
                .all(|letter| is_of_name(letter) || ", ".contains(letter))
        {
            return Err(CopyFileError::Damaged("a table has no proper name"));
        }
        Ok(Part::Table(name.to_owned(), columns.to_owned()))
    }

    /// The next row of a table; `None` at its end.
    pub(super) fn row(&mut self) -> Result<Option<&[u8]>, CopyFileError> {
        let line = self.line()?;
        Ok((line != TABLE_END).then_some(line))
    }

    fn head(&mut self) -> Result<Head, CopyFileError> {
        let damaged = CopyFileError::Damaged;
        let schema = self.value("schema ")?.parse();
        let world = WorldId::from_hex(&self.value("world ")?);
        let generation = self.value("generation ")?.parse();
        Ok(Head {
            schema: schema.map_err(|_| damaged("its schema version is none"))?,
            world: world.ok_or(damaged("its world has no id"))?,
            generation: generation.map_err(|_| damaged("its generation is none"))?,
        })
    }

    fn value(&mut self, key: &str) -> Result<String, CopyFileError> {
        let line = self.text()?;
        let value = line.strip_prefix(key);
        value
            .map(str::to_owned)
            .ok_or(CopyFileError::Damaged("a line of its head is missing"))
    }

    fn text(&mut self) -> Result<String, CopyFileError> {
        String::from_utf8(self.line()?.to_vec()).map_err(|_| CopyFileError::Damaged("a line is no text"))
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<&[u8], CopyFileError> {
        self.line.clear();
        let mut bounded = (&mut self.file).take(LINE_BYTES_MAX as u64);
        bounded.read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Err(CopyFileError::Damaged("a line has no end"));
        }
        self.digest.update(&self.line);
        self.line.pop();
        Ok(&self.line)
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_backup_is_read_as_it_was_written_and_every_byte_of_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        let head = Head {
            schema: 4,
            world: WorldId([7; 16]),
            generation: 3,
        };
        let mut writer = Writer::create(&path, &head).unwrap();
        writer.begin_table("player", "user_id, state").unwrap();
        writer.write(b"1\t\\\\x00\n2\t\\N\n").unwrap();
        writer.end_table().unwrap();
        writer.begin_table("region", "region").unwrap();
        writer.end_table().unwrap();
        writer.end().unwrap();
        let tables = vec![("player".to_owned(), 2), ("region".to_owned(), 0)];
        assert_eq!(Reader::check(&path).unwrap(), (head, tables));
        assert!(Writer::create(&path, &head).is_err(), "it replaces nothing");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Reader::check(&path).is_err(), "cut off at {at}");
            let mut other = whole.clone();
            other[at] ^= 1;
            fs::write(&path, other).unwrap();
            assert!(Reader::check(&path).is_err(), "changed at {at}");
        }
        fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
        assert!(Reader::check(&path).is_err(), "longer");
    }
}
