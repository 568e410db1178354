//! A JSON file that is reloaded when it changes, without delaying decisions.

use crate::regular;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Minimum time between two looks at a file.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// Age below which a changed file is read again, regardless of its stamp.
const RECENT: Duration = Duration::from_secs(2);

/// Maximum size of files that are read at each look and compared by digest.
///
/// The comparison costs microseconds, and does not rely on the times of the file system.
const COMPARED_BYTES: u64 = 64 * 1024;

/// Maximum time for which a half-written file keeps the content before it in use.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

/// Identity of a file, independent of its name.
pub type FileIdentity = (u64, u64);

/// Device and inode of the file.
#[cfg(unix)]
pub fn identity_of(metadata: &Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Files have no identity on this platform; only length and time are compared.
#[cfg(not(unix))]
pub(crate) fn identity_of(_: &Metadata) -> FileIdentity {
    (0, 0)
}

/// Metadata of a file by which a change is detected.
///
/// A copy that keeps length and modification time (`cp -p`) still changes the time of the inode's last
/// change, which no tool sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    file: FileIdentity,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            bytes: metadata.len(),
            file: identity_of(metadata),
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            file: identity_of(metadata),
            modified: metadata.modified().ok(),
            changed: (0, 0),
        }
    }

    /// True if a change right after `read_at` may leave the same stamp.
    ///
    /// File systems count time in steps of some milliseconds, so that this holds for files that changed
    /// shortly before.
    pub(crate) fn is_recent(&self, read_at: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed = u64::try_from(seconds).ok().and_then(|seconds| {
            let nanoseconds = u32::try_from(nanoseconds).ok()?;
            UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
        });
        // Without such a time, the file is always read again.
        changed
            .filter(|_| self.changed != (0, 0))
            .is_none_or(|changed| {
                read_at
                    .duration_since(changed)
                    .is_ok_and(|age| age < RECENT)
                    || changed > read_at
            })
    }
}

/// Content of a file, or the error.
pub(crate) type Bytes<'a> = Result<&'a [u8], &'a io::Error>;

