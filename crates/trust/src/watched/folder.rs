//! Files of a folder that are read together when one of them changes.

use super::{COMPARED_BYTES, Look, Stamp, WRITTEN_WITHIN};
use crate::regular;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Contents of files, sorted by path.
pub(crate) type Contents = Vec<(PathBuf, io::Result<Vec<u8>>)>;

/// The files of a folder with certain extensions, or one file.
///
/// No syntax shows that a file of TOML is half written, and a folder can be half replaced. A changed content is
/// therefore read by the watcher only once two looks in a row found the same, or after three seconds.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    extensions: &'static [&'static str],
    read: Option<Found>,
    /// Digest of other content, and the time since which the content differs from `read`.
    settling: Option<([u8; 32], Instant)>,
}

/// Files that were read.
#[derive(Debug)]
struct Found {
    stamps: Vec<(PathBuf, Option<Stamp>)>,
    /// True if other content may have the same stamps.
    is_recent: bool,
    digest: [u8; 32],
}

impl Files {
    /// The file `path`, or the files of the folder `path` with one of the extensions.
    pub(crate) fn new(path: &Path, extensions: &'static [&'static str]) -> Self {
        Self {
            path: path.to_owned(),
            extensions,
            read: None,
            settling: None,
        }
    }

    /// Path of the file or folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the files if they changed since the last call that returned them.
    ///
    /// With `anyway`, they are returned even if they did not change. The inner error is that of the folder.
    pub(crate) fn read(&mut self, look: Look, anyway: bool) -> Option<io::Result<Contents>> {
        let listed = list(&self.path, self.extensions);
        let stamps: Vec<_> = match &listed {
            Ok(files) => files.iter().map(|file| stamped(file)).collect(),
            Err(_) => Vec::new(),
        };
        let bytes: u64 = stamps
            .iter()
            .filter_map(|(_, it)| Some((*it)?.bytes()))
            .sum();
        if let Some(read) = &self.read
            && !anyway
            && listed.is_ok()
            && read.stamps == stamps
            && stamps.iter().all(|(_, stamp)| stamp.is_some())
            && !read.is_recent
            && bytes > COMPARED_BYTES
        {
            self.settling = None;
            return None;
        }
        let now = SystemTime::now();
        let is_recent = stamps
            .iter()
            .any(|(_, stamp)| stamp.is_none_or(|stamp| stamp.is_recent(now)));
        let contents = listed.map(|files| {
            let read = |file: PathBuf| {
                let bytes = regular::read(&file);
                (file, bytes)
            };
            files.into_iter().map(read).collect::<Contents>()
        });
        let digest = digest(&contents);
        let is_changed = self.read.as_ref().is_none_or(|read| read.digest != digest);
        if is_changed && !anyway && look == Look::InTurn && self.is_settling(digest) {
            return None;
        }
        self.settling = None;
        self.read = Some(Found {
            stamps,
            is_recent,
            digest,
        });
        (is_changed || anyway).then_some(contents)
    }

    /// True if the content with this digest must be found once more before it is read.
    fn is_settling(&mut self, digest: [u8; 32]) -> bool {
        let before = self.settling;
        let since = before.map_or_else(Instant::now, |(_, since)| since);
        self.settling = Some((digest, since));
        before.is_none_or(|(before, _)| before != digest) && since.elapsed() < WRITTEN_WITHIN
    }
}

