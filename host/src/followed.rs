//! A file of JSON that is read again when it changes, without holding up decisions.

use serde::de::IgnoredAny;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant, SystemTime};

/// How often a file is looked at, at most.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// For how long a file may be in the middle of being written, while what it said before counts.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

/// Which file it is, whatever it is called.
pub(crate) type FileIdentity = (u64, u64);

#[cfg(unix)]
pub(crate) fn identity_of(metadata: &Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Where files have no identity, their length and time are all there is.
#[cfg(not(unix))]
pub(crate) fn identity_of(_: &Metadata) -> FileIdentity {
    (0, 0)
}

/// What was read of a file.
pub(crate) type Bytes<'a> = Result<&'a [u8], &'a io::Error>;

/// Makes of a file what is wanted of it; it is given what was read of it, and what the file was before,
/// if it was valid.
type Read<T, E> = Box<dyn Fn(&Path, Bytes<'_>, Option<&T>) -> Result<T, E> + Send + Sync>;

/// What a file says, read again within a second of a change. While the file is not valid, there is
/// only the error; but of one that ends in the middle, which somebody is writing, what it said before
/// counts for three more seconds, and no longer.
pub(crate) struct Followed<T, E> {
    file: PathBuf,
    read: Read<T, E>,
    known: RwLock<Known<T, E>>,
    looked_at: Mutex<Instant>,
    /// Held by whoever reads the file: what was read earlier is never taken up later.
    reading: Mutex<()>,
}

struct Known<T, E> {
    changed: Option<(SystemTime, u64, FileIdentity)>,
    content: Result<Arc<T>, E>,
    last_valid: Option<Arc<T>>,
    version: u64,
    /// Since when the file ends in the middle.
    cut_off_since: Option<Instant>,
}

impl<T, E: Clone> Followed<T, E> {
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
        // Looked at first: a change while it is read is seen the next time.
        let changed = changed(&file);
        let bytes = std::fs::read(&file);
        let content = Arc::new(read(&file, bytes.as_deref(), None)?);
        Ok(Self {
            file,
            read: Box::new(read),
            known: RwLock::new(Known {
                changed,
                last_valid: Some(Arc::clone(&content)),
                content: Ok(content),
                version: 0,
                cut_off_since: None,
            }),
            looked_at: Mutex::new(Instant::now()),
            reading: Mutex::new(()),
        })
    }

    /// What the file says, as it was within the last second.
    pub(crate) fn get(&self) -> Result<Arc<T>, E> {
        self.look();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.content.clone()
    }

    /// How often the file changed since it was first read, as of the last second.
    pub(crate) fn version(&self) -> u64 {
        self.look();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.version
    }

    /// Looks at the file, if it was not looked at within the last second.
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
            // Who panicked while reading it took up nothing. It is locked here, too.
            Err(TryLockError::Poisoned(_reading)) => self.read_again(),
            // Somebody else is reading it, and nobody waits for that.
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Reads the file again if it changed, now instead of within a second.
    pub(crate) fn refresh(&self) {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_again();
    }

    fn read_again(&self) {
        let now = changed(&self.file);
        let (before, last_valid) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            (known.changed, known.last_valid.clone())
        };
        if now.is_some() && now == before {
            return;
        }
        let bytes = std::fs::read(&self.file);
        let content = (self.read)(&self.file, bytes.as_deref(), last_valid.as_deref());
        let is_cut_off = content.is_err() && bytes.as_deref().is_ok_and(is_cut_off);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if is_cut_off && known.content.is_ok() {
            let since = *known.cut_off_since.get_or_insert_with(Instant::now);
            if since.elapsed() < WRITTEN_WITHIN {
                // It is looked at again, as if it had not been.
                return;
            }
        }
        let content = content.map(Arc::new);
        if let Ok(content) = &content {
            known.last_valid = Some(Arc::clone(content));
        }
        known.cut_off_since = None;
        known.changed = now;
        known.content = content;
        known.version += 1;
    }
}

/// Whether the JSON ends before it is whole, as it does while somebody writes it. What is whole and wrong
/// is not.
fn is_cut_off(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_err_and(|error| error.is_eof())
}

impl<T, E> std::fmt::Debug for Followed<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followed")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

fn changed(file: &Path) -> Option<(SystemTime, u64, FileIdentity)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((
        metadata.modified().ok()?,
        metadata.len(),
        identity_of(&metadata),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is followed, and removed in the end.
    struct Example {
        file: PathBuf,
        followed: Followed<String, String>,
    }

    impl Example {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("portcullis-followed-{name}-{}", std::process::id());
            let file = std::env::temp_dir().join(name);
            std::fs::write(&file, text).unwrap();
            let followed =
                Followed::new(&file, |_: &Path, bytes: Bytes<'_>, _: Option<&String>| {
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
