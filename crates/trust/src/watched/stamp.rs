//! Metadata by which a change of a file is detected.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Age below which a changed file is read again, regardless of its stamp.
const RECENT: Duration = Duration::from_secs(2);

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
pub fn identity_of(_: &Metadata) -> FileIdentity {
    (0, 0)
}

/// Metadata of a file by which a change is detected.
///
/// A copy that keeps length and modification time (`cp -p`) still changes the time of the inode's last
/// change, which no tool sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    file: FileIdentity,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

impl Stamp {
    /// Length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The stamp of a file with this metadata.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            bytes: metadata.len(),
            file: identity_of(metadata),
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of a file with this metadata.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_long_ago_is_not_read_again() {
        let file = std::env::temp_dir().join(format!("portcullis-stamp-{}", std::process::id()));
        std::fs::write(&file, "a").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&file).unwrap());
        std::fs::remove_file(&file).unwrap();
        let now = SystemTime::now();
        assert!(stamp.is_recent(now));
        assert!(!stamp.is_recent(now + Duration::from_secs(3)));
    }
}
