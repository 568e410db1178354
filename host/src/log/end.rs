//! The end of a log, as found in its files, and its position in the chain.

use super::archive::Archived;
use super::chain::opening;
use super::faults::{changed, failed, not_a_log};
use super::files::{BEGINNING, Head, hash, newest_sealed, numbered};
use super::tail::Backwards;
use super::{Corrupt, Event, LogError, line};
use portcullis_model::count::counted;
use std::fs::File;
use std::io;
use std::path::Path;

/// The end of a log, as found in its files.
#[derive(Debug)]
pub(super) struct End {
    pub(super) place: Place,
    /// Length of the whole lines of the latest file, in bytes.
    pub(super) bytes: u64,
    /// True if the file contains more bytes than that.
    pub(super) unclean: bool,
    pub(super) sealed: bool,
    pub(super) unopened: bool,
    /// Number of lines behind the head.
    pub(super) behind_head: u64,
}

/// Position of a log in its chain.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Number of the latest file.
    pub(super) file: u32,
    /// Number of the first line of the latest file.
    pub(super) first: u64,
    /// Hash of the seal of the previous file.
    pub(super) seal: String,
    /// Number of the last line.
    pub(super) sequence: u64,
    /// Hash of the last line.
    pub(super) previous: String,
}

/// Verifies that a host could continue the log, or start one.
///
/// Nothing is written or locked, so that it works while a host runs.
///
/// # Errors
///
/// [`LogError`], as a host would report it.
pub(crate) fn can_be_continued(path: &Path) -> Result<(), LogError> {
    let find = || {
        refuse_links(path)?;
        refuse_links(&Head::file(path))?;
        // Read first: a host may record decisions at the same time.
        let recorded = Head::read(path);
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, &error)),
        };
        End::find(path, file.as_ref(), recorded).map(|_| ())
    };
    // Retry once: a host may have started the next file, or an operator archived files, in between.
    find().or_else(|_| find())
}

impl End {
    /// Finds the last whole line of the log whose latest file is `latest`.
    ///
    /// The line that was recorded last must be present and unchanged.
    pub(super) fn find(
        path: &Path,
        latest: Option<&File>,
        recorded: Option<Head>,
    ) -> Result<Self, LogError> {
        let mut end = Self {
            place: Place {
                file: 1,
                first: 1,
                seal: BEGINNING.to_owned(),
                sequence: 0,
                previous: BEGINNING.to_owned(),
            },
            bytes: 0,
            unclean: false,
            sealed: false,
            unopened: false,
            behind_head: 0,
        };
        let has_line = match latest {
            Some(latest) => end.note_last_of(path, latest)?,
            None => false,
        };
        if !has_line && let Some(place) = Place::after_what_was_sealed(path)? {
            end.place = place;
            end.unopened = true;
        }
        end.behind_head = end.place.behind(path, latest, recorded)?;
        Ok(end)
    }

    /// Stores the last whole line of the latest file; returns false if there is none.
    fn note_last_of(&mut self, path: &Path, latest: &File) -> Result<bool, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        let mut lines = Backwards::new(latest).map_err(failed)?;
        (self.bytes, self.unclean) = lines.whole();
        let Some(last) = lines.next().map_err(failed)? else {
            return Ok(false);
        };
        let (_, entry) = line::parse(&last)
            .map_err(|message| changed(path, format!("its last line: {message}")))?;
        self.place.sequence = entry.sequence;
        self.place.previous = hash(&last);
        self.sealed = matches!(entry.event, Event::Seal(_));
        if entry.sequence == u64::MAX {
            return Err(changed(
                path,
                format!(
                    "its last line has the maximum number {}: it was edited",
                    entry.sequence
                ),
            ));
        }
        if let Some(first) = opening(path, latest).map_err(|broken| changed(path, broken))? {
            self.place.file = first.number;
            self.place.first = first.sequence;
            self.place.seal = first.previous;
        }
        Ok(true)
    }
}

