//! Shared code of the tests, such as guests that are built on first use.

pub mod guests;
pub mod memory;
pub mod proposals;
pub mod raw;
pub mod requests;
#[cfg(target_os = "linux")]
pub mod small_disk;
#[cfg(target_os = "linux")]
pub mod swap;
pub mod worst;

use std::path::PathBuf;

/// Returns the repository's root.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
