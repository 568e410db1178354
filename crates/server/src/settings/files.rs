//! Secrets and certificates in files.

use portcullis_host::{counted, unread};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Files that a configuration names, relative to its folder.
pub(super) struct Named<'a> {
    folder: &'a Path,
    files: RefCell<Vec<PathBuf>>,
}

impl<'a> Named<'a> {
    pub(super) fn in_folder(folder: &'a Path) -> Self {
        Self {
            folder,
            files: RefCell::default(),
        }
    }

    /// The file that the configuration calls `path`.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        let file = self.folder.join(path);
        self.files.borrow_mut().push(file.clone());
        file
    }

    /// Path of a socket or file that the server writes, and does not look at for changes.
    pub(super) fn written(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// All files that were named.
    pub(super) fn into_files(self) -> Vec<PathBuf> {
        self.files.into_inner()
    }
}

/// Minimum length of a bearer token, in characters.
const SHORTEST_TOKEN: usize = 32;
/// Maximum size of a file of secrets.
const LARGEST: usize = 4096;

/// Remedy for a file without a usable token.
const REMEDY: &str = "write one token, such as that of `openssl rand -hex 32`";

/// Reads the token in `file`. White space at its ends is not part of it.
///
/// # Errors
///
/// The reason why the file is unusable, with the remedy. It does not repeat the content.
pub(super) fn token(file: &Path) -> Result<String, String> {
    let name = file.display();
    let text = small(file)?.map(|text| text.trim().to_owned());
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| {
            format!("{name}: it is not one token of printable ASCII without white space: {REMEDY}")
        })
}

/// Reads a file of secrets; `None` if it is too large, or no text.
///
/// # Errors
///
/// The reason why it cannot be read.
pub(super) fn small(file: &Path) -> Result<Option<String>, String> {
    let bytes = std::fs::read(file)
        .map_err(|error| format!("{}: cannot be read: {}", file.display(), unread(&error)))?;
    let text = String::from_utf8(bytes).ok();
    Ok(text.filter(|text| text.len() <= LARGEST))
}

/// A bearer token, known by its SHA-256 only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Reads the token in `file`. White space at its ends is not part of it.
    ///
    /// # Errors
    ///
    /// The reason why the file is unusable, with the remedy.
    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = token(file)?;
        match text.len() >= SHORTEST_TOKEN {
            true => Ok(Self::of(&text)),
            false => Err(format!(
                "{}: the token has {}, and at least {SHORTEST_TOKEN} are needed: {REMEDY}",
                file.display(),
                counted(text.len(), "character")
            )),
        }
    }

    /// The token `text`.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// SHA-256 of the token.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, presented: &str) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &presented).is_ok()
    }
}

/// Message about a file that other users can read, if they can.
#[cfg(unix)]
pub(crate) fn readable_by_others(file: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = std::fs::metadata(file).ok()?.mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "{} has mode {mode:04o}, so that other users can read or change the secret in it: `chmod 600` it",
            file.display()
        )
    })
}

#[cfg(not(unix))]
pub(crate) fn readable_by_others(_: &Path) -> Option<String> {
    None
}