impl Place {
    /// The end of a log whose latest file has no line.
    ///
    /// It follows the newest sealed file, or the last one that was archived.
    fn after_what_was_sealed(path: &Path) -> Result<Option<Self>, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        let archived = Archived::read(path).map_err(|broken| changed(path, broken))?;
        let archived = archived.last();
        let newest = match newest_sealed(path) {
            // The folder of a new log may not exist yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            newest => newest.map_err(failed)?,
        };
        let Some(number) = newest.max(archived.map(|last| last.file)) else {
            return Ok(None);
        };
        let (sequence, seal) = match archived {
            Some(last) if last.file == number => (last.last, last.hash.clone()),
            _ => {
                let file = numbered(path, number);
                let opened = File::open(&file).map_err(failed)?;
                let last = Backwards::new(&opened).and_then(|mut lines| lines.next());
                let last = last.map_err(failed)?.unwrap_or_default();
                match line::parse(&last) {
                    Ok((_, entry)) if matches!(entry.event, Event::Seal(_)) => {
                        (entry.sequence, hash(&last))
                    }
                    _ => {
                        let file = file.display();
                        return Err(changed(path, format!("{file} does not end with its seal")));
                    }
                }
            }
        };
        let next = number.checked_add(1);
        let next = next.ok_or_else(|| not_a_log(path, "no number is left for another file"))?;
        Self::after(path, next, sequence, seal).map(Some)
    }

    /// The end of a log with the next file's number and the last seal.
    pub(super) fn after(
        path: &Path,
        file: u32,
        sequence: u64,
        seal: String,
    ) -> Result<Self, LogError> {
        let first = sequence.checked_add(1);
        let first = first.ok_or_else(|| LogError::Exhausted(path.to_owned()))?;
        Ok(Self {
            file,
            first,
            seal: seal.clone(),
            sequence,
            previous: seal,
        })
    }

    /// Number of lines behind the head, which must name an existing line.
    fn behind(
        &self,
        path: &Path,
        latest: Option<&File>,
        recorded: Option<Head>,
    ) -> Result<u64, LogError> {
        let Some(head) = recorded else {
            return match self.sequence {
                0 => Ok(0),
                _ => Err(not_a_log(
                    path,
                    Corrupt::NoHead(Head::file(path)).to_string(),
                )),
            };
        };
        let Some(behind_head) = self.sequence.checked_sub(head.sequence) else {
            let found = match latest {
                Some(_) => format!("it ends with line {}", self.sequence),
                None => "it is missing".to_owned(),
            };
            let recorded = counted(head.sequence, "line");
            return Err(changed(
                path,
                format!("{found}, and the log had {recorded}: lines at its end are gone"),
            ));
        };
        if head.sequence > 0 && self.hash_of(path, latest, head.sequence)? != Some(head.hash) {
            return Err(changed(
                path,
                format!(
                    "line {} differs from the last recorded line: that line or the head beside the log was changed",
                    head.sequence
                ),
            ));
        }
        Ok(behind_head)
    }

    /// Hash of a line near the end of the log, if it exists.
    fn hash_of(
        &self,
        path: &Path,
        latest: Option<&File>,
        sequence: u64,
    ) -> Result<Option<String>, LogError> {
        let failed = |error: io::Error| failed(path, &error);
        // A head slightly behind may name a line of the previous file.
        let (mut number, mut at) = (self.file, self.sequence);
        if at == sequence {
            return Ok(Some(self.previous.clone()));
        }
        if Some(sequence) == self.first.checked_sub(1) {
            return Ok(Some(self.seal.clone()));
        }
        let Some(latest) = latest else {
            return Ok(None);
        };
        let mut opened = latest.try_clone().map_err(failed)?;
        loop {
            let mut lines = Backwards::new(&opened).map_err(failed)?;
            while let Some(line) = lines.next().map_err(failed)? {
                if at == sequence {
                    return Ok(Some(hash(&line)));
                }
                let Some(before) = at.checked_sub(1) else {
                    return Ok(None);
                };
                at = before;
            }
            number = match number.checked_sub(1) {
                Some(number) if numbered(path, number).exists() => number,
                _ => return Ok(None),
            };
            opened = File::open(numbered(path, number)).map_err(failed)?;
        }
    }
}

/// Refuses a symbolic link: renaming a full file would rename the link, not the file.
pub(super) fn refuse_links(file: &Path) -> Result<(), LogError> {
    match std::fs::symlink_metadata(file) {
        Ok(found) if found.file_type().is_symlink() => Err(not_a_log(
            file,
            "it is a symbolic link: name the file itself",
        )),
        Ok(found) if !found.is_file() => Err(not_a_log(
            file,
            "it is not a file: name a file, which is created if it is missing",
        )),
        _ => Ok(()),
    }
}
