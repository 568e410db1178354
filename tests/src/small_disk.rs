//! A disk that a test can fill.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Environment variable that skips the tests with a full disk, where nothing can be mounted.
///
/// Without it, these tests fail if they cannot run: a skipped test must not count as passed.
const WITHOUT_MOUNTS: &str = "PORTCULLIS_WITHOUT_MOUNTS";

/// A small mounted file system.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts it for `test`, or returns `None` if the environment skips these tests.
    ///
    /// # Panics
    ///
    /// If nothing can be mounted here.
    pub fn mount(size: &str, test: &str) -> Option<Self> {
        use std::io::Write as _;
        if std::env::var_os(WITHOUT_MOUNTS).is_some() {
            // Not printed by a macro: the test harness hides that output for a test that passes.
            let said = format!("\nNOT RUN, because {WITHOUT_MOUNTS} is set: {test}\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        }
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status()
            .is_ok_and(|status| status.success());
        assert!(
            mounted,
            "no file system can be mounted here, so that a full disk cannot be tried: run the tests as root, or leave it out by setting {WITHOUT_MOUNTS}"
        );
        Some(Self(folder))
    }

    /// Returns the path of a file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills the free space.
    ///
    /// # Panics
    ///
    /// If space is left.
    pub fn fill(&self) {
        let written = fs::write(self.path("filler"), vec![0; 64 << 20]);
        assert!(written.is_err(), "the disk has more than 64 MiB");
    }

    /// Gives the space back that [`Self::fill`] took.
    ///
    /// # Panics
    ///
    /// If it was not filled.
    pub fn make_room(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