/// The file `path`, or the files of the folder `path` with one of the extensions, sorted.
pub(crate) fn list(path: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().unwrap_or_default();
        if extensions.iter().any(|one| extension == *one) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn stamped(file: &Path) -> (PathBuf, Option<Stamp>) {
    let metadata = std::fs::metadata(file).ok();
    (file.to_owned(), metadata.as_ref().map(Stamp::of))
}

fn digest(contents: &io::Result<Contents>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |tag: u8, bytes: &[u8]| {
        hash.update([tag]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match contents {
        Err(error) => part(0, error.to_string().as_bytes()),
        Ok(contents) => {
            for (file, content) in contents {
                part(1, file.as_os_str().as_encoded_bytes());
                match content {
                    Ok(bytes) => part(2, bytes),
                    Err(error) => part(3, error.to_string().as_bytes()),
                }
            }
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("portcullis-files-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.0.join(file), text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(read: Option<io::Result<Contents>>) -> Option<Vec<String>> {
        let contents = read?.unwrap();
        let name = |(file, bytes): (PathBuf, io::Result<Vec<u8>>)| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = bytes.map(|bytes| String::from_utf8(bytes).unwrap());
            format!("{name}={}", text.unwrap_or_else(|_| "?".to_owned()))
        };
        Some(contents.into_iter().map(name).collect())
    }

    #[test]
    fn two_files_that_change_at_once_are_read_together() {
        let folder = Folder::new("together");
        folder.write("a.toml", "1");
        folder.write("b.toml", "1");
        folder.write("other.txt", "1");
        let mut files = Files::new(&folder.0, &["toml"]);
        let mut now = || names(files.read(Look::AtOnce, false));
        assert_eq!(now().unwrap(), ["a.toml=1", "b.toml=1"]);
        assert_eq!(now(), None);
        folder.write("other.txt", "2");
        assert_eq!(now(), None);
        folder.write("a.toml", "2");
        folder.write("b.toml", "2");
        assert_eq!(now().unwrap(), ["a.toml=2", "b.toml=2"]);
        fs::remove_file(folder.0.join("a.toml")).unwrap();
        assert_eq!(now().unwrap(), ["b.toml=2"]);
        fs::rename(folder.0.join("b.toml"), folder.0.join("c.toml")).unwrap();
        assert_eq!(now().unwrap(), ["c.toml=2"]);
        fs::create_dir(folder.0.join("d.toml")).unwrap();
        assert_eq!(now().unwrap(), ["c.toml=2", "d.toml=?"]);
        assert_eq!(now(), None);
    }

    #[test]
    fn what_still_changes_is_read_once_it_is_the_same_twice() {
        let folder = Folder::new("settles");
        folder.write("a.toml", "1");
        let mut files = Files::new(&folder.0, &["toml"]);
        assert!(files.read(Look::AtOnce, false).is_some());
        let mut look = || names(files.read(Look::InTurn, false));
        folder.write("a.toml", "2");
        assert_eq!(look(), None);
        folder.write("a.toml", "3");
        assert_eq!(look(), None);
        assert_eq!(look().unwrap(), ["a.toml=3"]);
        assert_eq!(look(), None);
        // It is taken back before it was read.
        folder.write("a.toml", "4");
        assert_eq!(look(), None);
        folder.write("a.toml", "3");
        assert_eq!((look(), look()), (None, None));
        // It never stays the same.
        folder.write("a.toml", "5");
        assert_eq!(look(), None);
        folder.write("a.toml", "6");
        let (digest, since) = files.settling.unwrap();
        let long_ago = since.checked_sub(WRITTEN_WITHIN).unwrap();
        files.settling = Some((digest, long_ago));
        assert_eq!(
            names(files.read(Look::InTurn, false)).unwrap(),
            ["a.toml=6"]
        );
    }

    #[test]
    fn a_large_folder_is_read_again_only_if_its_metadata_changed() {
        let folder = Folder::new("large");
        let text = "x".repeat(100 * 1024);
        folder.write("a.toml", &text);
        let mut files = Files::new(&folder.0, &["toml"]);
        assert!(files.read(Look::AtOnce, false).is_some());
        folder.write("a.toml", &text.replace('x', "y"));
        assert!(files.read(Look::AtOnce, false).is_some());
        let read = files.read.as_mut().unwrap();
        assert!(read.is_recent);
        read.is_recent = false;
        read.digest = [0; 32];
        assert!(files.read(Look::AtOnce, false).is_none(), "it is not read");
        assert!(files.read(Look::AtOnce, true).is_some());
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_once() {
        let folder = Folder::new("gone");
        folder.write("a.toml", "1");
        let inner = folder.0.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("b.toml"), "1").unwrap();
        let mut files = Files::new(&inner, &["toml"]);
        assert!(files.read(Look::AtOnce, false).is_some());
        fs::remove_dir_all(&inner).unwrap();
        let read = files.read(Look::AtOnce, false).unwrap().unwrap();
        assert!(matches!(read.as_slice(), [(_, Err(_))]), "{read:?}");
        assert!(files.read(Look::AtOnce, false).is_none());
    }
}
