//! Files of the command line, whose errors name the file and the remedy.

use anyhow::anyhow;
use portcullis_host::{unread, unwritten};
use std::io;
use std::path::Path;

/// Reads a file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| cannot_read(file, &error))
}

/// Reads a file of text.
pub(crate) fn read_text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))
}

/// Writes a file, in place of an earlier one.
pub(crate) fn write(file: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    std::fs::write(file, content).map_err(|error| cannot_write(file, &error))
}

/// The error of a file that cannot be read.
pub(crate) fn cannot_read(file: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("cannot read {}: {}", file.display(), unread(error))
}

/// The error of a file that cannot be written.
pub(crate) fn cannot_write(file: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("cannot write {}: {}", file.display(), unwritten(error))
}
