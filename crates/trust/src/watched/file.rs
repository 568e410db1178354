//! A JSON file that is reloaded when it changes.

use super::{COMPARED_BYTES, HOST_FAILED, Look, Source, Stamp, WRITTEN_WITHIN, Watch};
use crate::regular;
use arc_swap::ArcSwap;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// Content of a file, or the error.
pub(crate) type Bytes<'a> = Result<&'a [u8], &'a io::Error>;

/// Parser of a file, which receives the content and the last valid value.
type Read<T, E> = Box<dyn Fn(&Path, Bytes<'_>, Option<&T>) -> Result<T, E> + Send + Sync>;

/// Error of a file whose parser can panic.
pub(crate) trait Unreadable: fmt::Display + Clone + Send + Sync {
    /// Creates the error for a file that is unusable as a whole.
    fn unreadable(file: &Path, message: String) -> Self;
}

/// Parsed content of a file, reloaded when a look finds that it changed.
///
/// While the file is invalid, only the error is returned. A file that ends in the middle is being written:
/// the content before it stays in use for at most three seconds more.
pub(crate) struct Watched<T, E> {
    file: PathBuf,
    read: Read<T, E>,
    content: ArcSwap<Content<T, E>>,
    /// Held while the file is read, so that older content never replaces newer content.
    reading: Mutex<Reading<T>>,
}

/// Parsed content, or the reason why there is none.
struct Content<T, E> {
    value: Result<Arc<T>, E>,
    version: u64,
}

/// State of the reader: what it read last.
struct Reading<T> {
    stamp: Option<Stamp>,
    /// True if other content may have the same stamp.
    is_recent: bool,
    /// Digest of the content, or of the error if the file could not be read.
    digest: [u8; 32],
    last_valid: Option<Arc<T>>,
    /// Time since which the file ends in the middle.
    cut_off_since: Option<Instant>,
}

impl<T, E: Unreadable> Watched<T, E> {
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
            content: ArcSwap::from_pointee(Content {
                value: Ok(Arc::clone(&content)),
                version: 0,
            }),
            reading: Mutex::new(Reading {
                stamp,
                is_recent,
                digest: digest(&bytes),
                last_valid: Some(content),
                cut_off_since: None,
            }),
        })
    }

    /// Returns the content as of the last look.
    pub(crate) fn get(&self) -> Result<Arc<T>, E> {
        self.content.load().value.clone()
    }

    /// Returns the number of changes since the first reading.
    #[cfg(feature = "identity")]
    pub(crate) fn version(&self) -> u64 {
        self.content.load().version
    }

    /// Reads the file again if it changed.
    pub(crate) fn refresh(&self) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, is_recent) = look_at(&self.file);
        let is_small = stamp.is_some_and(|stamp| stamp.bytes() <= COMPARED_BYTES);
        if stamp.is_some() && stamp == reading.stamp && !reading.is_recent && !is_small {
            return;
        }
        let bytes = regular::read(&self.file);
        let digest = digest(&bytes);
        if digest == reading.digest {
            (reading.stamp, reading.is_recent) = (stamp, is_recent);
            reading.cut_off_since = None;
            return;
        }
        let known = self.content.load();
        let value = self.parse(bytes.as_deref(), reading.last_valid.as_deref());
        let is_cut_off = value.is_err() && bytes.as_deref().is_ok_and(is_cut_off);
        if is_cut_off && known.value.is_ok() {
            let since = *reading.cut_off_since.get_or_insert_with(Instant::now);
            if since.elapsed() < WRITTEN_WITHIN {
                // The stamp stays as it was, so that the file is read again.
                return;
            }
        }
        let value = value.map(Arc::new);
        if let Ok(content) = &value {
            reading.last_valid = Some(Arc::clone(content));
        }
        reading.cut_off_since = None;
        (reading.stamp, reading.is_recent) = (stamp, is_recent);
        reading.digest = digest;
        let version = known.version + 1;
        self.content.store(Arc::new(Content { value, version }));
    }

    /// Parses the content. A parser that panics makes the file invalid, as any other invalid file.
    fn parse(&self, bytes: Bytes<'_>, last_valid: Option<&T>) -> Result<T, E> {
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            (self.read)(&self.file, bytes, last_valid)
        }));
        parsed.unwrap_or_else(|_| Err(E::unreadable(&self.file, HOST_FAILED.to_owned())))
    }
}

impl<T: Send + Sync, E: Unreadable> Watch for Watched<T, E> {
    fn path(&self) -> PathBuf {
        self.file.clone()
    }

    fn look(&self, _: Look) {
        self.refresh();
    }

    fn problem(&self) -> Option<String> {
        let content = self.content.load();
        content.value.as_ref().err().map(ToString::to_string)
    }
}

impl<T: Send + Sync + 'static, E: Unreadable + 'static> Watched<T, E> {
    /// The file as a source of a watcher.
    pub(crate) fn source(self: &Arc<Self>) -> Source {
        Arc::<Self>::clone(self)
    }
}

/// True if the JSON ends too early, as it does while it is written.
///
/// Complete but invalid JSON does not count.
fn is_cut_off(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_err_and(|error| error.is_eof())
}

impl<T, E> fmt::Debug for Watched<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// Digest of the content, or of the error, which is no change while it stays the same.
fn digest(bytes: &io::Result<Vec<u8>>) -> [u8; 32] {
    match bytes {
        Ok(bytes) => Sha256::digest(bytes).into(),
        Err(error) => Sha256::digest(format!("\0{error}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    impl Unreadable for String {
        fn unreadable(_: &Path, message: String) -> Self {
            message
        }
    }

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
                let text: String =
                    serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
                assert_ne!(text, "panic");
                Ok(text)
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
    fn each_change_raises_the_version_and_no_other_look_does() {
        let example = Example::new("version", r#""a""#);
        let followed = &example.followed;
        followed.refresh();
        assert_eq!(followed.version(), 0);
        example.write(r#""longer""#);
        assert_eq!(followed.version(), 1);
        std::fs::remove_file(&example.file).unwrap();
        assert!(followed.get().is_ok(), "only a look reads the file");
        followed.refresh();
        assert_eq!(followed.version(), 2);
        assert!(followed.get().is_err());
        std::fs::create_dir(&example.file).unwrap();
        followed.refresh();
        assert!(followed.problem().unwrap().contains("it is a folder"));
        std::fs::remove_dir(&example.file).unwrap();
        example.write(r#""back""#);
        assert_eq!(example.says().as_deref(), Some("back"));
        assert_eq!(followed.problem(), None);
    }

    #[test]
    fn a_parser_that_panics_makes_its_file_invalid_until_it_changes() {
        let example = Example::new("panics", r#""a""#);
        example.write(r#""panic""#);
        let error = example.followed.get().unwrap_err();
        assert!(error.contains("please report it"), "{error}");
        let version = example.followed.version();
        example.followed.refresh();
        assert_eq!(example.followed.version(), version, "it is parsed once");
        example.write(r#""calm""#);
        assert_eq!(example.says().as_deref(), Some("calm"));
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
        example.followed.reading.lock().unwrap().cut_off_since = since;
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
