//! Errors of files with their remedy, for messages.

use std::io::{Error, ErrorKind};

/// The text of an error of reading a file, with the remedy.
///
/// An error that is not of the operating system states its remedy itself.
pub fn unread(error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "check the path",
        ErrorKind::IsADirectory => return "it is a folder: name a file".to_owned(),
        ErrorKind::PermissionDenied => "let this user read it",
        ErrorKind::InvalidData => return "it is not UTF-8: save it as UTF-8".to_owned(),
        _ => return error.to_string(),
    };
    format!("{error}: {remedy}")
}

/// The text of an error of creating or writing a file, with the remedy.
pub fn unwritten(error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create its folder",
        ErrorKind::NotADirectory => "check the path",
        ErrorKind::IsADirectory => return "it is a folder: name a file".to_owned(),
        ErrorKind::AlreadyExists => {
            return "it exists, and is not overwritten: name another file, or remove it".to_owned();
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "let this user write to it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free disk space",
        _ => return error.to_string(),
    };
    format!("{error}: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_remedy() {
        for (kind, reading, writing) in [
            (ErrorKind::NotFound, "check the path", "create its folder"),
            (ErrorKind::NotADirectory, "check the path", "check the path"),
            (ErrorKind::IsADirectory, "name a file", "name a file"),
            (ErrorKind::PermissionDenied, "read it", "write to it"),
            (ErrorKind::InvalidData, "save it as UTF-8", ""),
            (ErrorKind::AlreadyExists, "", "name another file"),
            (ErrorKind::StorageFull, "", "free disk space"),
        ] {
            let (read, written) = (unread(&kind.into()), unwritten(&kind.into()));
            assert!(read.ends_with(reading), "{read}");
            assert!(written.contains(writing), "{written}");
        }
        let other = Error::other("it is a fifo, not a file: restore the file");
        assert_eq!(unread(&other), other.to_string());
        assert_eq!(unwritten(&other), other.to_string());
    }
}
