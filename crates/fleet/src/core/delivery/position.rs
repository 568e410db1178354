//! The last message that a host applied, in a file beside its list.

use crate::stream::Info;
use portcullis_trust::regular;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Suffix of the file.
const SUFFIX: &str = ".delivered";

/// Maximum size of the file.
const BYTES: u64 = 4096;

/// A stream, and the number of the last message of it that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Position {
    stream: String,
    created: String,
    pub(super) number: u64,
}

impl Position {
    /// Reads the position beside `list`; a list without one begins with the first message.
    ///
    /// # Errors
    ///
    /// The reason why the stream does not continue from there.
    pub(super) fn read(list: &Path, stream: &str, info: &Info) -> Result<Self, String> {
        let file = file(list);
        let remedy = "verify the list, then remove that file";
        let mut text = String::new();
        let read = regular::open(&file).and_then(|it| it.take(BYTES).read_to_string(&mut text));
        let position: Self = match read {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self {
                    stream: stream.to_owned(),
                    created: info.created.clone(),
                    number: 0,
                });
            }
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
            Ok(_) => serde_json::from_str(&text)
                .map_err(|error| format!("{} is damaged ({error}): {remedy}", file.display()))?,
        };
        if position.stream != stream || position.created != info.created {
            return Err(format!(
                "stream `{stream}` is not the one that was read before: another was created in its place; {remedy}, {}",
                file.display()
            ));
        }
        if info.state.last_seq < position.number {
            return Err(format!(
                "stream `{stream}` ends with message {}, but {} was read before: it was restored from a copy; {remedy}, {}",
                info.state.last_seq,
                position.number,
                file.display()
            ));
        }
        Ok(position)
    }

    /// Replaces the file.
    pub(super) fn write(&self, list: &Path) -> Result<(), String> {
        let file = file(list);
        let write = || {
            let folder = match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut new, self)?;
            new.flush()?;
            new.as_file().sync_data()?;
            new.persist(&file)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| format!("{} cannot be written: {error}", file.display()))
    }
}

fn file(list: &Path) -> PathBuf {
    regular::beside(list, SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info(created: &str, last: u64) -> Info {
        serde_json::from_value(json!({
            "config": { "storage": "file" },
            "created": created,
            "state": { "last_seq": last },
        }))
        .unwrap()
    }

    #[test]
    fn a_position_belongs_to_one_stream_and_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.jsonl");
        let read = |created, last| Position::read(&list, "s", &info(created, last));
        let mut position = read("first", 9).unwrap();
        assert_eq!(position.number, 0);
        position.number = 7;
        position.write(&list).unwrap();
        assert_eq!(read("first", 9), Ok(position.clone()));
        assert_eq!(read("first", 7), Ok(position));
        assert!(read("first", 6).unwrap_err().contains("restored"));
        assert!(read("second", 9).unwrap_err().contains("another"));
        assert!(Position::read(&list, "t", &info("first", 9)).is_err());
        std::fs::write(file(&list), "{\"number\":0}").unwrap();
        assert!(read("first", 9).unwrap_err().contains("damaged"));
    }
}
