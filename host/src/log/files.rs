//! The files of a log: the latest, the sealed ones beside it, its head, and the record of its archive.

use super::archive::Archived;
use super::{Corrupt, line};
use portcullis_trust::regular;
use portcullis_trust::watched::{FileIdentity, identity_of};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Previous hash in the first line of a log.
pub(super) const BEGINNING: &str = "the beginning";

/// Remedy for a log that was changed.
pub(super) const RESTORE: &str = "restore the file, or move the log away and begin a new one";

/// Maximum number of retries while a host writes, and the pause between.
const PATIENCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// Path of the sealed file of that number.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    match path.extension() {
        None => path.with_extension(format!("{number:06}")),
        Some(extension) => {
            path.with_extension(format!("{number:06}.{}", extension.to_string_lossy()))
        }
    }
}

/// Name of a file, without its folder.
pub(super) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Number of the newest sealed file beside the log, if any.
pub(super) fn newest_sealed(path: &Path) -> io::Result<Option<u32>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder_of(path))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // Only the number in the right place and format reproduces the name.
        let number = name
            .split('.')
            .filter_map(|part| part.parse::<u32>().ok())
            .find(|number| name_of(&numbered(path, *number)) == name);
        newest = newest.max(number);
    }
    Ok(newest)
}

/// Locations of the files of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) path: &'a Path,
    /// Folder of archived files, if they are read too.
    pub(super) archive: Option<&'a Path>,
}

/// Consecutive files of a log.
///
/// Holds the number of the first file, and the line that its first line follows.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) file: u32,
    pub(super) sequence: u64,
    pub(super) hash: String,
    /// Number of the last file, if later files were accepted as missing.
    pub(super) until: Option<u32>,
}

impl Run {
    fn from_the_beginning() -> Self {
        Self {
            file: 1,
            sequence: 0,
            hash: BEGINNING.to_owned(),
            until: None,
        }
    }

    fn after(record: &Archived) -> Self {
        Self {
            file: record.file.saturating_add(1),
            sequence: record.last,
            hash: record.hash.clone(),
            until: None,
        }
    }
}

/// The next file of a log, opened.
pub(super) enum Next {
    Sealed(PathBuf, File),
    Latest(File),
}

impl Files<'_> {
    /// Path of a sealed file, beside the log or in the archive.
    fn sealed(&self, number: u32) -> Option<PathBuf> {
        let beside = numbered(self.path, number);
        if beside.exists() {
            return Some(beside);
        }
        let archived = self.archive?.join(name_of(&beside));
        archived.exists().then_some(archived)
    }

    /// Returns the files to read, by the records of archived files.
    ///
    /// With the archive, all files are read; only those recorded as accepted missing may be missing.
    pub(super) fn runs(&self, records: &[Archived]) -> Result<Vec<Run>, Corrupt> {
        match self.archive {
            None => Ok(vec![self.beginning(records)]),
            Some(archive) => self.with_archive(archive, records),
        }
    }

    /// Returns the first of the files beside the log.
    ///
    /// It follows the archived files, or is an earlier one if archived files were restored.
    fn beginning(&self, records: &[Archived]) -> Run {
        let mut first = records.last().map_or(1, |last| last.file.saturating_add(1));
        while first > 1 && self.sealed(first - 1).is_some() {
            first -= 1;
        }
        // For files archived together, only the end of the last one is recorded.
        let anchor = records
            .iter()
            .find(|record| record.file.saturating_add(1) >= first);
        match anchor {
            Some(record) if first > 1 => Run::after(record),
            _ => Run::from_the_beginning(),
        }
    }

    fn with_archive(&self, archive: &Path, records: &[Archived]) -> Result<Vec<Run>, Corrupt> {
        if let Err(error) = std::fs::read_dir(archive) {
            return Err(Corrupt::Archive {
                folder: archive.to_owned(),
                error,
            });
        }
        let (mut missing, mut runs, mut run) = (Vec::new(), Vec::new(), Run::from_the_beginning());
        let mut next: u32 = 1;
        for record in records {
            let mut files = next..=record.file;
            let before = next.saturating_sub(1);
            next = record.file.saturating_add(1);
            if record.digest.is_some() {
                let file = numbered(self.path, record.file);
                if self.sealed(record.file).is_none() {
                    missing.push(archive.join(name_of(&file)));
                }
            } else if !files.all(|number| self.sealed(number).is_some()) {
                if run.file <= before {
                    run.until = Some(before);
                    runs.push(run);
                }
                run = Run::after(record);
            }
        }
        if !missing.is_empty() {
            return Err(Corrupt::NotInArchive(missing));
        }
        runs.push(run);
        Ok(runs)
    }

    /// Opens the file of that number: a sealed one, or else the latest.
    ///
    /// A host that starts the next file renames the latest to its number, and creates another. So the file
    /// opened as the latest has that number only if there is still no sealed file of that number: then it was
    /// not yet renamed when it was opened. This does not hide a missing file, because the first line of each
    /// file states its number.
    pub(super) fn open(&self, number: u32) -> Result<Next, Corrupt> {
        loop {
            if let Some(sealed) = self.sealed(number) {
                return match regular::open(&sealed) {
                    Ok(opened) => Ok(Next::Sealed(sealed, opened)),
                    Err(error) => Err(Corrupt::Read {
                        file: sealed,
                        error,
                    }),
                };
            }
            let latest = self.latest();
            if self.sealed(number).is_none() {
                return latest.map(Next::Latest);
            }
        }
    }

    /// Opens the latest file.
    pub(super) fn latest(&self) -> Result<File, Corrupt> {
        let file = self.path.to_owned();
        for _ in 0..PATIENCE {
            match regular::open(self.path) {
                Ok(latest) => return Ok(latest),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.has_others() => {
                    // The host renamed the previous file, and is about to create the next one.
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(Corrupt::Read { file, error }),
            }
        }
        Err(Corrupt::NoLatest(file))
    }

    /// True if the log has files other than the latest.
    fn has_others(&self) -> bool {
        Head::file(self.path).exists() || newest_sealed(self.path).is_ok_and(|it| it.is_some())
    }

    /// Paths of the missing files from `first` on and before `end`.
    pub(super) fn missing(&self, first: u32, end: u32) -> Vec<PathBuf> {
        (first..end)
            .filter(|number| self.sealed(*number).is_none())
            .map(|number| numbered(self.path, number))
            .collect()
    }
}

