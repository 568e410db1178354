//! The files of a log: the latest, the sealed ones beside it, its head, and the record of its archive.

use super::archive::Archived;
use super::{Broken, line};
use crate::followed::{FileIdentity, identity_of};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the first line names as the one before it.
pub(super) const BEGINNING: &str = "the beginning";

/// How often a reader looks again for what a host is about to write, and how long it waits in between.
const PATIENCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// The file of that number, once it is sealed.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    match path.extension() {
        None => path.with_extension(format!("{number:06}")),
        Some(extension) => {
            path.with_extension(format!("{number:06}.{}", extension.to_string_lossy()))
        }
    }
}

/// The name of a file, without its folder.
pub(super) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file that is called as the log is, with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The number of the newest sealed file beside the log, if there is one.
pub(super) fn newest_sealed(path: &Path) -> io::Result<Option<u32>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder_of(path))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // The number is the only run of digits that gives the very name again.
        let number = name
            .split('.')
            .filter_map(|part| part.parse::<u32>().ok())
            .find(|number| name_of(&numbered(path, *number)) == name);
        newest = newest.max(number);
    }
    Ok(newest)
}

/// Where the files of a log are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) path: &'a Path,
    /// Where archived ones are, if they are to be read too.
    pub(super) archive: Option<&'a Path>,
}

/// Where a log begins that is read: the number of its first file, and what its first line follows.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) file: u32,
    pub(super) sequence: u64,
    pub(super) hash: String,
}

/// The file of a log that comes next, open.
pub(super) enum Next {
    Sealed(PathBuf, File),
    Latest(File),
}

impl Files<'_> {
    /// The sealed file of that number, wherever it is.
    fn sealed(&self, number: u32) -> Option<PathBuf> {
        let beside = numbered(self.path, number);
        if beside.exists() {
            return Some(beside);
        }
        let archived = self.archive?.join(name_of(&beside));
        archived.exists().then_some(archived)
    }

    /// Where the files begin that are there: after those that were archived, or earlier where archived
    /// files are there again.
    pub(super) fn beginning(&self) -> Result<Beginning, Broken> {
        let records = Archived::read(self.path)?;
        let mut first = records.last().map_or(1, |last| last.file.saturating_add(1));
        while first > 1 && self.sealed(first - 1).is_some() {
            first -= 1;
        }
        // Of files that were archived together only the end is on record.
        let anchor = records
            .iter()
            .find(|record| record.file.saturating_add(1) >= first);
        Ok(match anchor {
            Some(record) if first > 1 => Beginning {
                file: record.file.saturating_add(1),
                sequence: record.last,
                hash: record.hash.clone(),
            },
            _ => Beginning {
                file: 1,
                sequence: 0,
                hash: BEGINNING.to_owned(),
            },
        })
    }

    /// Opens the file of that number: a sealed one, or else the latest.
    ///
    /// A host that begins the next file gives the latest its number and makes another. So what was opened
    /// as the latest is the one of that number only if there is still no sealed one of it: then it had not
    /// been renamed when it was opened. A missing file is not made up for by any of this: the first line
    /// of each file says which it is.
    pub(super) fn open(&self, number: u32) -> io::Result<Next> {
        let mut missing = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..PATIENCE {
            if let Some(sealed) = self.sealed(number) {
                let opened = File::open(&sealed)?;
                return Ok(Next::Sealed(sealed, opened));
            }
            let latest = File::open(self.path);
            if self.sealed(number).is_some() {
                continue;
            }
            match latest {
                Ok(latest) => return Ok(Next::Latest(latest)),
                // The one before it has its number, and the next is about to be made.
                Err(error) if error.kind() == io::ErrorKind::NotFound && number > 1 => {
                    missing = error;
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Err(missing)
    }

    /// The numbers of those from `first` on and before `end` that are not there.
    pub(super) fn missing(&self, first: u32, end: u32) -> Vec<PathBuf> {
        (first..end)
            .filter(|number| self.sealed(*number).is_none())
            .map(|number| numbered(self.path, number))
            .collect()
    }
}

/// What a file has where a line is expected.
pub(super) enum Found {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The beginning of one.
    CutOff,
    /// More than a line ever has.
    TooLong,
    /// Nothing.
    End,
}

/// The next line. One that has no end may be about to be written in full.
pub(super) fn next_line(reader: &mut impl BufRead) -> io::Result<Found> {
    let mut found = Vec::new();
    let mut read = |found: &mut Vec<u8>| {
        let left = line::MAX_BYTES.saturating_sub(found.len() as u64);
        reader.by_ref().take(left).read_until(b'\n', found)
    };
    read(&mut found)?;
    for _ in 0..PATIENCE {
        if found.is_empty() || found.ends_with(b"\n") || found.len() as u64 >= line::MAX_BYTES {
            break;
        }
        std::thread::sleep(PAUSE);
        read(&mut found)?;
    }
    Ok(match found.pop() {
        None => Found::End,
        Some(b'\n') => Found::Whole(found),
        Some(_) if found.len() as u64 + 1 >= line::MAX_BYTES => Found::TooLong,
        Some(_) => Found::CutOff,
    })
}

pub(super) fn hash(line: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(line))
}

/// The last line that was recorded, kept beside the log to tell when lines at its end are gone.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: String,
}

impl Head {
    pub(super) fn file(path: &Path) -> PathBuf {
        beside(path, ".head")
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let file = Self::file(path);
        let mut text = std::fs::read_to_string(&file).ok()?;
        // A host may write it meanwhile: what is read alike twice is not half of one and half of another.
        for _ in 0..PATIENCE {
            let again = std::fs::read_to_string(&file).ok()?;
            if again == text {
                break;
            }
            text = again;
        }
        let (sequence, hash) = text.trim().split_once(' ')?;
        Some(Self {
            sequence: sequence.parse().ok()?,
            hash: hash.to_owned(),
        })
    }
}

/// How files are made that hold what was decided: for the host's own user alone.
pub(crate) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are Unix's"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Why a file at `path` is not the one of that identity and length, if it is not.
pub(super) fn not_in_place(
    path: &Path,
    identity: FileIdentity,
    bytes: Option<u64>,
) -> Option<String> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) => return Some(format!("it is gone ({error})")),
    };
    if found.file_type().is_symlink() {
        return Some("a symbolic link is in its place".to_owned());
    }
    if !found.is_file() || identity_of(&found) != identity {
        return Some("something else is in its place".to_owned());
    }
    let bytes = bytes?;
    match found.len() {
        length if length < bytes => Some(format!(
            "it has {length} bytes, and {bytes} were written: it was cut"
        )),
        length if length > bytes => Some(format!(
            "it has {length} bytes, and {bytes} were written: something else writes it"
        )),
        _ => None,
    }
}
