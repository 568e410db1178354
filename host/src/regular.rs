//! Files that are read again and again, such as a list, the marks beside it, or keys.
//!
//! Opening a fifo waits until another process writes to it, and reading one waits for more. One in the place
//! of a file would stop the thread that reads it, so what is not a file is an error at once.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// Opens a file for reading, and never waits.
///
/// # Errors
///
/// Those of [`File::open`], and [`io::ErrorKind::InvalidInput`] if it is a fifo, a folder, a socket or a device.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(File::options().read(true), path)
}

/// Opens a file as `options` say, and never waits. A file that they make is one.
///
/// # Errors
///
/// As of [`open`].
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    match options.open(path) {
        Ok(file) => refuse_other(file.metadata()?.file_type()).map(|()| file),
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a link that leads back to itself, not a file: put the file back",
        )),
        // A fifo without a reader cannot be written to, and a folder or a socket cannot be opened so.
        Err(error) => Err(std::fs::metadata(path)
            .ok()
            .and_then(|metadata| refuse_other(metadata.file_type()).err())
            .unwrap_or(error)),
    }
}

/// Reads a whole file.
///
/// # Errors
///
/// Those of [`open`], and of reading.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse_other(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {}, not a file: put the file back", name_of(kind)),
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
        let missing = read(&at("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