/// Result of reading a line.
pub(super) enum Found {
    /// A line, without its line end.
    Whole(Vec<u8>),
    /// An incomplete line.
    CutOff,
    /// More bytes than a line can have.
    TooLong,
    /// The end of the file.
    End,
}

/// Reads the next line. Waits for an incomplete line, which a host may be writing.
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

/// The last recorded line, stored beside the log.
///
/// It is used to detect missing lines at the end.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: String,
}

impl Head {
    pub(super) fn file(path: &Path) -> PathBuf {
        regular::beside(path, ".head")
    }

    /// Contents of the file. Its length is fixed, so that overwriting leaves no old bytes.
    pub(super) fn text(sequence: u64, hash: &str) -> String {
        format!("{sequence:020} {hash}\n")
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let read = || io::read_to_string(regular::open(&Self::file(path)).ok()?).ok();
        let mut text = read()?;
        // A host may write it at the same time: read until two reads are equal.
        for _ in 0..PATIENCE {
            let again = read()?;
            if again == text {
                break;
            }
            text = again;
        }
        Self::parse(&text)
    }

    /// The error of a head that [`Head::read`] does not return.
    pub(super) fn missing(path: &Path) -> Corrupt {
        let file = Self::file(path);
        match regular::open(&file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Corrupt::Read { file, error }
            }
            _ => Corrupt::NoHead(file),
        }
    }

    /// Parses only the exact form that is written; any other form is damaged.
    fn parse(text: &str) -> Option<Self> {
        let (sequence, hash) = text.strip_suffix('\n')?.split_once(' ')?;
        let sequence = sequence.parse().ok()?;
        let is_hash = match sequence {
            0 => hash == BEGINNING,
            _ => {
                hash.len() == 64
                    && hash
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
        };
        (is_hash && Self::text(sequence, hash) == text).then(|| Self {
            sequence,
            hash: hash.to_owned(),
        })
    }
}

/// Length in bytes of the file at `path`; an error if its identity differs.
pub(super) fn bytes_in_place(path: &Path, identity: FileIdentity) -> Result<u64, String> {
    let found = std::fs::symlink_metadata(path).map_err(|error| format!("it is gone ({error})"))?;
    if found.file_type().is_symlink() {
        return Err("a symbolic link is in its place".to_owned());
    }
    if !found.is_file() || identity_of(&found) != identity {
        return Err("something else is in its place".to_owned());
    }
    Ok(found.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_one_form() {
        let hash = hash(b"x");
        let read = |text: &str| Head::parse(text).map(|head| head.sequence);
        for (text, sequence) in [
            (Head::text(7, &hash), 7),
            (Head::text(u64::MAX, &hash), u64::MAX),
            (Head::text(0, BEGINNING), 0),
        ] {
            assert_eq!(read(&text), Some(sequence));
        }
        let whole = Head::text(7, &hash);
        for damaged in [
            String::new(),
            "\n".to_owned(),
            format!("{whole}x"),
            format!("{whole}\n"),
            whole.trim_end().to_owned(),
            whole.replacen(&hash, &hash[1..], 1),
            whole.replacen(&hash, &format!("{hash}0"), 1),
            whole.replacen(&hash, &hash.to_uppercase(), 1),
            whole.replacen(&hash, &"g".repeat(64), 1),
            whole.replacen(&hash, BEGINNING, 1),
            whole.replacen('0', "+", 1),
            whole.replacen('0', "", 1),
            Head::text(0, &hash),
        ] {
            assert_eq!(read(&damaged), None, "{damaged:?}");
        }
    }
}
