//! Opens regular files that the host reloads, such as revocation lists, their marks and keys.
//!
//! Opening a fifo blocks until another process writes to it, and reading one blocks until more is written. A
//! fifo in the place of a file would stop the thread that reads it. Anything but a regular file is therefore
//! an error at once.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Opens a file for reading, without blocking.
///
/// # Errors
///
/// Those of [`File::open`], and [`io::ErrorKind::InvalidInput`] if `path` is a fifo, a folder, a socket or a
/// device.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(File::options().read(true), path)
}

/// Opens a file with `options`, without blocking.
///
/// If `options` create the file, it is a regular file.
///
/// # Errors
///
/// Those of [`open`].
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    match options.open(path) {
        Ok(file) => refuse_other(file.metadata()?.file_type()).map(|()| file),
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a link that leads back to itself, not a file: restore the file",
        )),
        // A fifo without a reader cannot be opened for writing, and a folder or a socket cannot be opened at
        // all with these options: the error then names the file type.
        Err(error) => Err(std::fs::metadata(path)
            .ok()
            .and_then(|metadata| refuse_other(metadata.file_type()).err())
            .unwrap_or(error)),
    }
}

/// Maximum size in bytes of a file that is read whole.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a whole file.
///
/// # Errors
///
/// Those of [`open`] and of reading, and [`io::ErrorKind::FileTooLarge`] beyond 64 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it has more than 64 MiB, the most that is read: divide it, or remove what is not needed",
        )),
        false => Ok(bytes),
    }
}

/// Path of `path` with `suffix` appended to its file name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Options that create files with mode 0600, for the host's own user.
///
/// The files record decisions. On systems other than Unix the mode is not set.
pub fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are Unix's"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn refuse_other(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {}, not a file: restore the file", name_of(kind)),
    ))
}

#[cfg(unix)]
fn name_of(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a fifo",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn name_of(kind: FileType) -> &'static str {
    match kind.is_dir() {
        true => "a folder",
        false => "a device",
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_not_a_file_is_refused_at_once_and_named() {
        let folder =
            std::env::temp_dir().join(format!("portcullis-regular-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        std::fs::write(at("file"), "a").unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(at("fifo"))
            .status();
        assert!(fifo.unwrap().success());
        std::fs::create_dir(at("folder")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("fifo"), at("link to a fifo")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        for (name, said) in [
            ("fifo", "it is a fifo, not a file"),
            ("link to a fifo", "it is a fifo, not a file"),
            ("folder", "it is a folder, not a file"),
            ("socket", "it is a socket, not a file"),
            ("/dev/null", "it is a device, not a file"),
            ("loop", "it is a link that leads back to itself"),
        ] {
            let error = read(&at(name)).unwrap_err();
            assert!(error.to_string().contains(said), "{name}: {error}");
            let mut appending = File::options();
            let error = open_with(appending.append(true).create(true), &at(name)).unwrap_err();
            assert!(error.to_string().contains(said), "{name}: {error}");
        }
        for name in ["file", "link"] {
            assert_eq!(read(&at(name)).unwrap(), b"a");
        }
        let large = File::create(at("large")).unwrap();
        large.set_len(MAX_BYTES).unwrap();
        assert_eq!(read(&at("large")).unwrap().len() as u64, MAX_BYTES);
        large.set_len(MAX_BYTES + 1).unwrap();
        let error = read(&at("large")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let missing = read(&at("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
