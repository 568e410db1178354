//! Shared code of the tests, such as guests that are built on first use.

pub mod guests;
pub mod memory;
pub mod proposals;
pub mod random;
pub mod raw;
pub mod requests;
#[cfg(target_os = "linux")]
pub mod small_disk;
#[cfg(target_os = "linux")]
pub mod swap;
pub mod wheels;
pub mod worst;

use std::path::PathBuf;

/// Returns the repository's root.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Returns the folder in which plugins are built, so that all tests share the builds.
pub fn target() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(chosen.unwrap_or_else(|| "target".into()))
}

/// Returns the folder in which crates outside the repository are built, such as those that a test writes.
///
/// The compiler writes other paths for them than for [`target`], so that either build would replace the other's.
pub fn target_of_others() -> PathBuf {
    target().join("tmp/others")
}