/// Parser of a file, which receives the content and the last valid value.
type Read<T, E> = Box<dyn Fn(&Path, Bytes<'_>, Option<&T>) -> Result<T, E> + Send + Sync>;

/// Parsed content of a file, reloaded within a second of a change.
///
/// While the file is invalid, only the error is returned. A file that ends in the middle is being written:
/// the content before it stays in use for at most three seconds more.
pub(crate) struct Watched<T, E> {
    file: PathBuf,
    read: Read<T, E>,
    known: RwLock<Known<T, E>>,
    looked_at: Mutex<Instant>,
    /// Held while the file is read, so that older content never replaces newer content.
    reading: Mutex<()>,
}

struct Known<T, E> {
    stamp: Option<Stamp>,
    /// True if other content may have the same stamp.
    is_recent: bool,
    /// Digest of the content; `None` if the file could not be read.
    digest: Option<[u8; 32]>,
    content: Result<Arc<T>, E>,
    last_valid: Option<Arc<T>>,
    version: u64,
    /// Time since which the file ends in the middle.
    cut_off_since: Option<Instant>,
}

impl<T, E: Clone> Watched<T, E> {
    /// Reads `file` for the first time.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub(crate) fn new(
        file: impl Into<PathBuf>,
        read: impl Fn(&Path, Bytes<'_>, Option<&T>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let file = file.into();
        // The stamp is taken first, so that a change during the reading is noticed at the next look.
        let (stamp, is_recent) = look_at(&file);
        let bytes = regular::read(&file);
        let content = Arc::new(read(&file, bytes.as_deref(), None)?);
        Ok(Self {
            file,
            read: Box::new(read),
            known: RwLock::new(Known {
                stamp,
                is_recent,
                digest: digest(&bytes),
                last_valid: Some(Arc::clone(&content)),
                content: Ok(content),
                version: 0,
                cut_off_since: None,
            }),
            looked_at: Mutex::new(Instant::now()),
            reading: Mutex::new(()),
        })
    }

    /// Returns the content, at most a second old.
    pub(crate) fn get(&self) -> Result<Arc<T>, E> {
        self.look();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.content.clone()
    }

    /// Returns the number of changes since the first reading, at most a second old.
    pub(crate) fn version(&self) -> u64 {
        self.look();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.version
    }

    /// Checks the file for changes, at most once a second.
    fn look(&self) {
        let due = {
            let mut looked_at = self
                .looked_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let due = looked_at.elapsed() >= LOOKED_AT;
            if due {
                *looked_at = Instant::now();
            }
            due
        };
        if !due {
            return;
        }
        match self.reading.try_lock() {
            Ok(_reading) => self.read_again(),
            // A thread that panicked while reading changed nothing. The lock is held here, too.
            Err(TryLockError::Poisoned(_reading)) => self.read_again(),
            // Another thread is reading the file, and this one does not wait.
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Reloads a changed file now instead of within a second.
    pub(crate) fn refresh(&self) {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_again();
    }

    fn read_again(&self) {
        let (stamp, is_recent) = look_at(&self.file);
        let (before, was_recent, digest_before, last_valid) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            (
                known.stamp,
                known.is_recent,
                known.digest,
                known.last_valid.clone(),
            )
        };
        let is_small = stamp.is_some_and(|stamp| stamp.bytes <= COMPARED_BYTES);
        if stamp.is_some() && stamp == before && !was_recent && !is_small {
            return;
        }
        let bytes = regular::read(&self.file);
        let digest = digest(&bytes);
        if digest.is_some() && digest == digest_before {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            (known.stamp, known.is_recent) = (stamp, is_recent);
            known.cut_off_since = None;
            return;
        }
        let content = (self.read)(&self.file, bytes.as_deref(), last_valid.as_deref());
        let is_cut_off = content.is_err() && bytes.as_deref().is_ok_and(is_cut_off);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if is_cut_off && known.content.is_ok() {
            let since = *known.cut_off_since.get_or_insert_with(Instant::now);
            if since.elapsed() < WRITTEN_WITHIN {
                // The stamp stays as it was, so that the file is read again.
                return;
            }
        }
        let content = content.map(Arc::new);
        if let Ok(content) = &content {
            known.last_valid = Some(Arc::clone(content));
        }
        known.cut_off_since = None;
        (known.stamp, known.is_recent) = (stamp, is_recent);
        known.digest = digest;
        known.content = content;
        known.version += 1;
    }
}

/// True if the JSON ends too early, as it does while it is written.
///
/// Complete but invalid JSON does not count.
fn is_cut_off(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_err_and(|error| error.is_eof())
}

impl<T, E> std::fmt::Debug for Watched<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Returns the file's stamp, and true if the file changed just now.
fn look_at(file: &Path) -> (Option<Stamp>, bool) {
    match std::fs::metadata(file) {
        Ok(metadata) => {
            let stamp = Stamp::of(&metadata);
            (Some(stamp), stamp.is_recent(SystemTime::now()))
        }
        Err(_) => (None, true),
    }
}

fn digest(bytes: &io::Result<Vec<u8>>) -> Option<[u8; 32]> {
    bytes
        .as_ref()
        .ok()
        .map(|bytes| Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A followed file that is removed at the end.
    struct Example {
        file: PathBuf,
        followed: Watched<String, String>,
    }

    impl Example {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("portcullis-followed-{name}-{}", std::process::id());
            let file = std::env::temp_dir().join(name);
            std::fs::write(&file, text).unwrap();
            let followed = Watched::new(&file, |_: &Path, bytes: Bytes<'_>, _: Option<&String>| {
                let bytes = bytes.map_err(ToString::to_string)?;
                serde_json::from_slice(bytes).map_err(|error| error.to_string())
            });
            Self {
                file,
                followed: followed.unwrap(),
            }
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.file, text).unwrap();
            self.followed.refresh();
        }

        fn says(&self) -> Option<String> {
            self.followed.get().ok().map(|said| said.to_string())
        }
    }

    impl Drop for Example {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.file);
        }
    }

    fn ago(duration: Duration) -> Instant {
        Instant::now().checked_sub(duration).unwrap()
    }

    #[test]
    fn whoever_only_asks_for_the_version_learns_of_a_change_too() {
        let example = Example::new("version", r#""a""#);
        let followed = &example.followed;
        assert_eq!(followed.version(), 0);
        std::fs::write(&example.file, r#""longer""#).unwrap();
        *followed.looked_at.lock().unwrap() = ago(LOOKED_AT);
        assert_eq!(followed.version(), 1);
        std::fs::remove_file(&example.file).unwrap();
        *followed.looked_at.lock().unwrap() = ago(LOOKED_AT);
        assert_eq!(followed.version(), 2);
        assert!(followed.get().is_err());
    }

    /// Imitates `cp -p`: new content with the length and time of the old content.
    fn copy_over(file: &Path, text: &str) {
        let times = std::fs::metadata(file).unwrap().modified().unwrap();
        std::fs::write(file, text).unwrap();
        let open = std::fs::File::options().write(true).open(file).unwrap();
        open.set_modified(times).unwrap();
    }

    #[test]
    fn another_content_of_the_same_length_and_time_is_seen() {
        for padding in [0, 100 * 1024] {
            let text = |letter: char| format!("\"{letter}{}\"", "x".repeat(padding));
            let example = Example::new("copied", &text('a'));
            let look = |expected: &str| {
                example.followed.refresh();
                assert_eq!(example.says().as_deref(), Some(expected.trim_matches('"')));
            };
            // Changed in place.
            copy_over(&example.file, &text('b'));
            look(&text('b'));
            assert_eq!(example.followed.version(), 1);
            // Another file in its place.
            let beside = example.file.with_extension("beside");
            std::fs::copy(&example.file, &beside).unwrap();
            copy_over(&beside, &text('c'));
            std::fs::rename(&beside, &example.file).unwrap();
            look(&text('c'));
            // A link to another file.
            std::fs::write(&beside, text('d')).unwrap();
            std::fs::remove_file(&example.file).unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink(&beside, &example.file).unwrap();
            #[cfg(unix)]
            look(&text('d'));
            // The same content is not a change.
            let version = example.followed.version();
            copy_over(&beside, &text('d'));
            example.followed.refresh();
            assert_eq!(example.followed.version(), version);
            std::fs::remove_file(&beside).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_in_the_place_of_a_file_is_an_error_at_once() {
        let example = Example::new("fifo", r#""a""#);
        std::fs::remove_file(&example.file).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(&example.file)
            .status();
        assert!(made.unwrap().success());
        example.followed.refresh();
        let error = example.followed.get().unwrap_err();
        assert!(error.contains("it is a fifo, not a file"), "{error}");
        std::fs::remove_file(&example.file).unwrap();
        example.write(r#""b""#);
        assert_eq!(example.says().as_deref(), Some("b"));
    }

    #[test]
    fn a_file_that_changed_long_ago_is_not_read_again() {
        let example = Example::new("old", "\"a\"");
        let metadata = std::fs::metadata(&example.file).unwrap();
        let stamp = Stamp::of(&metadata);
        let now = SystemTime::now();
        assert!(stamp.is_recent(now));
        assert!(!stamp.is_recent(now + Duration::from_secs(3)));
    }

    #[test]
    fn what_a_file_said_counts_while_it_is_written_and_no_longer() {
        let example = Example::new("written", r#""before""#);
        for half in ["", "\"aft", " "] {
            example.write(half);
            assert_eq!(example.says().as_deref(), Some("before"), "{half:?}");
        }
        assert_eq!(example.followed.version(), 0);
        example.write(r#""after""#);
        assert_eq!(example.says().as_deref(), Some("after"));

        example.write("\"never");
        assert_eq!(example.says().as_deref(), Some("after"));
        let since = Some(ago(WRITTEN_WITHIN));
        example.followed.known.write().unwrap().cut_off_since = since;
        example.followed.refresh();
        assert_eq!(example.says(), None, "nobody is writing it any more");
        example.write("\"never mi");
        assert_eq!(example.says(), None, "it is not taken back");
        example.write(r#""whole""#);
        assert_eq!(example.says().as_deref(), Some("whole"));
    }

    #[test]
    fn what_is_whole_and_wrong_counts_at_once() {
        for wrong in ["wrong", "{}", "\"a\" \"b\"", "1"] {
            let example = Example::new("wrong", r#""before""#);
            example.write(wrong);
            assert_eq!(example.says(), None, "{wrong:?}");
        }
        let example = Example::new("removed", r#""before""#);
        std::fs::remove_file(&example.file).unwrap();
        example.followed.refresh();
        assert_eq!(example.says(), None);
    }
}
