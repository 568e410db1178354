//! A file that is read again when it changes, without holding up decisions.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// How often a file is looked at, at most.
const LOOKED_AT: Duration = Duration::from_secs(1);

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

/// Makes of a file what is wanted of it; it is given what the file was before, if it was valid.
type Read<T, E> = Box<dyn Fn(&Path, Option<&T>) -> Result<T, E> + Send + Sync>;

/// What a file says, read again within a second of a change. While the file is not valid, there is
/// only the error.
pub(crate) struct Followed<T, E> {
    file: PathBuf,
    read: Read<T, E>,
    known: RwLock<Known<T, E>>,
    looked_at: Mutex<Instant>,
}

struct Known<T, E> {
    changed: Option<(SystemTime, u64, FileIdentity)>,
    content: Result<Arc<T>, E>,
    last_valid: Option<Arc<T>>,
    version: u64,
}

impl<T, E: Clone> Followed<T, E> {
    /// Reads `file` for the first time.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub(crate) fn new(
        file: impl Into<PathBuf>,
        read: impl Fn(&Path, Option<&T>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let file = file.into();
        // Looked at first: a change while it is read is seen the next time.
        let changed = changed(&file);
        let content = Arc::new(read(&file, None)?);
        Ok(Self {
            file,
            read: Box::new(read),
            known: RwLock::new(Known {
                changed,
                last_valid: Some(Arc::clone(&content)),
                content: Ok(content),
                version: 0,
            }),
            looked_at: Mutex::new(Instant::now()),
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
        if due {
            self.refresh();
        }
    }

    /// Reads the file again if it changed, now instead of within a second.
    pub(crate) fn refresh(&self) {
        let now = changed(&self.file);
        let (before, last_valid) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            (known.changed, known.last_valid.clone())
        };
        if now.is_some() && now == before {
            return;
        }
        let content = (self.read)(&self.file, last_valid.as_deref()).map(Arc::new);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Ok(content) = &content {
            known.last_valid = Some(Arc::clone(content));
        }
        known.changed = now;
        known.content = content;
        known.version += 1;
    }
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

    #[test]
    fn whoever_only_asks_for_the_version_learns_of_a_change_too() {
        let file = std::env::temp_dir().join(format!("portcullis-followed-{}", std::process::id()));
        std::fs::write(&file, "a").unwrap();
        let followed = Followed::new(&file, |file: &Path, _: Option<&String>| {
            std::fs::read_to_string(file).map_err(|error| error.to_string())
        })
        .unwrap();
        assert_eq!(followed.version(), 0);
        std::fs::write(&file, "longer").unwrap();
        *followed.looked_at.lock().unwrap() = Instant::now() - LOOKED_AT;
        assert_eq!(followed.version(), 1);
        std::fs::remove_file(&file).unwrap();
        *followed.looked_at.lock().unwrap() = Instant::now() - LOOKED_AT;
        assert_eq!(followed.version(), 2);
        assert!(followed.get().is_err());
    }
}
