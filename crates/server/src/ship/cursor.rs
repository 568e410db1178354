//! The last line that the receiver confirmed, in a file.

use portcullis_host::log::Position;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Suffix of the file beside the log.
const SUFFIX: &str = ".shipped";
/// Maximum size of the file.
const LARGEST: u64 = 4096;

/// The file with the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor(PathBuf);

impl Cursor {
    /// The file that is configured, or the one beside `log`.
    pub(super) fn of(log: &Path, configured: Option<&Path>) -> Self {
        Self(configured.map_or_else(
            || {
                let mut name = log.as_os_str().to_owned();
                name.push(SUFFIX);
                PathBuf::from(name)
            },
            Path::to_owned,
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the position; `None` if nothing was shipped.
    ///
    /// # Errors
    ///
    /// The reason why the file is unusable, with the remedy.
    pub(super) fn read(&self) -> Result<Option<Position>, String> {
        let name = self.0.display();
        let mut text = Vec::new();
        let opened = std::fs::File::open(&self.0);
        match opened.and_then(|file| file.take(LARGEST).read_to_end(&mut text)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{name} cannot be read: {error}")),
            Ok(_) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                format!("{name} is damaged ({error}): restore it, or remove it to ship the log from its first line again")
            }),
        }
    }

    /// Replaces the file in one step.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be written.
    pub(super) fn write(&self, position: &Position) -> Result<(), String> {
        let write = || {
            let folder = match self.0.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut new, position)?;
            new.flush()?;
            new.as_file().sync_data()?;
            new.persist(&self.0)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| format!("{} cannot be written: {error}", self.0.display()))
    }
}
