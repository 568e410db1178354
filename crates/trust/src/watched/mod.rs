//! Files that a host reloads when they change, without delaying decisions.
//!
//! One thread for each host ([`Watcher`]) looks at every file in turn, parses it if it changed, and swaps the
//! parsed value in. A decision only loads that value: it never reads, parses or waits for a file.
//!
//! The thread polls metadata. Notifications of the operating system (`inotify` and the like) do not report
//! changes that another machine makes on a network file system, and a watch on a file ends when another file
//! is renamed over it or the volume below it is replaced, as Kubernetes replaces mounted configuration. A poll
//! would therefore be needed beside them, and it costs some microseconds per file and look.

mod file;
mod folder;
mod stamp;
mod watcher;

pub(crate) use file::{Bytes, Unreadable, Watched};
pub(crate) use folder::{Contents, Files, list};
pub use stamp::{FileIdentity, Stamp, identity_of};
pub use watcher::{POLL_INTERVAL, Watcher};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Maximum size of files that are read at each look and compared by digest.
///
/// The comparison costs microseconds, and does not rely on the times of the file system.
const COMPARED_BYTES: u64 = 64 * 1024;

/// Maximum time for which a half-written file keeps the content before it in use.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

/// Reason for refusing a file on which a parser panicked.
pub(crate) const HOST_FAILED: &str =
    "the host failed while it read this: please report it with the file";

/// A file or folder that is reloaded when it changes.
pub trait Watch: Send + Sync {
    /// Path of the file or folder.
    fn path(&self) -> PathBuf;

    /// Reads the file if it changed, in the calling thread, and puts the new value in force.
    fn look(&self, look: Look);

    /// Reason why the file, or a part of it, is not in force.
    fn problem(&self) -> Option<String>;

    /// Notes that the last look panicked.
    fn look_failed(&self) {}
}

/// A file or folder, shared by its user and the watcher.
pub type Source = Arc<dyn Watch>;

/// Occasion of a look at a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The watcher's regular look: files that may be half written can wait for the next one.
    InTurn,
    /// A caller needs the files as they are now.
    AtOnce,
}
