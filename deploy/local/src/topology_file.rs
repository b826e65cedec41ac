//! Topology files, read from the disk for the commands that take one.

use node::files;
use node::life::Failure;
use protocol::Shown;
use std::path::Path;
use topology::Topology;

/// The text of a topology file: no more of it than a topology can have.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    files::read_text(file, topology::limits::FILE_BYTES_MAX).map_err(|error| {
        let file = Shown(file.display());
        Failure::bad_input(format!("cannot read the topology file {file}: {error}"))
    })
}

/// A topology file without a mistake, and its text.
pub(crate) fn parsed(file: &Path) -> Result<(Topology, String), Failure> {
    let text = read(file)?;
    let name = Shown(file.display()).to_string();
    match topology::parse(&name, &text) {
        Ok(topology) => Ok((topology, text)),
        Err(mistakes) => Err(Failure::bad_input(mistakes.to_string().trim_end())),
    }
}
