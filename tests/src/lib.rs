//! What the tests share: guests, built when they are first asked for.

pub mod guests;
pub mod memory;
pub mod proposals;
pub mod raw;
#[cfg(target_os = "linux")]
pub mod swap;

use std::path::PathBuf;

/// The repository's root.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
